#!/bin/sh
# Builds and runs the measurements, each beside the least that any program could do, in the same run.
#
#   bench/run.sh [DIRECTORY]     scratch space of about 5 GB; a temporary directory otherwise
set -eu

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

"$bench/ingest" "$scratch/store" 1000000
dd if=/dev/zero of="$scratch/plain" bs=1048576 count=20 conv=fsync 2>/dev/null
"$bench/processes" "$scratch/store" "$scratch/plain" "$build/varve" "$bench/oneshot" "$bench/least" \
    0f8fad5b-d9cb-469f-a165-000000000007 200
"$bench/fork" "$scratch/forks"
