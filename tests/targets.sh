#!/bin/bash
# Builds Varve for other targets and runs the tests there, those of foreign processors under qemu.
#
#   tests/targets.sh [--list] TARGET... [-- CTEST-ARGUMENT...]
#
# Targets: gcc, clang (this machine), musl, i386, arm64, armhf, s390x (big-endian), ppc64el, riscv64.
#
# What a target needs: for musl musl-tools; for the others the cross compiler gcc-TRIPLET and, where the
# processor is foreign, qemu-user-static. Their libraries come from Debian's packages, unpacked into
# build/targets/TARGET/sysroot; those for musl are built from Debian's sources. Nothing of the system
# is changed, and no root is needed.
set -euo pipefail

source=$(cd "$(dirname "$0")/.." && pwd)
suite=bookworm
mirror=http://deb.debian.org/debian
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
libraries="libc6-dev libzstd-dev libxxhash-dev libyajl-dev libcmocka-dev"
# What another target says nothing new of, or cannot: pages are made where the command runs, programs outside by
# this machine's compiler, what python loads is this machine's; some tests start programs by themselves; and it is
# this machine that is measured.
left_out='test_manual|test_install|test_readme|test_ffi|test_abi|test_docs|test_bench|test_mutations'
left_out+='|test_reference|test_schemas|test_views_fields|test_hook|test_places\.py'
# qemu says that it wipes a page in a child, and does not: a handle is not known for its parent's there.
left_out_of_qemu='|test_threads|test_place_processes|torture'

usage() {
    sed -n '2,/^set -/{/^#/s/^# \{0,1\}//p;}' "$0" >&2
    exit 2
}

targets=()
while [ $# -gt 0 ]; do
    case $1 in
        --)
            shift
            break
            ;;
        --list)
            printf '%s\n' gcc clang musl i386 arm64 armhf s390x ppc64el riscv64
            exit 0
            ;;
        -*) usage ;;
        *) targets+=("$1") ;;
    esac
    shift
