# For the scripts that test the command: sourced by them. Needs VARVE (the command); SAMPLES is
# tests/samples if it does not say otherwise. The script then stands in an empty directory, with an
# empty home.
set -u
: "${VARVE:?VARVE must name the command}"
[ -x "$VARVE" ] || {
    echo "no command at $VARVE"
    exit 1
}
VARVE=$(realpath "$VARVE")
SAMPLES=${SAMPLES:-$(cd "$(dirname "$0")" && pwd)/samples}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
unset VARVE_STORE XDG_DATA_HOME NO_COLOR
export HOME=$work/home LC_ALL=C
mkdir home
failures=0

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# expect CODE ARGUMENT...: the exit code; output to out, messages to err.
expect() {
    local wanted=$1
    shift
    "$VARVE" "$@" >out 2>err
    local got=$?
    [ "$got" = "$wanted" ] || fail "varve $*: exit code $got, not $wanted: $(head -2 err)"
}

# says FILE TEXT: the file holds the text.
says() {
    grep -qF -- "$2" "$1" || fail "$1 does not say '$2': $(head -3 "$1")"
}

# one_line: there is one line of complaint, perhaps followed by how to get help.
one_line() {
    [ "$(grep -c '^varve: ' err)" = 1 ] || fail "not one line: $(cat err)"
    [ "$(grep -cv -e '^varve: ' -e "^Try 'varve" err)" = 0 ] || fail "more than a line: $(cat err)"
}

usage_error() {
    expect 2 "$@"
    one_line
    says err "Try 'varve"
    [ -s out ] && fail "varve $*: prints to standard output"
}

# finish: the last line of each script.
finish() {
    [ "$failures" = 0 ] || {
        echo "$failures failed"
        exit 1
    }
    echo 'all as promised'
}

# odd_store: imports odd.jsonl (session ${id}1), whose texts hold what is odd, and other.jsonl
# (session ${id}2, its last line without an end). The store is named by VARVE_STORE.
id=5e5510f0-0000-4000-8000-00000000000
odd_store() {
    {
        # a user's words: an escape, a right-to-left mark, half a character, what is not UTF-8
        printf '{"type":"user","sessionId":"%s1","uuid":"u1",' $id
        printf '"timestamp":"2025-11-20T08:30:00.123Z",'
        printf '"cwd":"/c","message":{"role":"user",'
        printf '"content":"a \\u001b[31m \\ud83d \342\200\256 b"}}\n'
        printf '{"type":"user","sessionId":"%s1","uuid":"u2",' $id
        printf '"timestamp":"2025-11-20T08:31:00Z","message":{"role":"user",'
        printf '"content":"bad \377\376 bytes"}}\n'
        printf '\n'
        printf '{"type":"assistant","sessionId":"%s1","uuid":"u3","version":"2.1.0",' $id
        printf '"timestamp":"2025-11-20T23:30:00Z","requestId":"r1","message":{"id":"m1",'
        printf '"model":"claude-opus-4-5-20251101","role":"assistant","content":[],'
        printf '"usage":{"input_tokens":1,"output_tokens":2,"cache_read_input_tokens":3,'
        printf '"cache_creation_input_tokens":4}}}\r\n'
        printf 'not JSON at all \000 \033]0;title\007\n'
    } >odd.jsonl
    {
        printf '{"type":"user","sessionId":"%s2","uuid":"u4",' $id
        printf '"timestamp":"2025-11-21T08:30:00Z","message":{"role":"user","content":"other"}}'
    } >other.jsonl
    export VARVE_STORE=$work/deep/er/store
    expect 0 import odd.jsonl other.jsonl
}
