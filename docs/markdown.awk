# A page as Doxygen wants it: headings get the anchors that links to them expect, each page's own.

BEGIN {
    page = ARGV[1]
    sub(/.*\//, "", page)
    sub(/\.md$/, "", page)
    page = tolower(page)
}

/^```/ { code = !code }

!code && /^##+ / {
    slug = tolower($0)
    sub(/^#+ /, "", slug)
    gsub(/[^a-z0-9 _-]/, "", slug)
    gsub(/ /, "-", slug)
    print $0 " {#" page "-" slug "}"
    next
}

!code { gsub(/\]\(#/, "](#" page "-") }

{ print }
