#!/bin/sh
# Starts a program under valgrind's memcheck: the launcher of the preset "valgrind". Whoever finds a fault writes it into
# a file of its own, PROGRAM.PROCESS in the folder that $VARVE_FOUND names, and exits with 99; who finds none leaves it
# empty. Forked children are looked at too.
set -eu

exec valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite,possible \
    --show-leak-kinds=definite,possible --num-callers=24 --log-file="${VARVE_FOUND:-/tmp}/$(basename "$1").%p" "$@"
