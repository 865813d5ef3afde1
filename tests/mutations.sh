#!/bin/sh
# Breaks the engine on purpose, in one way at a time, and looks whether the tests notice: tests/mutations/*.txt say what is
# changed, which promise that breaks, and which tests should fail.
#
#   tests/mutations.sh [--jobs N] [--limit SECONDS] [MUTATION...]
#   tests/mutations.sh --list
#   tests/mutations.sh --check
#
#   --jobs N         so many at once, each in a copy of the sources of its own (half as many as there are processors)
#   --limit SECONDS  a test that takes longer has failed (120)
#   --list           only tells what there is
#   --check          only looks whether each mutation still fits the sources
#
# Without MUTATION: all. The sources are copied to build/mutations/ and never changed themselves. First the tests must pass on
# an unchanged copy. Exits with 1 if a mutation survives that is not known to, with 3 if one does not fit or does not compile.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
case ${1:-} in
    --help | -h)
        sed -n '2,/^set -eu/{/^#/s/^# \{0,1\}//p;}' "$0"
        exit 0
        ;;
esac
PYTHONDONTWRITEBYTECODE=1 exec python3 "$here/mutations/run.py" "$@"
