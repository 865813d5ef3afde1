#!/bin/bash
# What the command tells of a store: valid JSON whatever bytes the store holds, tables that do no
# harm to a terminal, each event and each token once. The samples come out as their expected.json
# says.
# shellcheck source=tests/support/cli.sh
. "$(dirname "$0")/support/cli.sh"

odd_store

# ---- sessions ----
expect 0 --format jsonl sessions
jq -e . out >/dev/null || fail 'sessions: not JSON'
[ "$(jq -r .session_id out | tr '\n' ' ')" = "${id}2 ${id}1 " ] || fail "sessions: $(cat out)"
grep -qP '[\x00-\x09\x0b-\x1f]' out && fail 'sessions: control characters in JSON'
iconv -f UTF-8 -t UTF-16 out >/dev/null || fail 'sessions: not UTF-8'
[ "$(jq -s '.[1].total_tokens' out)" = 10 ] || fail 'sessions: total_tokens'
keys=$(jq -c 'keys' out | sort -u | wc -l)
[ "$keys" = 1 ] || fail 'sessions: rows differ in their fields'
"$VARVE" sessions --format=jsonl >again
cmp -s out again || fail '--format after the command differs'
expect 0 --format jsonl sessions --limit 1
[ "$(wc -l <out)" = 1 ] || fail 'sessions --limit 1'

expect 0 sessions
grep -qP '[\x00-\x08\x0b-\x1f\x7f]' out && fail 'sessions: control characters in the table'
grep -q $'\342\200\256' out && fail 'sessions: a direction mark in the table'

# ---- events ----
expect 0 --format jsonl events "${id}1"
jq -e . out >/dev/null || fail 'events: not JSON'
[ "$(wc -l <out)" = 5 ] || fail "events: $(wc -l <out) lines, not 5"
[ "$(jq -c '[.payload|type]|.[0]' out | tr '\n' ' ')" = \
    '"object" "string" "string" "object" "string" ' ] ||
    fail "events: payloads $(jq -c .payload out)"
[ "$(jq -s 'map(.seq) == (map(.seq) | sort)' out)" = true ] || fail 'events: not by seq'
python3 - out <<'P' || fail 'events: half a character is left'
import json, sys
for line in open(sys.argv[1], encoding="utf-8"):
    json.dumps(json.loads(line), ensure_ascii=False).encode("utf-8")
P
cp out forwards
expect 0 --format jsonl events "${id}1" --reverse
tac out | cmp -s - forwards || fail 'events --reverse is not events backwards'
from=$(jq -s '.[2].seq' forwards)
expect 0 --format jsonl events "${id}1" --from-seq "$from"
tail -n +3 forwards | cmp -s - out || fail 'events --from-seq'
expect 0 --format jsonl events "${id}1" --from-seq "$from" --reverse --limit 2
head -3 forwards | tac | head -2 | cmp -s - out || fail 'events --from-seq --reverse --limit'
expect 0 --format jsonl events
[ "$(wc -l <out)" = 6 ] || fail "events: $(wc -l <out) lines in the store, not 6"
[ "$(jq -s 'map(.lsn) == (map(.lsn) | sort)' out)" = true ] || fail 'events: not by lsn'
lsn=$(jq -s '.[4].lsn' out)
expect 0 --format jsonl events --from-lsn "$lsn"
[ "$(wc -l <out)" = 2 ] || fail 'events --from-lsn'
expect 0 --format jsonl events --type assistant --no-payload
[ "$(jq -c '[.type, has("payload"), .input_tokens]' out)" = '["assistant",false,1]' ] ||
    fail "events --type --no-payload: $(cat out)"
expect 0 events
grep -qP '[\x00-\x08\x0b-\x1f\x7f]' out && fail 'events: control characters in the table'

# ---- show: ids and beginnings of ids ----
expect 0 --format jsonl show "${id}1"
[ "$(jq -r '.session_id, .events, .by_source.transcript.events' out | tr '\n' ' ')" = \
    "${id}1 5 5 " ] || fail "show: $(cat out)"
expect 0 show "${id}1"
says out session_id
expect 3 show "${id%0}"
says err '2 sessions fit'
says err "${id}1"
expect 3 show 5e5
expect 3 show nothing-like-it
one_line
expect 3 show "${id}1" --machine elsewhere

# ---- usage ----
expect 0 --format jsonl usage
jq -e '.total_tokens == 10 and .by_kind.message.input_tokens == 1' out >/dev/null ||
    fail "usage: $(cat out)"
