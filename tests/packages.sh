#!/bin/bash
# Makes the Debian packages, installs them in a fresh Debian, and builds and runs there what
# test_install.sh builds here: a C and a C++ program, by pkg-config and by find_package. Wants root,
# debootstrap and dpkg-dev; not part of ctest, for it loads some hundred MB of packages.
#
#   tests/packages.sh [--suite bookworm] [--mirror URL] [--root DIR]
#
#   --root DIR   install into DIR, a root that was made by
#                'debootstrap --variant=minbase bookworm DIR' and not touched since (else one is made,
#                and removed at the end)
set -euo pipefail

source=$(cd "$(dirname "$0")/.." && pwd)
suite=bookworm
mirror=http://deb.debian.org/debian
root=''
while [ $# -gt 0 ]; do
    case $1 in
        --suite) suite=$2 ;;
        --mirror) mirror=$2 ;;
        --root) root=$2 ;;
        *)
            sed -n '2,/^set -/{/^#/s/^# \{0,1\}//p;}' "$0" >&2
            exit 2
            ;;
    esac
    shift 2
done
[ "$(id -u)" = 0 ] || {
    echo 'packages: wants to be root' >&2
    exit 2
}

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
say() { printf -- '---- %s\n' "$*"; }

say 'packages'
cd "$source"
cmake --preset package >"$work/log"
cmake --build --preset package >>"$work/log"
rm -f build/package/*.deb
cpack --preset package >>"$work/log" 2>&1 || {
    cat "$work/log"
    exit 1
}
ls -l build/package/*.deb

if [ -z "$root" ]; then
    say "a fresh $suite"
    root=$work/root
    debootstrap --variant=minbase "$suite" "$root" "$mirror" >"$work/log" 2>&1 || {
        tail "$work/log"
        exit 1
    }
fi

say 'install'
mkdir -p "$root/varve"
cp build/package/*.deb examples/backend.c examples/backend.cpp "$root/varve"
# shellcheck disable=SC2016 # that shell expands it
chroot "$root" /bin/sh -eu -c '
    export DEBIAN_FRONTEND=noninteractive LC_ALL=C
    apt-get -qq update
    cd /varve
    # the tools and the library ask for nothing that is built later
    apt-get -qq install -y --no-install-recommends ./libvarve0_*.deb ./varve-tools_*.deb >/dev/null
    varve --version
    ! command -v gcc
    apt-get -qq install -y --no-install-recommends ./libvarve-dev_*.deb g++ make cmake pkg-config >/dev/null
'

say 'build and run'
cat >"$root/varve/Makefile" <<'END'
all: c_program cpp_program
c_program: backend.c
	$(CC) `pkg-config --cflags varve` -o $@ $< `pkg-config --libs varve`
cpp_program: backend.cpp
	$(CXX) -std=c++17 `pkg-config --cflags varve` -o $@ $< `pkg-config --libs varve`
END
cat >"$root/varve/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.16)
project(outside C CXX)
find_package(varve REQUIRED)
add_executable(c_program backend.c)
target_link_libraries(c_program PRIVATE varve::varve)
add_executable(cpp_program backend.cpp)
target_link_libraries(cpp_program PRIVATE varve::varve_static)
END
cat >"$root/varve/wanted" <<'END'
session-1 has 2 events
1 UserPromptSubmit: sort these: 3 1 2
2 Answer: 1 2 3
END
# shellcheck disable=SC2016
chroot "$root" /bin/sh -eu -c '
    export LC_ALL=C
    cd /varve
    make -s
    cmake -B build -DCMAKE_CXX_STANDARD=17 >/dev/null
    cmake --build build >/dev/null
    for program in ./c_program ./cpp_program build/c_program build/cpp_program; do
        rm -rf example-store
        $program >said
        diff wanted said
        varve --store example-store verify --deep >/dev/null
        echo "$program: as promised"
    done
    for page in /usr/share/man/man1/varve.1 /usr/share/man/man3/varve.3; do
        ls $page* >/dev/null
    done
    dpkg -r varve-tools libvarve-dev libvarve0 >/dev/null
    left=$(find /usr -name "*varve*")
    [ -z "$left" ] || { echo "left behind: $left"; exit 1; }
'
say 'all as promised'
