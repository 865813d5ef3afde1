#!/bin/bash
# restore gives back the bytes that were imported, also of a file that grew between imports, and a
# file that it writes is there whole or not at all.
# shellcheck source=tests/support/cli.sh
. "$(dirname "$0")/support/cli.sh"

odd_store

expect 0 restore "${id}1"
cmp -s out odd.jsonl || fail 'restore: other bytes'
expect 0 restore "${id}2"
cmp -s out other.jsonl || fail 'restore: other bytes where the last line has no end'
expect 0 restore "${id}1" -o written
cmp -s written odd.jsonl || fail 'restore -o: other bytes'
echo old >replaced && chmod 640 replaced && ln -s replaced link
expect 0 restore "${id}1" -o link
cmp -s replaced odd.jsonl || fail 'restore -o: a link is not followed'
[ -L link ] || fail 'restore -o: the link is lost'
[ "$(stat -c %a replaced)" = 640 ] || fail 'restore -o: permissions are lost'
expect 0 restore "${id}1" -o /dev/null
[ -c /dev/null ] || fail 'restore -o replaced a device'
expect 3 restore "${id}1" -o no/such/folder
one_line
expect 3 restore "${id}1" -o /dev/full
[ "$(find . -name '*.??????' -newer odd.jsonl -name 'written*')" ] && fail 'restore leaves files'

# A file that grows: how the line that was its last ended may show only later.
line() {
    printf '{"type":"user","sessionId":"grown","uuid":"u%s",' "$1"
    printf '"timestamp":"2025-11-20T08:30:0%sZ","message":{"role":"user","content":"m"}}' "$1"
}
# grows STATE...: the file's states one after the other; in them 1, 2, 3 are lines.
grows() {
    local state part
    rm -rf grown
    for state in "$@"; do
        for part in $state; do
            case $part in
                [0-9]) line "$part" ;;
                *) printf '%b' "$part" ;;
            esac
        done >grown.jsonl
        expect 0 --store grown import grown.jsonl
    done
    expect 0 --store grown restore grown
    cmp -s out grown.jsonl || fail "restore of a file that grew: $*"
    expect 0 --store grown verify --deep
}
for end in '\n' '\r\n'; do
    grows '1' "1 $end"
    grows '1' "1 $end 2"
    grows '1' "1 $end" "1 $end 2"
    grows '1' "1 $end" "1 $end 2 $end 3"
    grows '1' "1 $end $end"
    grows "1 $end 2" "1 $end 2 $end 2" "1 $end 2 $end 2 $end"
    grows '1' '1 \n' "1 \n 2 $end"
done
grows '1' '1 2 \n'
grows '1 \n' '1 \n \n \r\n 1 \n 1'
grows '1 \0\0 2 \n' '1 \0\0 2 \n 3'

finish
