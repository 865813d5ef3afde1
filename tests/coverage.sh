#!/bin/sh
# What of format/ and engine/ the tests run, by line and branch: builds the preset "coverage" (gcc), runs every test, prints
# a line for each file, the sums, and what is not reached and has no reason in tests/coverage.md.
#
#   tests/coverage.sh [--again] [--lines] [FILE...]
#
#   --again   no tests: the counts that are there
#   --lines   also each line and branch that is not reached, of these files (of all, if none is named)
#
# Exits with 1 if a test fails, if less is reached than is promised (tests/coverage.py), or if something is not listed.
# Slower than the usual run: ten minutes on two cores.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
cd "$root"
again=no lines=""
while [ $# -gt 0 ]; do
    case $1 in
        --again) again=yes ;;
        --lines) lines=--lines ;;
        -*)
            sed -n '2,/^set -eu/{/^#/s/^# \{0,1\}//p;}' "$0" >&2
            exit 2
            ;;
        *) break ;;
    esac
    shift
done

if [ "$again" = no ]; then
    tools/setup.sh
    cmake --preset coverage -DVARVE_WERROR=ON -DVARVE_TESTS=ON -DVARVE_TEST_TIMEOUT=1500 >/dev/null
    cmake --build --preset coverage >build/coverage/build.log 2>&1 || {
        tail -n 20 build/coverage/build.log >&2
        exit 3
    }
    find build/coverage -name '*.gcda' -exec rm {} +
    ctest --preset coverage --output-on-failure
fi
python3 tests/coverage.py build/coverage tests/coverage.md --require $lines "$@"
