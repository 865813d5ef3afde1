# Manual pages and completions, made from what the command itself says; and the target `docs`, the HTML
# pages, where doxygen is there.

set(man_dir "${PROJECT_BINARY_DIR}/man")
set(completion_dir "${PROJECT_BINARY_DIR}/completions")
set(made)

# The overviews; varve(3) shows the first example as it stands.
foreach(section IN ITEMS 3 7)
  set(page "${man_dir}/varve.${section}")
  add_custom_command(
    OUTPUT "${page}"
    COMMAND "${CMAKE_COMMAND}" -E make_directory "${man_dir}"
    COMMAND
      awk -v "version=${PROJECT_VERSION}" -v "example=${PROJECT_SOURCE_DIR}/examples/backend.c" -f
      "${PROJECT_SOURCE_DIR}/docs/man/fill.awk" "${PROJECT_SOURCE_DIR}/docs/man/varve.${section}" >
      "${page}"
    DEPENDS docs/man/varve.${section} docs/man/fill.awk examples/backend.c
    WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}"
    VERBATIM)
  list(APPEND made "${page}")
  install(FILES "${page}" DESTINATION "${CMAKE_INSTALL_MANDIR}/man${section}" COMPONENT development)
endforeach()

if(TARGET varve AND CMAKE_CROSSCOMPILING)
  message(STATUS "The command does not run here: its manual pages and completions are left out")
elseif(TARGET varve)
  add_custom_command(
    OUTPUT "${man_dir}/varve.1"
    COMMAND sh tools/manpages.sh "$<TARGET_FILE:varve>" "${man_dir}"
    DEPENDS varve tools/manpages.sh tools/manpage.awk
    WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}"
    VERBATIM)
  list(APPEND made "${man_dir}/varve.1")
  install(DIRECTORY "${man_dir}/" DESTINATION "${CMAKE_INSTALL_MANDIR}/man1" COMPONENT tools
          FILES_MATCHING PATTERN "*.1")

  set(bash_place "${CMAKE_INSTALL_DATADIR}/bash-completion/completions" varve)
  set(zsh_place "${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions" _varve)
  set(fish_place "${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d" varve.fish)
  foreach(shell IN ITEMS bash zsh fish)
    list(GET ${shell}_place 0 place)
    list(GET ${shell}_place 1 name)
    add_custom_command(
      OUTPUT "${completion_dir}/varve.${shell}"
      COMMAND "${CMAKE_COMMAND}" -E make_directory "${completion_dir}"
      COMMAND sh tools/completions.sh "$<TARGET_FILE:varve>" ${shell} >
              "${completion_dir}/varve.${shell}"
      DEPENDS varve tools/completions.sh
      WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}"
      VERBATIM)
    list(APPEND made "${completion_dir}/varve.${shell}")
    install(FILES "${completion_dir}/varve.${shell}" DESTINATION "${place}" RENAME "${name}"
            COMPONENT tools)
  endforeach()
endif()
add_custom_target(manual ALL DEPENDS ${made})

find_program(VARVE_DOXYGEN doxygen)
mark_as_advanced(VARVE_DOXYGEN)
if(VARVE_DOXYGEN)
  configure_file("${PROJECT_SOURCE_DIR}/docs/Doxyfile.in" Doxyfile @ONLY)
  add_custom_target(docs COMMAND "${CMAKE_COMMAND}" -E make_directory "${PROJECT_BINARY_DIR}/docs"
                    COMMAND "${VARVE_DOXYGEN}" "${PROJECT_BINARY_DIR}/Doxyfile" VERBATIM)
endif()
