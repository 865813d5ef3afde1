#!/bin/sh
# Installs what building and testing Varve needs, and only what is missing. Says nothing and does
# nothing when all is there. On Debian and its relatives it uses apt-get; elsewhere it names what
# to install.
#
#   tools/setup.sh             everything: compiler, CMake, libraries, what the tests use
#   tools/setup.sh --build     without what only the tests use
#   tools/setup.sh --clang     clang as well, for the presets that want it
#   tools/setup.sh --static    clang-tidy and cppcheck as well, for tests/static.sh
#   tools/setup.sh --valgrind  valgrind as well, for tests/valgrind.sh
#   tools/setup.sh --check     install nothing, only say what is missing
#
# Exit: 0 all is there, 1 something is missing (--check), 2 usage, 3 it could not be installed.
set -eu

cmake_wanted=3.25
libraries="libxxhash libzstd yajl"
test_libraries="cmocka"
test_commands="bash python3 jq"
if command -v apt-get >/dev/null 2>&1; then # elsewhere the test of the ABI does with less
    test_commands="$test_commands abidw"
fi
test_modules="jsonschema"
check_only=no
clang_too=no

say() { printf 'setup: %s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

while [ $# -gt 0 ]; do
    case $1 in
        --build) test_libraries="" test_commands="" test_modules="" ;;
        --clang) clang_too=yes ;;
        --static) test_commands="$test_commands clang clang-tidy cppcheck" ;;
        --valgrind) test_commands="$test_commands valgrind" ;;
        --check) check_only=yes ;;
        *)
            say "usage: tools/setup.sh [--build] [--clang] [--static] [--valgrind] [--check]"
            exit 2
            ;;
    esac
    shift
done

# ---- What is missing -----------------------------------------------------------------------------

# version_ok 3.25.1: at least $cmake_wanted.
version_ok() {
    [ "$(printf '%s\n%s\n' "$cmake_wanted" "$1" | sort -t. -k1,1n -k2,2n | head -n 1)" = "$cmake_wanted" ]
}

cmake_version() { cmake --version 2>/dev/null | sed -n 's/^cmake version \([0-9.]*\).*/\1/p'; }

has_compiler() {
    for compiler in cc gcc clang; do
        if have "$compiler" && printf '#include <stdio.h>\n' | "$compiler" -E - >/dev/null 2>&1; then
            return 0
        fi
    done
    return 1
}

# The library by its pkg-config name; a static yajl lies beside its headers in the same package.
has_library() { have pkg-config && pkg-config --exists "$1"; }

# clang's runtime libraries for sanitizers and fuzzing are a package of their own in some distributions.
has_fuzzer() { have clang && [ -f "$(clang -print-file-name="libclang_rt.fuzzer-$(uname -m).a")" ]; }

has_module() { have python3 && python3 -c "import $1" >/dev/null 2>&1; }

# Prints what is missing, one word each: compiler, clang, fuzzer, cmake, make, pkg-config, a library, a command, a
# Python module.
missing() {
    has_compiler || echo compiler
    if [ "$clang_too" = yes ]; then
        have clang || echo clang
        has_fuzzer || echo fuzzer
    fi
    if ! have cmake || ! version_ok "$(cmake_version)"; then echo cmake; fi
    have make || echo make
    have pkg-config || echo pkg-config
    for library in $libraries $test_libraries; do
        has_library "$library" || echo "$library"
    done
    for command in $test_commands; do
        have "$command" || echo "$command"
    done
    for module in $test_modules; do
        has_module "$module" || echo "python3-$module"
    done
}

# ---- What it is called here ----------------------------------------------------------------------

family=other
if have apt-get; then
    family=debian
elif have dnf || have yum; then
    family=fedora
elif have pacman; then
    family=arch
elif have apk; then
    family=alpine
elif [ "$(uname -s)" = Darwin ]; then
    family=macos
fi

