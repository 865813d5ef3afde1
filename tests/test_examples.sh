#!/bin/bash
# What examples/ promises: each program prints what it is said to print, and what it did is there.
#
# Environment: EXAMPLES where they were built.
# shellcheck source=tests/support/cli.sh
. "$(dirname "$0")/support/cli.sh"
: "${EXAMPLES:?EXAMPLES must name the folder of the built examples}"
export VARVE_STORE=$work/example-store

# prints TEXT COMMAND...: the exit code is 0, and this is all it says.
prints() {
    local wanted=$1 got
    shift
    got=$("$@" 2>&1) || fail "$*: exit code $?"
    [ "$got" = "$wanted" ] || fail "$*: prints '$got', not '$wanted'"
}
fresh() { rm -rf example-store; }

# ---- A backend, in C and in C++ ----
for program in backend backend_cpp; do
    [ -x "$EXAMPLES/$program" ] || continue # no C++ compiler
    fresh
    prints 'session-1 has 2 events
1 UserPromptSubmit: sort these: 3 1 2
2 Answer: 1 2 3' "$EXAMPLES/$program"
    expect 0 verify --deep
done

# ---- A hook ----
fresh
prints 'PreToolUse: stored' "$EXAMPLES/hook" s PreToolUse t1 <<<'{"tool": "ls"}'
prints 'PreToolUse: known already' "$EXAMPLES/hook" s PreToolUse t1 <<<'{"tool": "ls"}'
prints 'PostToolUse: stored' "$EXAMPLES/hook" s PostToolUse t1 <<<'{}'
prints 'Stop: stored' "$EXAMPLES/hook" s Stop <<<''
expect 0 --format jsonl events
[ "$(jq -r '.type + " " + .source + " " + (.payload | tostring)' out | head -1)" = 'PreToolUse hook {"tool":"ls"}' ] ||
    fail "the hook's payload is not there: $(head -1 out)"

# ---- A follower, there before the events and after them ----
fresh
mkfifo told
timeout 60 "$EXAMPLES/follower" >told 2>&1 &
exec 3<told # both ends are there: it runs
"$EXAMPLES/hook" blue Start <<<'{}' >/dev/null
read -r -t 60 line <&3
[ "$line" = 'blue Start' ] || fail "the follower says '$line' of the first event"
"$EXAMPLES/hook" green Stop <<<'{}' >/dev/null
read -r -t 60 line <&3
[ "$line" = 'green Stop' ] || fail "the follower says '$line' of the last event"
exec 3<&-
wait $! || fail "the follower: exit code $?"
prints 'blue Start
green Stop' timeout 60 "$EXAMPLES/follower"

# ---- An evaluation ----
fresh
prints 'search   $0.0640  score 0.5
merge    $0.0210  score 0.75
sort     $0.0173  score 1.0
3 tasks, mean score 0.75' "$EXAMPLES/evaluation"
expect 0 --format jsonl usage label:task
[ "$(jq -r .cost_usd out | sort -n | xargs)" = '0.0173 0.021 0.064' ] || fail "costs by label: $(cat out)"

# ---- An importer: no line is lost or taken twice ----
fresh
printf 'user: hello\nassistant: hi\nuser: by' >log
prints '2 new lines; 1 messages of the user' "$EXAMPLES/importer" log s
prints '0 new lines; 1 messages of the user' "$EXAMPLES/importer" log s
printf 'e\nassistant: bye\n' >>log
prints '2 new lines; 2 messages of the user' "$EXAMPLES/importer" log s
expect 0 restore s
cmp -s out log || fail 'the log does not come back'

finish
