# What `cmake --install` gives: the header, both libraries, varve.pc, a CMake package, the command.
# Three components, which are the three Debian packages as well: runtime, development, tools.

include(CMakePackageConfigHelpers)

foreach(directory IN ITEMS INCLUDEDIR LIBDIR)
  if(IS_ABSOLUTE "${CMAKE_INSTALL_${directory}}")
    message(FATAL_ERROR "CMAKE_INSTALL_${directory} must be relative: what is installed can be moved as a whole")
  endif()
endforeach()

install(
  TARGETS varve_shared
  EXPORT varveTargets
  LIBRARY COMPONENT runtime NAMELINK_COMPONENT development
  PUBLIC_HEADER COMPONENT development)
install(TARGETS varve_static EXPORT varveStaticTargets ARCHIVE COMPONENT development)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/varve")
foreach(set IN ITEMS varveTargets varveStaticTargets)
  install(EXPORT ${set} NAMESPACE varve:: DESTINATION "${package_dir}" COMPONENT development)
endforeach()
configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/varveConfig.cmake.in" varveConfig.cmake
                              INSTALL_DESTINATION "${package_dir}" NO_SET_AND_CHECK_MACRO)
# Before 1.0 a new minor version may change what is there.
write_basic_package_version_file(varveConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(
  FILES "${PROJECT_BINARY_DIR}/varveConfig.cmake" "${PROJECT_BINARY_DIR}/varveConfigVersion.cmake"
  DESTINATION "${package_dir}"
  COMPONENT development)

# varve.pc finds the rest from where it lies itself.
file(RELATIVE_PATH pc_to_prefix "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
string(REGEX REPLACE "/$" "" pc_to_prefix "${pc_to_prefix}")
configure_file("${PROJECT_SOURCE_DIR}/cmake/varve.pc.in" varve.pc @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/varve.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig"
        COMPONENT development)

if(TARGET varve)
  install(TARGETS varve RUNTIME COMPONENT tools)
endif()