expect 0 --format jsonl usage daily
[ "$(jq -r .date out)" = 2025-11-20 ] || fail "usage daily: $(cat out)"
if [ -e /usr/share/zoneinfo/Europe/Berlin ]; then
    expect 0 --format jsonl usage daily --tz Europe/Berlin
    [ "$(jq -r .date out)" = 2025-11-21 ] || fail "usage --tz: $(cat out)"
    expect 0 --format jsonl usage total --tz Europe/Berlin --until 2025-11-20
    [ "$(jq .total_tokens out)" = 0 ] || fail "usage --until with --tz: $(cat out)"
fi
expect 0 --format jsonl usage total --since 2025-11-20 --until 2025-11-20
[ "$(jq .total_tokens out)" = 10 ] || fail 'usage --since --until: the days are inclusive'
expect 0 --format jsonl usage total --since 2025-11-20T23:30:00.001Z
[ "$(jq .total_tokens out)" = 0 ] || fail 'usage --since with a time'
expect 0 --format jsonl usage total --session "${id}2"
[ "$(jq .total_tokens out)" = 0 ] || fail 'usage --session'
for report in total daily monthly session model; do
    expect 0 usage $report
    tail -1 out | grep -q '^total .* 10 ' || fail "usage $report: $(cat out)"
done

# ---- Care ----
expect 0 --format jsonl stats
[ "$(jq -c '[.sessions, .events, .charges]' out)" = '[2,6,1]' ] || fail "stats: $(cat out)"
expect 0 verify --deep
expect 0 --format jsonl verify
[ "$(tail -1 out | jq .faults)" = 0 ] || fail 'verify'
"$VARVE" --format jsonl sessions --all >before
expect 0 reindex
"$VARVE" --format jsonl sessions --all | cmp -s - before || fail 'reindex changes sessions'

cp -r "$VARVE_STORE" damaged
printf x | dd of=damaged/STORE bs=1 seek=20 conv=notrunc status=none
expect 1 --store damaged verify
says out 'STORE'
cp -r "$VARVE_STORE" cut
for segment in cut/seg/*; do
    printf xxxx | dd of="$segment" bs=1 seek=6000 conv=notrunc status=none
done
expect 1 --store cut verify
says out 'seg/'
expect 1 --store cut --format jsonl verify
jq -se '.[-1].faults == (map(select(.is_fault)) | length) and .[-1].faults > 0' out >/dev/null ||
    fail "verify: $(cat out)"

# ---- The samples ----
if [ -f "$SAMPLES/expected.json" ]; then
    export VARVE_STORE=$work/samples
    expect 0 import "$SAMPLES/claude"
    for pair in day:daily:date model:model:model; do
        IFS=: read -r kind report field <<<"$pair"
        expect 0 --format jsonl usage "$report"
        jq -S --arg field "$field" --argjson keys '["input_tokens","output_tokens",
            "cache_write_tokens","cache_read_tokens","total_tokens"]' -s '
            map({key: (.[$field] // "none"), value: (. as $row | $keys | map($row[.]))})
            | map(select(.value[4] > 0)) | from_entries' out >got
        jq -S --arg kind "by_$kind" --argjson keys '["input_tokens","output_tokens",
            "cache_write_tokens","cache_read_tokens","total_tokens"]' '.[$kind]
            | to_entries | map({key: (if .key == "null" then "none" else .key end),
                                value: (.value as $row | $keys | map($row[.]))})
            | map(select(.value[4] > 0)) | from_entries' "$SAMPLES/expected.json" >wanted
        diff wanted got >differences || fail "usage $report: $(head -5 differences)"
    done
    expect 0 --format jsonl sessions --all
    jq -c '[.session_id, .parent_session_id, .total_tokens, .output_is_lower_bound]' out |
        sort >got
    jq -c '.sessions | to_entries[] | [.key, .value.parent, .value.total_tokens,
        .value.output_is_lower_bound]' "$SAMPLES/expected.json" | sort >wanted
    comm -23 wanted got >missing
    [ -s missing ] && fail "sessions that are not as expected: $(head -3 missing)"
    "$VARVE" --format jsonl usage session >by_session
    diff <(jq -c 'select(.total_tokens > 0) | [.session_id, .total_tokens, .cost_usd]' by_session |
        sort) <(jq -c 'select(.total_tokens > 0) | [.session_id, .total_tokens, .cost_usd]' out |
        sort) >differences || fail "usage session and sessions differ: $(head -4 differences)"
    while read -r session; do
        expect 0 --format jsonl show "$session"
        expect 0 --format jsonl events "$session"
        jq -e . out >/dev/null || fail "events $session: not JSON"
    done < <(jq -r '.[0]' got)
fi

finish
