#!/bin/sh
# Many processes at once, killed at any moment, for as long as is wanted: tests/torture.sh [SECONDS [SEED]]
# SECONDS is 600 if it is not said. The store lies in $TMPDIR (in memory if that is not set).
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
cd "$root"
cmake --preset release -DVARVE_TESTS=ON > /dev/null
cmake --build --preset release --target torture
exec build/release/tests/torture "${1:-600}" ${2:+"$2"}
