#!/bin/sh
# Starts a program under valgrind's memcheck: the launcher of the preset "valgrind". What a process is found to do wrong
# is in $VARVE_VALGRIND/PROGRAM.STARTED.PROCESS, the same number twice unless it was forked off; it exits with 99 then,
# unless all it did was to leak. tests/valgrind.sh tells all of it.
set -eu

tests=$(dirname "$0")/..
found=${VARVE_VALGRIND:-$tests/../build/valgrind/found} # some tests clear the environment

exec valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=none --num-callers=24 \
    --show-leak-kinds=definite,possible --suppressions="$tests/valgrind.supp" --log-file="$found/$(basename "$1").$$.%p" "$@"