done
[ ${#targets[@]} -gt 0 ] || usage

say() { printf -- '---- %s: %s\n' "$target" "$*"; }
need() {
    command -v "$1" >/dev/null || {
        echo "targets: $target needs $1: install $2" >&2
        exit 3
    }
}

# An apt of its own, that knows this architecture only, in $place/apt.
own_apt() {
    local apt=$place/apt
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
    : >"$apt/status"
    printf '%s [signed-by=%s] %s %s main\n' deb "$keyring" "$mirror" "$suite" deb-src "$keyring" "$mirror" "$suite" \
        >"$apt/sources.list"
    "$1" -qq -o "APT::Architecture=$2" -o "APT::Architectures=$2" -o "Dir::Etc::SourceList=$apt/sources.list" \
        -o Dir::Etc::SourceParts=- -o "Dir::State::Lists=$apt/lists" -o "Dir::State::status=$apt/status" \
        -o "Dir::Cache=$apt/cache" -o "Dir::Cache::archives=$apt/cache/archives" -o APT::Sandbox::User=root \
        -o APT::Install-Recommends=no "${@:3}"
}

# make_sysroot ARCHITECTURE: Debian's libraries for it, unpacked.
make_sysroot() {
    [ ! -e "$place/sysroot/made" ] || return 0
    say 'libraries'
    own_apt apt-get "$1" update
    # shellcheck disable=SC2086 # words
    own_apt apt-get "$1" install -y --download-only $libraries >"$place/log"
    rm -rf "$place/sysroot"
    mkdir "$place/sysroot"
    for package in "$place"/apt/cache/archives/*.deb; do
        dpkg-deb -x "$package" "$place/sysroot"
    done
    touch "$place/sysroot/made"
}

# make_libraries COMPILER: Debian's sources, built by it into $place/sysroot/usr/local.
make_libraries() {
    local prefix=$place/sysroot
    [ ! -e "$prefix/made" ] || return 0
    say 'libraries'
    own_apt apt-get "$(dpkg --print-architecture)" update
    rm -rf "$place/sources"
    mkdir -p "$place/sources"
    (
        cd "$place/sources"
        own_apt apt-get "$(dpkg --print-architecture)" source libzstd xxhash yajl cmocka
        make -C libzstd-*/lib CC="$1" PREFIX="$prefix" install-static install-pc install-includes
        make -C xxhash-*/ CC="$1" PREFIX="$prefix" DISPATCH=0 libxxhash.a libxxhash.pc
        install -D -m 644 -t "$prefix/lib" xxhash-*/libxxhash.a
        install -D -m 644 -t "$prefix/lib/pkgconfig" xxhash-*/libxxhash.pc
        install -D -m 644 -t "$prefix/include" xxhash-*/xxhash.h
        install -D -m 644 -t "$prefix/include/yajl" yajl-*/src/api/*.h
        # shellcheck disable=SC2016 # that file has them
        (cd yajl-*/ && sed 's/${YAJL_MAJOR}/2/; s/${YAJL_MINOR}/1/; s/${YAJL_MICRO}/0/' src/api/yajl_version.h.cmake \
            >"$prefix/include/yajl/yajl_version.h" && mkdir -p objects && cd objects &&
            "$1" -O2 -c -I"$prefix/include" ../src/yajl*.c && ar rcs "$prefix/lib/libyajl_s.a" ./*.o)
        cmake -S cmocka-*/ -B cmocka -DCMAKE_C_COMPILER="$1" -DCMAKE_INSTALL_PREFIX="$prefix" -DBUILD_SHARED_LIBS=OFF \
            -DCMAKE_INSTALL_LIBDIR=lib -DWITH_EXAMPLES=OFF
        cmake --build cmocka
        cmake --install cmocka
    ) >"$place/log" 2>&1 || {
        tail -20 "$place/log"
        exit 3
    }
    touch "$prefix/made"
}

# build OPTION...: configures, builds and tests.
build() {
    say 'build'
    cmake -S "$source" -B "$place/build" -DCMAKE_BUILD_TYPE=Release -DVARVE_WERROR=ON -DVARVE_TESTS=ON \
        -DVARVE_TEST_TIMEOUT=3600 "$@" >"$place/log" || {
        cat "$place/log"
        exit 3
    }
    cmake --build "$place/build" -j "$(nproc)" -- -k >>"$place/log" 2>&1 || {
        grep -A 5 'error' "$place/log" || tail "$place/log"
        exit 1
    }
    say 'test'
    ctest --test-dir "$place/build" -j "$(nproc)" --output-on-failure --no-tests=error -E "$without" "${ctest[@]}"
}

# cross ARCHITECTURE TRIPLET PROCESSOR [QEMU]
cross() {
    need "${compiler:=$2-gcc}" "gcc-${2/x86_64/x86-64}"
    make_sysroot "$1"
    local root=$place/sysroot emulator
    if [ -n "${4:-}" ]; then
        need "$4" qemu-user-static
        without+=$left_out_of_qemu
        emulator="$4;-L;$root"
    else
        emulator="$(echo "$root"/lib/ld-linux*.so.2);--library-path;$root/lib/$libs:$root/usr/lib/$libs"
    fi
    PKG_CONFIG_SYSROOT_DIR=$root PKG_CONFIG_LIBDIR=$root/usr/lib/$libs/pkgconfig:$root/usr/share/pkgconfig \
        build -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR="$3" -DCMAKE_C_COMPILER="$compiler" \
        -DCMAKE_SYSROOT="$root" -DCMAKE_FIND_ROOT_PATH_MODE_PROGRAM=NEVER -DCMAKE_FIND_ROOT_PATH_MODE_LIBRARY=ONLY \
        -DCMAKE_FIND_ROOT_PATH_MODE_INCLUDE=ONLY -DCMAKE_CROSSCOMPILING_EMULATOR="$emulator"
}

ctest=("$@")
for target in "${targets[@]}"; do
    place=$source/build/targets/$target
    without=$left_out
    compiler=''
    libs=''
    mkdir -p "$place"
    case $target in
        gcc | clang)
            need "$target" "$target"
            without='^$'
            build -DCMAKE_C_COMPILER="$target"
            ;;
        musl)
            need musl-gcc musl-tools
            make_libraries musl-gcc
            # musl brings no headers of the kernel: those of this machine
            mkdir -p "$place/kernel"
            ln -sfn /usr/include/linux /usr/include/asm-generic "/usr/include/$(uname -m)-linux-gnu/asm" "$place/kernel"
            PKG_CONFIG_LIBDIR=$place/sysroot/lib/pkgconfig \
                build -DCMAKE_C_COMPILER=musl-gcc -DCMAKE_C_FLAGS="-idirafter $place/kernel" -DCMAKE_PREFIX_PATH="$place/sysroot" -DCMAKE_CXX_COMPILER=''
            ;;
        i386) libs=i386-linux-gnu cross i386 i686-linux-gnu i686 ;;
        arm64) libs=aarch64-linux-gnu cross arm64 aarch64-linux-gnu aarch64 qemu-aarch64-static ;;
        armhf) libs=arm-linux-gnueabihf cross armhf arm-linux-gnueabihf arm qemu-arm-static ;;
        s390x) libs=s390x-linux-gnu cross s390x s390x-linux-gnu s390x qemu-s390x-static ;;
        ppc64el) libs=powerpc64le-linux-gnu cross ppc64el powerpc64le-linux-gnu ppc64le qemu-ppc64le-static ;;
        riscv64) libs=riscv64-linux-gnu cross riscv64 riscv64-linux-gnu riscv64 qemu-riscv64-static ;;
        *)
            echo "targets: no target '$target'; see --list" >&2
            exit 2
            ;;
    esac
    say 'all as promised'
done
