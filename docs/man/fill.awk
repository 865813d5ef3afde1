# Puts the version and the example in the place of their marks.
/^@EXAMPLE@$/ {
    while ((getline line < example) > 0) {
        gsub(/\\/, "\\e", line)
        gsub(/-/, "\\-", line)
        sub(/^[.']/, "\\\\\\&&", line)
        print line
    }
    next
}

{
    gsub(/@VERSION@/, version)
    print
}
