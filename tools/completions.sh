#!/bin/sh
# Writes what completes the command's words in a shell, from what its own parser knows.
#
#   tools/completions.sh VARVE bash|zsh|fish >FILE
set -eu

varve=$1
shell=$2

# One line a thing, fields parted by "|":
#   command|NAME|OPERANDS|WHAT          operands: words, or FILE, DIR, SESSION; "-" = none
#   global|NAME|LETTER|VALUES           options that may stand anywhere
#   option|COMMAND[ OPERAND]|NAME|LETTER|VALUES     "-" = no letter, takes no value; "*" = any value
table() {
    "$varve" help --list | tr '\t' '|' | sed 's/^/command|/'
    "$varve" help --globals | sed 's/^\([^ ]*\) \([^ ]*\) \(.*\)/global|\1|\2|\3/'
    "$varve" help --list | while IFS='	' read -r name operands _; do
        options "$name"
        for operand in $operands; do
            case $operand in
                - | FILE | DIR | SESSION) ;;
                *) [ "$("$varve" "$name" "$operand" --help=options)" = "$("$varve" "$name" --help=options)" ] ||
                    options "$name $operand" ;;
            esac
        done
    done
}

options() {
    # shellcheck disable=SC2086 # a command and its operand are two words
    "$varve" $1 --help=options | sed "s/^\([^ ]*\) \([^ ]*\) \(.*\)/option|$1|\1|\2|\3/"
}

in_bash() {
    cat <<'END'
# Completion of varve for bash.
_varve_sessions() {
    varve ${1:+--store="$1"} --format csv sessions --limit 100 2>/dev/null | sed '1d; s/,.*//'
}

_varve() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local command='' operand='' store='' options='' values='' operands='' globals='' i
    if [ "$word" = = ]; then
        word=''
    elif [ "$before" = = ]; then
        before=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            --store) store=${COMP_WORDS[++i]} ;;
            --format) ((++i)) ;;
            -*) ;;
            *) if [ -z "$command" ]; then command=${COMP_WORDS[i]}; else operand=${operand:-${COMP_WORDS[i]}}; fi ;;
        esac
    done
    case "$command $operand " in
END
    table | awk -F'|' '
        $1 == "command" { operands[$2] = $3 == "-" ? "" : $3; names = names (names ? " " : "") $2; next }
        $1 == "global" {
            if ($2 != "help" && $2 != "version") globals = globals " --" $2
            if ($4 != "-") of_global = of_global "        *\" --" $2 "\") values=\"" $4 "\" ;;\n"
            next
        }
        { if (!($2 in all)) order[++count] = $2
          all[$2] = all[$2] " --" $3
          if ($4 != "-") all[$2] = all[$2] " -" $4
          if ($5 == "-") next
          what = "\"" $2 "\"*\" --" $3 "\""
          if ($4 != "-") what = what " | \"" $2 "\"*\" -" $4 "\""
          list[++lists] = what; value[lists] = $5 }
        END {
            for (pass = 1; pass <= 2; pass++) # those with an operand first
                for (i = 1; i <= count; i++)
                    if ((order[i] ~ / /) == (pass == 1)) {
                        split(order[i], part, " ")
                        printf "        \"%s \"*) options=\"%s\" operands=\"%s\" ;;\n", order[i],
                            substr(all[order[i]], 2), pass == 2 ? operands[part[1]] : ""
                    }
            printf "        *) options=\"--help --version\" operands=\"%s help\" ;;\n", names
            printf "    esac\n    globals=\"%s\"\n", substr(globals, 2)
            printf "    case \"$command $operand $before\" in\n%s", of_global
            for (pass = 1; pass <= 2; pass++)
                for (i = 1; i <= lists; i++)
                    if ((list[i] ~ /^"[^"]* /) == (pass == 1))
                        printf "        %s) values=\"%s\" ;;\n", list[i], value[i]
            print "    esac"
        }'
    cat <<'END'
    if [ -z "$values" ]; then
        if [ "${word:0:1}" = - ]; then values="$options $globals"; else values=$operands; fi
    fi
    case $values in
        '*' | '') COMPREPLY=() ;;
        FILE) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
        DIR) mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
        SESSION) mapfile -t COMPREPLY < <(compgen -W "$(_varve_sessions "$store")" -- "$word") ;;
        *) mapfile -t COMPREPLY < <(compgen -W "$values" -- "$word") ;;
    esac
}
complete -o filenames -F _varve varve
END
}

