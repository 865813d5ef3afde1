# The side-by-side benchmark: a program bench/engine-NAME for each engine that can be had here, and
# the command bench/varve-bench that runs them. See bench/engines/engine.h.

file(GLOB bench_worker CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/worker/*.c")
set(bench_engines "${PROJECT_SOURCE_DIR}/bench/engines")

# Archives, so that each program holds only what it calls.
add_library(varve_bench_archive STATIC EXCLUDE_FROM_ALL ${bench_support})
varve_layer(varve_bench_archive bench)
target_link_libraries(varve_bench_archive PRIVATE varve_xxhash varve_zstd)
add_library(varve_bench_worker OBJECT EXCLUDE_FROM_ALL ${bench_worker} "${bench_engines}/engine.c")
varve_layer(varve_bench_worker bench)
foreach(target IN ITEMS varve_bench_archive varve_bench_worker)
  set_target_properties(${target} PROPERTIES ARCHIVE_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bench")
endforeach()

# SQLite may load extensions, which a static program cannot: the linker need not say so.
include(CheckLinkerFlag)
check_linker_flag(C "-Wl,--no-warnings" VARVE_BENCH_NO_WARNINGS)
set(quiet)
if(VARVE_BENCH_NO_WARNINGS)
  set(quiet "-Wl,--no-warnings")
endif()

# varve_bench_engine(NAME SOURCE [DEFINE word] [LIBRARIES shared...] [STATIC archive...]): STATIC is what a static
# program needs; where that links, the program is static, as the varve command is: new processes are measured.
function(varve_bench_engine name source)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "DEFINE" "LIBRARIES;STATIC")
  set(target "engine-${name}")
  add_executable(${target} "${bench_engines}/${source}" $<TARGET_OBJECTS:varve_bench_worker>)
  varve_layer(${target} bench)
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bench")
  if(NOT VARVE_BENCH AND NOT VARVE_TESTS)
    set_target_properties(${target} PROPERTIES EXCLUDE_FROM_ALL ON)
  endif()
  if(arg_DEFINE)
    target_compile_definitions(${target} PRIVATE ${arg_DEFINE})
  endif()
  target_link_libraries(${target} PRIVATE varve_bench_archive varve_static varve_xxhash varve_zstd
                                          Threads::Threads m)
  string(MAKE_C_IDENTIFIER "VARVE_BENCH_STATIC_${name}" can_be_static)
  if(NOT VARVE_SANITIZE AND VARVE_STATIC_TOOL)
    include(CheckCSourceCompiles)
    set(CMAKE_REQUIRED_QUIET ON)
    set(CMAKE_REQUIRED_LINK_OPTIONS -static)
    set(CMAKE_REQUIRED_LIBRARIES ${arg_STATIC})
    check_c_source_compiles("int main(void) { return 0; }" ${can_be_static})
  endif()
  if(${can_be_static} AND (arg_STATIC OR NOT arg_LIBRARIES))
    target_link_libraries(${target} PRIVATE ${arg_STATIC})
    target_link_options(${target} PRIVATE -static ${quiet})
  else()
    target_link_libraries(${target} PRIVATE ${arg_LIBRARIES})
  endif()
  add_dependencies(bench ${target})
endfunction()

if(VARVE_TESTS) # one of them runs all
  set_target_properties(spawns backed PROPERTIES EXCLUDE_FROM_ALL OFF)
endif()

varve_bench_engine(varve varve.c)
varve_bench_engine(limit limit.c)
varve_bench_engine(limit-xxh3 limit.c DEFINE ENGINE_XXH3)
varve_bench_engine(jsonl jsonl.c)

# Peers, where they are. A sanitizer would find fault with libraries that were not built for it.
set(missing)
if(NOT VARVE_SANITIZE)
  pkg_check_modules(SQLITE QUIET IMPORTED_TARGET sqlite3)
  pkg_check_modules(LMDB QUIET IMPORTED_TARGET lmdb)
  pkg_check_modules(ROCKSDB QUIET IMPORTED_TARGET rocksdb)
  pkg_check_modules(LEVELDB QUIET IMPORTED_TARGET leveldb)
  find_path(VARVE_LEVELDB_INCLUDE leveldb/c.h) # Debian's has no file for pkg-config
  find_library(VARVE_LEVELDB leveldb)
  mark_as_advanced(VARVE_LEVELDB_INCLUDE VARVE_LEVELDB)

  if(SQLITE_FOUND)
    varve_bench_engine(sqlite sqlite.c LIBRARIES PkgConfig::SQLITE STATIC sqlite3 m)
    varve_bench_engine(sqlite-zstd sqlite.c DEFINE ENGINE_ZSTD LIBRARIES PkgConfig::SQLITE STATIC sqlite3 m)
  else()
    list(APPEND missing "SQLite (libsqlite3-dev)")
  endif()
  if(LMDB_FOUND)
    varve_bench_engine(lmdb lmdb.c LIBRARIES PkgConfig::LMDB STATIC lmdb)
  else()
    list(APPEND missing "LMDB (liblmdb-dev)")
  endif()
  if(ROCKSDB_FOUND)
    varve_bench_engine(rocksdb rocksdb.c DEFINE "ENGINE_VERSION=\"${ROCKSDB_VERSION}\"" LIBRARIES
                       PkgConfig::ROCKSDB)
  else()
    list(APPEND missing "RocksDB (librocksdb-dev)")
  endif()
  if(LEVELDB_FOUND)
    varve_bench_engine(leveldb leveldb.c LIBRARIES PkgConfig::LEVELDB)
  elseif(VARVE_LEVELDB AND VARVE_LEVELDB_INCLUDE)
    varve_bench_engine(leveldb leveldb.c LIBRARIES "${VARVE_LEVELDB}" STATIC leveldb snappy stdc++ m)
  else()
    list(APPEND missing "LevelDB (libleveldb-dev)")
  endif()
endif()
if(missing AND VARVE_BENCH)
  list(JOIN missing ", " missing)
  message(STATUS "Left out of the benchmark, not found: ${missing}")
endif()

# The command: Python, with the workers beside it.
file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/bench/varve-bench.in" CONTENT [[#!/bin/sh
# Made by CMake. See bench/side_by_side in the source tree.
PYTHONPATH="@PROJECT_SOURCE_DIR@/bench${PYTHONPATH:+:$PYTHONPATH}" PYTHONDONTWRITEBYTECODE=1 \
    exec "${PYTHON:-python3}" -m side_by_side --programs "@PROJECT_BINARY_DIR@" "$@"
]] @ONLY)
file(COPY_FILE "${PROJECT_BINARY_DIR}/bench/varve-bench.in" "${PROJECT_BINARY_DIR}/bench/varve-bench")
file(CHMOD "${PROJECT_BINARY_DIR}/bench/varve-bench" PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE
     GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
