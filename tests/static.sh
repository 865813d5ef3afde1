#!/bin/sh
# Looks at all C files without running them: clang-tidy (.clang-tidy says for what) and cppcheck
# (tests/cppcheck.txt says what it takes for a fault and is none). Exits with 1 if one of them found something.
#
#   tests/static.sh [--jobs N] [FILE...]
#
# Without FILE: format, engine, tools, examples, tests and bench by clang-tidy; format, engine, tools by cppcheck.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
cd "$root"
jobs=$(nproc)
if [ "${1:-}" = --jobs ] && [ "${2:-0}" -gt 0 ] 2>/dev/null; then
    jobs=$2
    shift 2
fi
case ${1:-} in
    -*)
        sed -n '2,/^set -eu/{/^#/s/^# \{0,1\}//p;}' "$0" >&2
        exit 2
        ;;
esac

tools/setup.sh --static
build=build/static
mkdir -p $build
cmake --preset clang -B $build -DVARVE_TESTS=ON >$build/configure.log || {
    cat $build/configure.log >&2
    exit 3
}

if [ $# -eq 0 ]; then
    # those that are built here: a library that a benchmark wants may be missing
    sed -n 's|^ *"file": "\(.*\.c\)",*$|\1|p' $build/compile_commands.json | sort -u >$build/files
    set -- format engine tools
else
    printf '%s\n' "$@" >$build/files
fi
bad=0
# One file at a time: clang-tidy 14 forgets va_start from the second on.
xargs -P "$jobs" -n 1 clang-tidy -quiet -p $build <$build/files 2>$build/tidy.log || bad=1
# Which warnings it leaves out is said on the other channel, together with what it could not do at all.
grep -v ' warnings\{0,1\} \(generated\|treated\)\|^Suppressed\|^Use -' $build/tidy.log >&2 || true
views=$build/include-views/tests
cppcheck -q -j "$jobs" --std=c11 --enable=warning,performance,portability --suppress=missingIncludeSystem \
    --suppressions-list=tests/cppcheck.txt --error-exitcode=1 -D__GNUC__=10 -D_GNU_SOURCE \
    -I$views -I$views/tests "$@" || bad=1
exit $bad
