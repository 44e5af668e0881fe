# The program voxgrad: verbs, and what they print and draw.
file(GLOB tool_sources CONFIGURE_DEPENDS tools/verbs/*.cpp tools/ui/*.cpp)
list(REMOVE_ITEM tool_sources ${PROJECT_SOURCE_DIR}/tools/verbs/main.cpp ${command_line_source} ${run_sources})

find_package(tomlplusplus REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(CAIRO REQUIRED IMPORTED_TARGET cairo)
pkg_get_variable(fonts_folder fontconfig confdir)
if(NOT fonts_folder)
  set(fonts_folder /etc/fonts)
endif()
add_library(vox_tools STATIC ${tool_sources})
vox_reuse_headers(vox_tools)
vox_optimise(vox_tools -O1)
target_include_directories(vox_tools SYSTEM PRIVATE ${XXHASH_INCLUDE_DIR})
target_link_libraries(vox_tools PUBLIC vox_run vox_command_line vox_ranks
  PRIVATE vox_build tomlplusplus::tomlplusplus PkgConfig::CAIRO ZLIB::ZLIB)
target_compile_definitions(vox_tools PRIVATE VOX_VERSION="${PROJECT_VERSION}" VOX_FONTS_CONF="${fonts_folder}/fonts.conf")
if(VOX_BENCHMARKS)
  target_compile_definitions(vox_tools PUBLIC VOX_BENCH)  # the verb, which starts the program vox_bench
endif()
add_executable(voxgrad tools/verbs/main.cpp)
target_link_libraries(voxgrad PRIVATE vox_tools)
set_target_properties(voxgrad PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)  # NCCL may lie beside the CUDA Toolkit

# Manual pages and shell completion, which the program prints: in build/share, and where the system looks for them.
set(texts ${PROJECT_BINARY_DIR}/share)
add_custom_command(OUTPUT ${texts}/stamp
  COMMAND ${CMAKE_COMMAND} -E rm -rf ${texts}
  COMMAND $<TARGET_FILE:voxgrad> man --output ${texts}/man1
  COMMAND $<TARGET_FILE:voxgrad> completion bash > ${texts}/voxgrad
  COMMAND $<TARGET_FILE:voxgrad> completion zsh > ${texts}/_voxgrad
  COMMAND $<TARGET_FILE:voxgrad> completion fish > ${texts}/voxgrad.fish
  COMMAND ${CMAKE_COMMAND} -E touch ${texts}/stamp
  DEPENDS voxgrad VERBATIM)
add_custom_target(voxgrad_texts ALL DEPENDS ${texts}/stamp)
function(vox_install_texts zsh_folder) # ZSH_FOLDER ARGUMENTS...: of install(), such as a component
  install(DIRECTORY ${texts}/man1 DESTINATION ${CMAKE_INSTALL_MANDIR} ${ARGN})
  install(FILES ${texts}/voxgrad DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions ${ARGN})
  install(FILES ${texts}/_voxgrad DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/${zsh_folder} ${ARGN})
  install(FILES ${texts}/voxgrad.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d ${ARGN})
endfunction()

if(VOX_INSTALL)
  include(GNUInstallDirs)
  install(TARGETS voxgrad RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  vox_install_texts(site-functions)
  install(FILES README.md LICENSE CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR} OPTIONAL)
endif()
