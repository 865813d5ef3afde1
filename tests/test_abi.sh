#!/bin/bash
# What a program that was linked once relies on: the functions that libvarve.so exports, the values of
# varve.h's constants, and (where abigail is installed, on x86-64) the layout of its types and the
# arguments of its functions are those of the record in tests/abi. A change that is meant is recorded by
#
#     tests/test_abi.sh --update        (in a tree built by the preset release)
#
# Environment: BUILD the build tree, CC.
set -u
here=$(cd "$(dirname "$0")" && pwd)
: "${BUILD:=$here/../build/release}" "${CC:=cc}"
if [ -n "${SANITIZE:-}" ]; then
    echo 'skipped: a sanitizer adds symbols of its own'
    exit 77
fi
record=$here/abi
header=$here/../engine/varve.h
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

"$CC" -std=c11 -E -P "$header" >"$work/plain" || exit 1
nm -D --defined-only "$BUILD/libvarve.so" | sed -n 's/.* [A-Z] //p' | LC_ALL=C sort >"$work/symbols.txt"

# Each name VARVE_* that is left after the preprocessor is a constant.
{
    printf '#include "%s"\n#include <stdio.h>\nint main(void) {\n' "$header"
    grep -o '\bVARVE_[A-Z0-9_]*' "$work/plain" | awk '!seen[$0]++' |
        sed 's/.*/    printf("%s %lld\\n", "&", (long long)&);/'
    echo '}'
} >"$work/constants.c"
"$CC" -std=c11 -o "$work/constants" "$work/constants.c" && "$work/constants" >"$work/constants.txt" || exit 1

# A library of the same interface with nothing behind it, so that the record has what is public only.
make_abi() {
    tr -s '\n ' '  ' <"$work/plain" | sed 's/;/;\n/g; s/{/{\n/g' |
        sed 's/^ *\(__attribute__((visibility("default"))).*)\);$/\1 { __builtin_trap(); }/' >"$work/stub.c"
    "$CC" -std=c11 -g -O0 -w -shared -fPIC -nostdlib -Wl,-soname,libvarve.so.0 -o "$work/stub.so" "$work/stub.c" &&
        abidw --no-corpus-path --no-comp-dir-path --no-show-locs --out-file "$work/varve.abi" "$work/stub.so" &&
        sed -i "s| path='[^']*'||; s| language='[^']*'||" "$work/varve.abi"
}
with_abigail=no
if command -v abidw >/dev/null && command -v abidiff >/dev/null && [ "$(uname -m)" = x86_64 ] &&
    [ "$(printf '__SIZEOF_POINTER__' | "$CC" -E -P -)" = 8 ]; then
    with_abigail=yes
    make_abi || exit 1
fi

if [ "${1:-}" = --update ]; then
    [ "$with_abigail" = yes ] || echo 'no abigail here: varve.abi stays as it is' >&2
    for file in symbols.txt constants.txt varve.abi; do
        [ ! -f "$work/$file" ] || cp "$work/$file" "$record/$file"
    done
    exit 0
fi

compare() {
    diff -u "$record/$1" "$work/$1" && return
    echo "FAILED: $2 are not those of the record. If that is meant: tests/test_abi.sh --update"
    failures=$((failures + 1))
}
compare symbols.txt 'exported functions'
compare constants.txt "varve.h's constants"
grep -o 'varve_[a-z_0-9]*(' "$work/plain" | tr -d '(' | LC_ALL=C sort -u >"$work/declared"
if ! diff "$work/declared" "$work/symbols.txt"; then
    echo 'FAILED: varve.h declares other functions than libvarve.so exports'
    failures=$((failures + 1))
fi
if [ "$with_abigail" = yes ] && ! abidiff "$record/varve.abi" "$work/varve.abi"; then
    echo 'FAILED: the ABI is not that of the record. If that is meant: tests/test_abi.sh --update'
    failures=$((failures + 1))
fi
[ "$failures" = 0 ] || exit 1
echo "all as recorded$([ "$with_abigail" = yes ] || echo ' (no abigail: layouts were not compared)')"
