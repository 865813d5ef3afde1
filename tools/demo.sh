#!/bin/sh
# Builds Varve, imports the sample transcripts and shows what the store then knows of them.
#
#   tools/demo.sh           with a store of its own, which is gone afterwards
#   tools/demo.sh STORE     with the store STORE, which stays
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)

case ${1-} in
    -*)
        echo "usage: tools/demo.sh [STORE]" >&2
        exit 2
        ;;
    "")
        scratch=$(mktemp -d)
        trap 'rm -rf "$scratch"' EXIT
        trap 'exit 1' HUP INT PIPE TERM
        store=$scratch/store
        ;;
    *) store=$1 ;;
esac

"$root/tools/setup.sh"
(
    cd "$root"
    if ! log=$(cmake --preset release -DVARVE_WERROR=OFF 2>&1 && cmake --build --preset release --target varve 2>&1); then
        printf '%s\n' "$log" >&2
        exit 3
    fi
)

# Says what it does, then does it.
run() {
    printf '\n$ varve --store %s %s\n' "$store" "$*"
    "$root/build/release/varve" --store "$store" "$@"
}

echo "The sample transcripts are invented, and some damaged on purpose: the import says what it found."
run import "$root/tests/samples/claude"
run sessions
run usage daily
run usage total
