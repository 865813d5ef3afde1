# varve.h as Doxygen wants it: its comments are plain ones, and the header stays readable so. A comment above a
# declaration, and one at a line's end, belong to it; "---- Title ----" begins a part.

NR == 1 {
    print "/** @file"
    next
}

/^\/\* ---- .* ---- \*\/$/ {
    sub(/^\/\* ---- /, "")
    sub(/ ---- \*\/$/, "")
    print (part++ ? "/**@}*/ " : "") "/** @name " $0 " */ /**@{*/"
    next
}

/^#ifdef __cplusplus/ && part {
    print "/**@}*/"
}

/^\/\*/ {
    sub(/^\/\*/, "/**")
    print
    next
}

/[^ ].*\/\*/ && !/^ \*/ {
    sub(/\/\*/, "/**<")
}

{ print }
