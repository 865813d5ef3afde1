# Debian packages, one a component:
#
#   cmake --preset package && cmake --build --preset package && cpack --preset package
#
# leaves libvarve0, libvarve-dev and varve-tools in build/package.

set(CPACK_PACKAGE_NAME varve)
set(CPACK_PACKAGE_VENDOR Varve)
set(CPACK_PACKAGE_CONTACT "Varve maintainers <maintainers@varve.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_RESOURCE_FILE_LICENSE "${PROJECT_SOURCE_DIR}/LICENSE")
set(CPACK_PACKAGE_DIRECTORY "${PROJECT_BINARY_DIR}")
set(CPACK_PACKAGING_INSTALL_PREFIX "${CMAKE_INSTALL_PREFIX}")
set(CPACK_GENERATOR DEB)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL runtime development)
if(TARGET varve)
  list(APPEND CPACK_COMPONENTS_ALL tools)
endif()

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_ENABLE_COMPONENT_DEPENDS OFF)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
find_program(VARVE_SHLIBDEPS dpkg-shlibdeps)
mark_as_advanced(VARVE_SHLIBDEPS)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS OFF)
if(VARVE_SHLIBDEPS)
  set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
endif()

set(runtime "libvarve${PROJECT_VERSION_MAJOR}")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME "${runtime}")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_RUNTIME_DESCRIPTION
    "Keeps every event of a session, and the session record that follows from its events, in flat\nfiles. This package has the shared library.")
if(NOT VARVE_SHLIBDEPS)
  set(CPACK_DEBIAN_RUNTIME_PACKAGE_DEPENDS "libc6, libxxhash0, libzstd1")
endif()

# The static library, and pkg-config for any use of it, want the headers of what they need.
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libvarve-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS
    "${runtime} (= ${PROJECT_VERSION}), libxxhash-dev, libzstd-dev")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SUGGESTS "pkg-config, cmake")
set(CPACK_DEBIAN_DEVELOPMENT_DESCRIPTION
    "The header, the static library, and what pkg-config and CMake need to find them.")

set(CPACK_DEBIAN_TOOLS_PACKAGE_NAME varve-tools)
set(CPACK_DEBIAN_TOOLS_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_TOOLS_DESCRIPTION
    "Imports transcripts, hook payloads and telemetry of AI agents, lists sessions, adds up tokens\nand cost, and looks after the store.")

foreach(component IN LISTS CPACK_COMPONENTS_ALL)
  string(TOUPPER "${component}" upper)
  install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" RENAME copyright COMPONENT ${component}
          DESTINATION "${CMAKE_INSTALL_DATADIR}/doc/${CPACK_DEBIAN_${upper}_PACKAGE_NAME}")
endforeach()

include(CPack)
