#!/bin/sh
# Builds and runs the measurements.
#
#   bench/run.sh [OPTION...]             Varve beside other stores, all in one run: options of "varve-bench run"
#                                        (--events, --repeat, --dir, --transcripts, ...); leaves varve-bench.json,
#                                        .html and .md here. Installs the other stores' libraries where it can
#   bench/run.sh --inside [DIRECTORY]    packing and forking, each beside the least that they could take: 5 GB
#   bench/run.sh --large [DIRECTORY]     a store of 20 GB of payload, packed as it grows: 10 GB
#   bench/run.sh --growth [DIRECTORY]    10,000,000 sessions and twice as many charges: 30 GB
set -eu

what=beside
case ${1:-} in
    --inside | --large | --growth)
        what=${1#--}
        shift
        ;;
    -h | --help)
        sed -n '2,/^set -eu/{/^#/s/^# \{0,1\}//p;}' "$0"
        exit 0
        ;;
esac

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
build=$root/build/release
bench=$build/bench

# What is not to be had is left out of the comparison.
install_others() {
    command -v apt-get >/dev/null 2>&1 || return 0
    missing=""
    for package in libsqlite3-dev liblmdb-dev librocksdb-dev libleveldb-dev python3-matplotlib; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    as_root=""
    [ "$(id -u)" -eq 0 ] || as_root=sudo
    echo "bench: installing$missing" >&2
    # shellcheck disable=SC2086 # one word a package
    $as_root apt-get -qq install -y --no-install-recommends $missing >/dev/null 2>&1 ||
        { $as_root apt-get -qq update >/dev/null 2>&1 &&
            $as_root apt-get -qq install -y --no-install-recommends $missing >/dev/null 2>&1; } ||
        echo "bench: some of these cannot be installed, and are left out" >&2
}

"$root/tools/setup.sh" --build
[ "$what" != beside ] || install_others
cmake -S "$root" --preset release -DVARVE_BENCH=ON | grep "Left out" || true
cmake --build "$build" -j "$(nproc)" >/dev/null

if [ "$what" = beside ]; then
    result=0 out=varve-bench.json before=""
    for word; do
        [ "$before" != --out ] || out=$word
        before=$word
    done
    "$bench/varve-bench" run "$@" --out "$out" || result=$?
    "$bench/varve-bench" report "$out" --html "${out%.json}.html" --markdown "${out%.json}.md"
    exit "$result"
fi

scratch=$(mktemp -d "${1:-${TMPDIR:-/tmp}}/varve-bench-XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
case $what in
    large) "$bench/large" "$scratch/large" 20 ;;
    growth) "$bench/growth" "$scratch/growth" 10000000 ;;
    inside)
        "$bench/fork" "$scratch/forks"
        "$bench/packed" "$scratch/packed" 1000000
        ;;
esac
