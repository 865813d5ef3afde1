#!/bin/sh
# Installs what is missing, builds, and runs every test. With no preset named: release.
#
#   tests/run.sh [--release] [--debug] [--asan] [--tsan] [--clang] [--all] [--valgrind] [--long] [-- CTEST-ARGUMENT...]
#
#   --asan      AddressSanitizer and UndefinedBehaviorSanitizer
#   --tsan      ThreadSanitizer
#   --clang     release, compiled by clang
#   --all       each of the five in turn
#   --valgrind  under valgrind's memcheck, as tests/valgrind.sh says
#   --long      VARVE_LONG=1: the tests that can go on for long, do
#
# Whatever follows "--" goes to ctest: tests/run.sh --asan -- -R test_import
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
presets=""
clang=""
valgrind=""
timeout=300

while [ $# -gt 0 ]; do
    case $1 in
        --release | --debug) presets="$presets ${1#--}" ;;
        --asan | --tsan) # slower by far, and most where machines are small
            presets="$presets ${1#--}"
            timeout=1500
            ;;
        --clang) presets="$presets clang" clang=--clang ;;
        --all) presets="release debug asan tsan clang" clang=--clang timeout=1500 ;;
        --valgrind) valgrind=yes ;;
        --long)
            VARVE_LONG=1
            export VARVE_LONG
            timeout=14400
            ;;
        --)
            shift
            break
            ;;
        *)
            sed -n '2,/^set -eu/{/^#/s/^# \{0,1\}//p;}' "$0" >&2
            exit 2
            ;;
    esac
    shift
done

cd "$root"
if [ -n "$valgrind" ]; then
    exec tests/valgrind.sh ${VARVE_LONG:+--all} -- "$@"
fi
tools/setup.sh ${clang:+"$clang"}
for preset in ${presets:-release}; do
    cmake --preset "$preset" -DVARVE_WERROR=ON -DVARVE_TESTS=ON -DVARVE_TEST_TIMEOUT="$timeout"
    cmake --build --preset "$preset"
    ctest --preset "$preset" --output-on-failure --no-tests=error "$@"
done
