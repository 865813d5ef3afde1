#!/bin/bash
# What `cmake --install` promises: a C and a C++ program somewhere else build against it with a
# build file of under ten lines, by pkg-config and by find_package, shared and static, and run;
# wherever it was moved to.
#
# Environment: BUILD the build tree, CMAKE, CC, CXX (may be empty: no C++ then), SANITIZE.
# shellcheck source=tests/support/cli.sh
. "$(dirname "$0")/support/cli.sh"
: "${BUILD:?}" "${CMAKE:?}" "${CC:?}"
if [ -n "${SANITIZE:-}" ]; then
    echo 'skipped: a library built for a sanitizer is not to be installed'
    exit 77
fi
source=$(dirname "$(dirname "$SAMPLES")")
wanted='session-1 has 2 events
1 UserPromptSubmit: sort these: 3 1 2
2 Answer: 1 2 3'

runs() {
    local got
    rm -rf example-store
    got=$("$@" 2>&1) || fail "$*: exit code $?: $got"
    [ "$got" = "$wanted" ] || fail "$*: prints '$got'"
}

"$CMAKE" --install "$BUILD" --prefix "$work/first" >install.log 2>&1 || fail "install: $(tail -3 install.log)"
mv first moved
prefix=$work/moved
pc=$(find "$prefix" -name varve.pc)
libraries=$(dirname "$(find "$prefix" -name libvarve.a)")
export PKG_CONFIG_PATH LD_LIBRARY_PATH=$libraries
PKG_CONFIG_PATH=$(dirname "$pc")

# ---- All is there ----
for file in include/varve.h bin/varve; do
    [ -f "$prefix/$file" ] || fail "$file is not installed"
done
[ -L "$libraries/libvarve.so" ] || fail 'libvarve.so is no link'
[ "$("$prefix/bin/varve" --version)" = "varve $(pkg-config --modversion varve)" ] || fail 'versions differ'

# ---- pkg-config ----
mkdir outside && cd outside || exit 1
cp "$source/examples/backend.c" "$source/examples/backend.cpp" .
cat >Makefile <<'END'
all: c_program cpp_program
c_program: backend.c
	$(CC) $(CFLAGS) `pkg-config --cflags varve` -o $@ $< `pkg-config --libs varve`
cpp_program: backend.cpp
	$(CXX) $(CXXFLAGS) -std=c++17 `pkg-config --cflags varve` -o $@ $< `pkg-config --libs varve`
END
make -s c_program ${CXX:+cpp_program CXX="$CXX"} CC="$CC" || fail 'make'
runs ./c_program
[ -z "${CXX:-}" ] || runs ./cpp_program
# shellcheck disable=SC2046 # words
if "$CC" -static -o static_program backend.c $(pkg-config --static --cflags --libs varve) 2>static.log; then
    LD_LIBRARY_PATH='' runs ./static_program
else
    fail "static: $(cat static.log)"
fi

# ---- find_package ----
cat >CMakeLists.txt <<END
cmake_minimum_required(VERSION 3.16)
project(outside C ${CXX:+CXX})
find_package(varve 0.1 REQUIRED)
add_executable(c_shared backend.c)
target_link_libraries(c_shared PRIVATE varve::varve)
add_executable(c_static backend.c)
target_link_libraries(c_static PRIVATE varve::varve_static)
END
[ -z "${CXX:-}" ] || cat >>CMakeLists.txt <<'END'
add_executable(cpp_shared backend.cpp)
target_link_libraries(cpp_shared PRIVATE varve::varve)
END
"$CMAKE" -B build -DCMAKE_C_COMPILER="$CC" ${CXX:+-DCMAKE_CXX_COMPILER="$CXX"} -DCMAKE_CXX_STANDARD=17 \
    -DCMAKE_PREFIX_PATH="$prefix" >cmake.log 2>&1 && "$CMAKE" --build build >>cmake.log 2>&1 ||
    fail "find_package: $(tail -20 cmake.log)"
for program in c_shared c_static ${CXX:+cpp_shared}; do
    runs "build/$program"
done
LD_LIBRARY_PATH='' runs build/c_static

# ---- Nothing in it says where it was built ----
grep -rlI -e "$source" -e "$BUILD" -e "$work" "$prefix" >paths && fail "paths of this machine: $(cat paths)"

finish
