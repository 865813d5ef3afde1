#!/bin/sh
# Builds and runs the measurements, each beside the least that any program could do, in the same run.
#
#   bench/run.sh [DIRECTORY]             scratch space of about 5 GB; a temporary directory otherwise
#   bench/run.sh --large [DIRECTORY]     a store of 20 GB of payload, packed as it grows: 10 GB
#   bench/run.sh --growth [DIRECTORY]    10,000,000 sessions and twice as many charges: 30 GB
set -eu

what=all
case ${1:-} in
    --large | --growth)
        what=${1#--}
        shift
        ;;
    -*)
        echo "usage: bench/run.sh [--large | --growth] [DIRECTORY]" >&2
        exit 2
        ;;
esac

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
scratch=$(mktemp -d "${1:-${TMPDIR:-/tmp}}/varve-bench-XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM

"$root/tools/setup.sh" --build
cd "$root"
cmake --preset release -DVARVE_BENCH=ON >/dev/null
cmake --build --preset release >/dev/null
build=$root/build/release
bench=$build/bench

if [ "$what" = large ]; then
    "$bench/large" "$scratch/large" 20
    exit
fi
if [ "$what" = growth ]; then
    "$bench/growth" "$scratch/growth" 10000000
    exit
fi

"$bench/ingest" "$scratch/store" 1000000
dd if=/dev/zero of="$scratch/plain" bs=1048576 count=20 conv=fsync 2>/dev/null
"$bench/processes" "$scratch/store" "$scratch/plain" "$build/varve" "$bench/oneshot" "$bench/least" \
    e2f1b5a4-63c4-4cd6-b441-85785ff8ee7b 200
"$bench/fork" "$scratch/forks"
rm -rf "$scratch/store"
"$bench/packed" "$scratch/packed" 1000000