# The package of one missing thing; no known name: the thing itself.
package() {
    case $family:$1 in
        debian:compiler) echo "gcc libc6-dev" ;;
        debian:fuzzer)
            version=$(apt-cache depends clang 2>/dev/null | sed -n 's/.*Depends: clang-\([0-9]*\)$/\1/p')
            runtime="libclang-rt${version:+-$version}-dev"
            if apt-cache show "$runtime" >/dev/null 2>&1; then echo "$runtime"; else echo clang; fi
            ;;
        fedora:fuzzer | arch:fuzzer | alpine:fuzzer) echo compiler-rt ;;
        debian:libxxhash) echo libxxhash-dev ;;
        debian:libzstd) echo libzstd-dev ;;
        debian:yajl) echo libyajl-dev ;;
        debian:cmocka) echo libcmocka-dev ;;
        debian:abidw) echo abigail-tools ;;

        fedora:compiler) echo gcc ;;
        fedora:clang-tidy) echo clang-tools-extra ;;
        fedora:pkg-config) echo pkgconf-pkg-config ;;
        fedora:libxxhash) echo xxhash-devel ;;
        fedora:libzstd) echo libzstd-devel ;;
        fedora:yajl) echo yajl-devel ;;
        fedora:cmocka) echo libcmocka-devel ;;

        arch:compiler) echo gcc ;;
        arch:clang-tidy) echo clang ;;
        arch:pkg-config) echo pkgconf ;;
        arch:libxxhash) echo xxhash ;;
        arch:libzstd) echo zstd ;;
        arch:python3) echo python ;;
        arch:python3-jsonschema) echo python-jsonschema ;;

        alpine:clang-tidy) echo clang-extra-tools ;;
        alpine:compiler) echo "gcc musl-dev linux-headers" ;;
        alpine:pkg-config) echo pkgconf ;;
        alpine:libxxhash) echo xxhash-dev ;;
        alpine:libzstd) echo zstd-dev ;;
        alpine:yajl) echo yajl-dev ;;
        alpine:cmocka) echo cmocka-dev ;;
        alpine:python3-jsonschema) echo py3-jsonschema ;;

        macos:compiler | macos:clang | macos:make) echo "the Xcode command line tools" ;;
        macos:libxxhash) echo xxhash ;;
        macos:libzstd) echo zstd ;;

        debian:cmake) echo cmake ;;
        *:cmake) echo "cmake >= $cmake_wanted" ;;

        other:compiler) echo "gcc or clang" ;;
        macos:fuzzer | other:fuzzer) echo "clang's runtime libraries (compiler-rt)" ;;
        other:libxxhash) echo "xxHash (with headers)" ;;
        other:libzstd) echo "zstd (with headers)" ;;
        other:yajl) echo "yajl 2 (with headers)" ;;
        other:cmocka) echo "cmocka (with headers)" ;;
        macos:python3-jsonschema | other:python3-jsonschema) echo "jsonschema for python3" ;;
        *) echo "$1" ;;
    esac
}

packages() {
    for thing in $1; do
        package "$thing"
    done
}

one_line() { tr '\n' ',' | sed 's/,$//; s/,/, /g'; }

# Leaves with what to do where the distribution's own cmake is too old, as in Ubuntu 22.04 (3.22).
cmake_too_old() {
    say "cmake $cmake_wanted or newer is needed, $1"
    say "install a newer one in one of these ways, then run this again:"
    say "  snap install cmake --classic"
    say "  pip3 install --user 'cmake>=$cmake_wanted'   (with ~/.local/bin in PATH)"
    say "  or Kitware's own APT repository"
    exit 3
}

# Leaves if cmake is wanted and apt is known to have none that is new enough.
check_cmake_offer() {
    case " $(echo "$wanted" | tr '\n' ' ')" in
        *" cmake "*) ;;
        *) return 0 ;;
    esac
    offered=$(apt-cache policy cmake | sed -n 's/^ *Candidate: \([0-9][0-9.]*\).*/\1/p')
    if [ -n "$offered" ] && ! version_ok "$offered"; then
        cmake_too_old "this system offers $offered"
    fi
}

# ---- Install -------------------------------------------------------------------------------------

wanted=$(missing)
[ -n "$wanted" ] || exit 0

if [ "$check_only" = yes ]; then
    say "missing: $(packages "$wanted" | one_line)"
    exit 1
fi

if [ "$family" != debian ]; then
    say "please install: $(packages "$wanted" | one_line)"
    [ "$family" != macos ] || say "the engine runs on Linux; on macOS use a Linux container"
    exit 3
fi

check_cmake_offer
as_root=""
if [ "$(id -u)" -ne 0 ]; then
    if ! have sudo; then
        say "not root, and no sudo; as root: apt-get update && apt-get install $(packages "$wanted" | xargs)"
        exit 3
    fi
    as_root=sudo
fi

# What apt-get says is shown only when it fails. Another one that is running is waited for.
apt() {
    if ! log=$($as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@" 2>&1); then
        printf '%s\n' "$log" >&2
        return 1
    fi
}

say "installing $(packages "$wanted" | xargs)"
apt update -o APT::Update::Error-Mode=any || say "apt-get update failed; going on with the lists that are there"

check_cmake_offer

# shellcheck disable=SC2046 # one word a package
if ! apt install -y --no-install-recommends $(packages "$wanted"); then
    say "apt-get could not install: $(packages "$wanted" | one_line)"
    exit 3
fi

wanted=$(missing)
if [ -n "$wanted" ]; then
    if [ "$wanted" = cmake ] && have cmake; then
        cmake_too_old "and $(command -v cmake), which comes first in PATH, is $(cmake_version)"
    fi
    say "installed, and still not found: $(echo "$wanted" | one_line)"
    exit 3
fi
