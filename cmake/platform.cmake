# What Varve needs of the machine that it is built for. What cannot work says so here, not at run time.

if(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux")
  message(FATAL_ERROR "Varve runs on Linux only: it needs flock, futexes and shared maps as Linux has them "
                      "(this is ${CMAKE_SYSTEM_NAME}; there, use a Linux container)")
endif()

if(CMAKE_C_COMPILER_ID STREQUAL "GNU" AND CMAKE_C_COMPILER_VERSION VERSION_LESS 10)
  message(FATAL_ERROR "gcc 10 or newer is needed: this is ${CMAKE_C_COMPILER_VERSION}")
elseif(CMAKE_C_COMPILER_ID MATCHES "Clang" AND CMAKE_C_COMPILER_VERSION VERSION_LESS 11)
  message(FATAL_ERROR "clang 11 or newer is needed: this is ${CMAKE_C_COMPILER_VERSION}")
elseif(NOT CMAKE_C_COMPILER_ID MATCHES "GNU|Clang")
  message(FATAL_ERROR "Varve is built by gcc or clang, not by ${CMAKE_C_COMPILER_ID}")
endif()

# Processes share words of 64 bits without a lock, so a store of one must be one instruction.
include(CheckCSourceCompiles)
check_c_source_compiles(
  "_Static_assert(__atomic_always_lock_free(8, 0), \"64-bit atomics\"); int main(void) { return 0; }"
  VARVE_ATOMICS_OF_64_BITS)
if(NOT VARVE_ATOMICS_OF_64_BITS)
  message(FATAL_ERROR "${CMAKE_SYSTEM_PROCESSOR} has no lock-free atomic words of 64 bits: Varve does not run on it")
endif()