in_zsh() {
    cat <<'END'
#compdef varve
# Completion of varve for zsh.
_varve_sessions() {
    local -a sessions
    sessions=(${(f)"$(varve --format csv sessions --limit 100 2>/dev/null | sed '1d; s/,.*//')"})
    compadd -a sessions
}

_varve() {
    local state
    local -a commands globals
END
    table | awk -F'|' -v quote="'" '
        function action(values) {
            if (values == "FILE") return "_files"
            if (values == "DIR") return "_files -/"
            if (values == "SESSION") return "_varve_sessions"
            return values == "*" ? "" : "(" values ")"
        }
        $1 == "command" {
            line = line "        " quote $2 ":" $4 quote "\n"
            operands[$2] = $3
            next
        }
        $1 == "global" {
            if ($2 != "help" && $2 != "version")
                globals = globals " " quote "--" $2 ($4 == "-" ? "" : "=:value:" action($4)) quote
            next
        }
        { if (!($2 in all)) order[++count] = $2
          spec = $5 == "-" ? "" : ":value:" action($5)
          all[$2] = all[$2] " " quote "*--" $3 ($5 == "-" ? "" : "=") spec quote
          if ($4 != "-") all[$2] = all[$2] " " quote "*-" $4 ($5 == "-" ? "" : "+") spec quote }
        END {
            printf "    commands=(\n%s    )\n    globals=(%s )\n", line, globals
            print "    _arguments -C $globals \"--help\" \"--version\" \"1:command:->command\" \"*::argument:->rest\""
            print "    case $state in"
            print "        command) _describe command commands ;;"
            print "        rest) case \"$words[1] ${words[2]:-}\" in"
            for (pass = 1; pass <= 2; pass++)
                for (i = 1; i <= count; i++)
                    if ((order[i] ~ / /) == (pass == 1)) {
                        split(order[i], part, " ")
                        own = pass == 2 ? operands[part[1]] : "-"
                        printf "            \"%s \"*) _arguments $globals%s%s ;;\n", order[i], all[order[i]],
                            own == "-" ? "" : " " quote "*:operand:" action(own) quote
                    }
            print "        esac ;;\n    esac\n}"
        }'
    echo '_varve "$@"'
}

in_fish() {
    cat <<'END'
# Completion of varve for fish.
function __varve_words
    set -l found
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
            continue
        end
        switch $word
            case --store --format
                set skip 1
            case '-*'
            case '*'
                set -a found $word
        end
    end
    echo "$found "
end

function __varve_in
    string match -q -- "$argv[1] *" (__varve_words)
end

function __varve_sessions
    varve --format csv sessions --limit 100 2>/dev/null | string replace -r ',.*' '' | tail -n +2
end

complete -c varve -f
complete -c varve -n 'test (__varve_words) = " "' -l help -l version
END
    table | awk -F'|' -v quote="'" '
        function action(values) {
            if (values == "FILE") return "-r -F"
            if (values == "DIR") return "-x -a " quote "(__fish_complete_directories)" quote
            if (values == "SESSION") return "-x -a " quote "(__varve_sessions)" quote
            return values == "*" ? "-x" : "-x -a " quote values quote
        }
        $1 == "command" {
            said = $4
            gsub(quote, "\\" quote, said)
            printf "complete -c varve -n %stest (__varve_words) = \" \"%s -a %s -d %s%s%s\n", quote, quote, $2,
                quote, said, quote
            if ($3 == "FILE") printf "complete -c varve -n \"__varve_in %s\" -F\n", $2
            else if ($3 != "-") {
                values = action($3)
                sub(/^-x /, "", values)
                printf "complete -c varve -n \"__varve_in %s\" %s\n", $2, values
            }
            next
        }
        $1 == "global" {
            if ($2 != "help" && $2 != "version")
                printf "complete -c varve -l %s%s\n", $2, $4 == "-" ? "" : " " action($4)
            next
        }
        { if ($2 ~ / /) { split($2, part, " "); but[part[1]] = but[part[1]] "; and not __varve_in " quote $2 quote }
          key[++keys] = $2
          what[keys] = "-l " $3 ($4 == "-" ? "" : " -s " $4) ($5 == "-" ? "" : " " action($5)) }
        END {
            for (i = 1; i <= keys; i++)
                printf "complete -c varve -n \"__varve_in %s%s%s%s\" %s\n", quote, key[i], quote, but[key[i]], what[i]
        }'
}

case $shell in
    bash) in_bash ;;
    zsh) in_zsh ;;
    fish) in_fish ;;
    *)
        echo "completions: for bash, zsh or fish, not '$shell'" >&2
        exit 2
        ;;
esac
