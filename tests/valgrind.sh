#!/bin/sh
# Runs the tests with every program under valgrind's memcheck; tests/run.sh --valgrind does the same. Exits with 1 if a
# test failed or a process read what it must not, used what nobody wrote, or leaked.
#
#   tests/valgrind.sh [--all] [-- CTEST-ARGUMENT...]
#
#   --all   also the tests that then take most of an hour or more each
#
# What processes were found to do is in build/valgrind/found. Of a forked child leaks do not count: it leaves by
# _exit, and what its parent's threads and frames had does not belong to it.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
cd "$root"

# Nothing of Varve runs under valgrind there: another program is tested or loads the library, pages are made,
# programs outside are built.
left_out='test_(ffi\.py|docs\.sh|manual\.py|install\.sh|readme\.py|abi\.sh|bench\.py|schemas\.py|reference\.py)'
# The power is cut, a call fails, a bit flips or a process dies at every place there is: thousands of stores and
# processes, which is for the sanitizers, thirty times as fast.
long='test_(power|power_lies|fail_calls|flip|repair|repair_kill|repair_random|compact|compact_kill|compact_fail|compact_strikes'
long="$long|kill|recovery|model|snapshot_deaths|retain|retain_kill|full|mend|place_links|place_processes|merge)"
long="$long|torture|test_append_command\.py|test_second_reader\.py|test_places\.py"

unset VARVE_LONG # it would be days
if [ "${1:-}" = --all ]; then
    shift
else
    left_out="$left_out|($long)\$"
fi
case ${1:-} in
    '') ;;
    --) shift ;;
    *)
        sed -n '2,/^set -eu/{/^#/s/^# \{0,1\}//p;}' "$0" >&2
        exit 2
        ;;
esac

tools/setup.sh --valgrind
VARVE_VALGRIND=$root/build/valgrind/found
export VARVE_VALGRIND
rm -rf "$VARVE_VALGRIND"
mkdir -p "$VARVE_VALGRIND"
chmod 1777 "$VARVE_VALGRIND" # a test is another user for a while
cmake --preset valgrind -DVARVE_WERROR=ON -DVARVE_TESTS=ON -DVARVE_TEST_TIMEOUT=14400
cmake --build --preset valgrind
bad=0
ctest --preset valgrind -E "^($left_out)" "$@" || bad=1

# What was found, without what forked children leaked: those have two numbers that differ.
find "$VARVE_VALGRIND" -type f -size 0 -delete
for found in "$VARVE_VALGRIND"/*; do
    [ -f "$found" ] || continue
    numbers=${found##*/}
    numbers=${numbers#*.}
    forked=$([ "${numbers#*.}" = "${numbers%.*}" ] || echo 1)
    awk -v forked="$forked" '
        / lost in loss record / { leak = 1 }
        !leak || !forked
        $2 == "" { leak = 0 }' "$found" >"$found.told"
    if grep -q ' \(at\|by\) 0x' "$found.told"; then
        echo "---- $found" >&2
        cat "$found.told" >&2
        bad=1
    else
        rm "$found"
    fi
    rm "$found.told"
done
exit $bad
