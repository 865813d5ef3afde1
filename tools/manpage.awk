# A page of --help as a manual page. Variables: name (varve-sessions), what (what it is in a line),
# version. Every word of the help stands on the page, in its order; a test holds that.
#
# The help has paragraphs: "usage: ..." first; "options:" and "options, which ...:" with lines of "  TERM  what
# it does" and deeper lines that go on; "commands:" likewise; "example:" with lines of commands; "exit
# codes: ..."; all else is text, in which lines that stand in are a list as well.

function plain(text) {
    gsub(/\\/, "\\e", text)
    gsub(/-/, "\\-", text)
    sub(/^[.']/, "\\\\\\&&", text)
    return text
}

function heading(title) {
    print ".SH " title
    section = title
}

# A term, then what is said of it: two spaces stand between them.
function item(line,    term, at) {
    sub(/^ +/, "", line)
    at = match(line, /  +/)
    term = at ? substr(line, 1, at - 1) : line
    print ".TP"
    print ".B \"" quoted(plain(term)) "\""
    if (at) {
        print plain(substr(line, at + RLENGTH))
    }
}

function quoted(text) {
    gsub(/"/, "\\(dq", text)
    return text
}

BEGIN {
    title = toupper(name)
    print ".\\\" Made from the command's --help."
    print ".TH " plain(title) " 1 \"\" \"Varve " version "\" \"Varve\""
    print ".SH NAME"
    print plain(name) " \\- " plain(what)
    fresh = 1
}

/^usage: / {
    heading("SYNOPSIS")
    sub(/^usage: /, "")
    print ".nf"
    print plain($0)
    mode = "usage"
    next
}

mode == "usage" && /^ / {
    sub(/^ +/, "")
    print plain($0)
    next
}

/^$/ {
    if (mode == "usage") {
        print ".fi"
        heading("DESCRIPTION")
    } else if (mode == "example") {
        print ".fi"
    }
    mode = ""
    fresh = 1
    next
}

/^(options|commands)[^:]*:$/ {
    if (section != "OPTIONS" || /^commands/) {
        heading(/^commands/ ? "COMMANDS" : "OPTIONS")
    }
    sub(/:$/, "")
    if ($0 != "options" && $0 != "commands") {
        sub(/^options,? */, "")
        sub(/^\(/, "")
        sub(/\)$/, "")
        print ".SS \"" toupper(substr($0, 1, 1)) substr($0, 2) "\""
    }
    mode = "list"
    next
}

/^example:$/ {
    heading("EXAMPLES")
    print ".nf"
    mode = "example"
    next
}

/^exit codes: / {
    heading("EXIT STATUS")
    sub(/^exit codes: /, "")
    print plain($0)
    mode = "text"
    next
}

mode == "example" {
    sub(/^  /, "")
    print plain($0)
    next
}

/^ ? ?[^ ]/ && /^  / {
    item($0)
    mode = "list"
    fresh = 0
    next
}

/^   / {
    sub(/^ +/, "")
    print plain($0)
    next
}

{
    if (mode == "list" || fresh) {
        if (section == "OPTIONS") {
            heading("NOTES")
        } else {
            print ".PP"
        }
    }
    fresh = 0
    mode = "text"
    print plain($0)
}

END {
    if (mode == "example") {
        print ".fi"
    }
    if (name == "varve") {
        heading("ENVIRONMENT")
        print ".TP\n.B VARVE_STORE\nThe store, where \\-\\-store does not name it."
        print ".TP\n.B TZ\nThe zone of the times that people are shown."
        print ".TP\n.B NO_COLOR\nIf it is set, nothing is bold on a terminal either."
    }
    heading("SEE ALSO")
    if (name == "varve") {
        see = others
        gsub(/ /, "(1), varve-", see)
        print plain("varve-" see "(1), varve(3), varve(7)")
    } else {
        print plain("varve(1), varve(7)")
    }
}
