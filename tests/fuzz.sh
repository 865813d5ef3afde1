#!/bin/sh
# Fuzzes with libFuzzer, each target on from tests/corpus/<target>. Needs clang (tools/setup.sh --clang).
#
#   tests/fuzz.sh [--seconds N] [--jobs N] [--length N] [--keep] [--reduce] [TARGET...]
#
#   --seconds N   for each target (20 in all, if it is not said: what CI has time for)
#   --jobs N      so many processes for each target (1)
#   --length N    inputs of at most N bytes (8192): short ones take less time each
#   --keep        what was found is kept in build/fuzz/corpus/<target>, and the next run goes on from there too
#   --reduce      instead: make tests/corpus/<target> the smallest set that reaches the same edges as it and what was
#                 kept; files found-* stay
#
# Without TARGET: all tests/fuzz_*.c. Prints for each: executions, edges reached, seconds. What crashes is left in
# build/fuzz/found/<target>/, and makes this exit with 1: put it into tests/corpus/<target>/found-<what>
# with its mending.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
cd "$root"
seconds="" jobs=1 length=8192 keep=no reduce=no targets=""
while [ $# -gt 0 ]; do
    case $1 in
        --seconds | --jobs | --length)
            case ${2:-} in '' | *[!0-9]*) set -- --help ;; esac
            case $1 in --seconds) seconds=$2 ;; --jobs) jobs=$2 ;; --length) length=$2 ;; *) continue ;; esac
            shift
            ;;
        --keep) keep=yes ;;
        --reduce) reduce=yes ;;
        -*)
            sed -n '2,/^set -eu/{/^#/s/^# \{0,1\}//p;}' "$0" >&2
            exit 2
            ;;
        *) targets="$targets $1" ;;
    esac
    shift
done
if [ -z "$targets" ]; then
    for source in tests/fuzz_*.c; do
        name=$(basename "$source" .c)
        [ "$name" = fuzz_replay ] || targets="$targets $name"
    done
fi
# shellcheck disable=SC2086 # one word a target
set -- $targets
[ -n "$seconds" ] || seconds=$(((20 + $# - 1) / $#))

[ -f build/fuzz/CMakeCache.txt ] || cmake --preset fuzz >/dev/null
cmake --build --preset fuzz --target "$@" >build/fuzz/build.log 2>&1 || {
    tail -n 20 build/fuzz/build.log >&2
    exit 3
}
export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1

reduce_corpus() {
    new=build/fuzz/reduced/$1
    rm -rf "$new"
    mkdir -p "$new" "build/fuzz/corpus/$1"
    "build/fuzz/tests/$1" -set_cover_merge=1 -use_counters=0 -close_fd_mask=3 -max_len=2048 "$new" "tests/corpus/$1" "build/fuzz/corpus/$1" >"build/fuzz/$1.log" 2>&1
    find "tests/corpus/$1" -name 'found-*' -exec cp {} "$new" \;
    rm -rf "tests/corpus/$1"
    cp -r "$new" "tests/corpus/$1"
    echo "$1: $(find "tests/corpus/$1" -type f | wc -l) inputs, $(du -sb "tests/corpus/$1" | cut -f1) bytes"
}

fuzz() {
    found=build/fuzz/found/$1 corpus=build/fuzz/corpus/$1 log=build/fuzz/$1.log words=tests/corpus/$1.dict
    [ "$keep" = yes ] || corpus=$(mktemp -d)
    mkdir -p "$found" "$corpus"
    answer=0
    began=$(date +%s)
    "build/fuzz/tests/$1" -max_total_time="$seconds" -max_len="$length" -timeout=20 -rss_limit_mb=3000 -close_fd_mask=3 \
        -print_final_stats=1 -artifact_prefix="$found/" $([ ! -f "$words" ] || echo "-dict=$words") \
        $([ "$jobs" = 1 ] || echo "-fork=$jobs -ignore_crashes=1 -ignore_ooms=1 -ignore_timeouts=1") \
        "$corpus" "tests/corpus/$1" >"$log" 2>&1 || answer=$?
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p; s/^#\([0-9]*\): cov.*/\1/p' "$log" | tail -n 1)
    edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
    echo "$1: ${runs:-0} executions, ${edges:-0} edges, $(($(date +%s) - began)) s"
    [ "$keep" = yes ] || rm -rf "$corpus"
    if [ "$answer" -ne 0 ] || [ -n "$(ls -A "$found")" ]; then
        echo "$1: see $log and $found" >&2
        return 1
    fi
}

bad=0
for target; do
    if [ "$reduce" = yes ]; then
        reduce_corpus "$target"
    else
        fuzz "$target" || bad=1
    fi
done
exit $bad
