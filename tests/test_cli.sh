#!/bin/bash
# The command as people and scripts meet it: help, exit codes, one clear line for each mistake, and
# output that nobody takes.
# shellcheck source=tests/support/cli.sh
. "$(dirname "$0")/support/cli.sh"

# ---- Help ----
expect 0 --help
says out 'usage: varve'
says out 'exit codes:'
commands=$(sed -n '/^commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' out)
for command in import sessions show events count usage restore stats verify reindex; do
    grep -qx "$command" <<<"$commands" || fail "--help does not list $command"
done
for command in $commands; do
    expect 0 "$command" --help
    says out "usage: varve $command"
    grep -qi 'exit codes:' out || fail "$command --help does not tell its exit codes"
    [ -s err ] && fail "$command --help complains"
    awk 'length > 100 { exit 1 }' out || fail "$command --help: lines over 100 columns"
    cp out help
    expect 0 help "$command"
    cmp -s out help || fail "help $command and $command --help differ"
done
expect 0 --version
grep -qE '^varve [0-9]+\.[0-9]+\.[0-9]+' out || fail "--version says $(cat out)"

# ---- Usage errors ----
usage_error
usage_error sesions
says err "did you mean 'sessions'?"
usage_error verfiy
says err "did you mean 'verify'?"
usage_error xyzzyplugh
usage_error sessions --limt 3
says err 'did you mean --limit?'
usage_error sessions --limit
usage_error sessions --limit -1
usage_error sessions --limit 3x
usage_error sessions --limit 99999999999999999999
usage_error sessions --all=yes
usage_error sessions -z
usage_error sessions operand
usage_error show
usage_error show a b
usage_error events --machine m
usage_error events --from-seq 3
usage_error events session --from-lsn 3
usage_error restore
usage_error restore s --output ''
usage_error usage dayly
says err "did you mean 'daily'?"
usage_error usage weekly-or-so
usage_error usage total extra
usage_error usage --since yesterday
usage_error usage --until 2025-02-30
usage_error usage --tz Nowhere/Atlantis
says err 'Nowhere/Atlantis'
usage_error usage --tz ../../etc/passwd
usage_error verify --depp
usage_error reindex now
usage_error --format xml sessions
usage_error sessions --format
usage_error sessions --store
usage_error --store= sessions
expect 2 $'sess\e[31mions'
grep -q $'\e' err && fail 'an escape reaches the terminal'

# ---- No store ----
for command in sessions 'show abcd' events usage 'restore abcd' stats verify reindex; do
    # shellcheck disable=SC2086
    expect 3 --store nowhere $command
    one_line
    says err nowhere
    [ -e nowhere ] && fail "$command made a store"
done
expect 3 sessions
says err "$HOME/.local/share/varve"
[ -e "$HOME/.local" ] && fail 'reading made directories'
XDG_DATA_HOME=$work/xdg expect 3 sessions
says err "$work/xdg/varve"
XDG_DATA_HOME=relative expect 3 sessions
says err "$HOME/.local/share/varve"
VARVE_STORE=$work/environment expect 3 sessions
says err "$work/environment"
VARVE_STORE=$work/environment expect 3 sessions --store option
says err ' option'
mkdir plain && echo text >plain/file
expect 3 --store plain sessions
one_line
HOME='' expect 3 sessions
one_line

# ---- A store is made for its owner alone ----
odd_store
[ "$(stat -c %a "$work/deep" "$work/deep/er" "$VARVE_STORE" | sort -u)" = 700 ] ||
    fail "directories are not the owner's alone"

# ---- Nobody takes the output ----
for command in 'sessions' 'events' 'usage' '--help' "restore ${id}1" 'stats'; do
    # shellcheck disable=SC2086
    "$VARVE" $command >/dev/full 2>err
    [ $? = 3 ] || fail "$command to a full device: not 3"
    one_line
    [ -z "${VARVE_VALGRIND:-}" ] || continue # valgrind's own file takes the place of the closed one
    # shellcheck disable=SC2086
    "$VARVE" $command >&- 2>err
    [ $? = 3 ] || fail "$command to a closed output: not 3"
    one_line
done
for _ in $(seq 300); do cat odd.jsonl; done >long.jsonl
expect 0 --store "$work/long" import long.jsonl
for format in table jsonl; do
    "$VARVE" --store "$work/long" --format $format events 2>err | head -1 >/dev/null
    [ "${PIPESTATUS[0]}" = 0 ] || fail "events to a reader that leaves: exit code"
    [ -s err ] && fail "events to a reader that leaves: $(cat err)"
done

finish
