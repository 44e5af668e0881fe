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
target_link_libraries(vox_tools PUBLIC vox_run vox_command_line
  PRIVATE vox_build tomlplusplus::tomlplusplus PkgConfig::CAIRO ZLIB::ZLIB)
target_compile_definitions(vox_tools PRIVATE VOX_VERSION="${PROJECT_VERSION}" VOX_FONTS_CONF="${fonts_folder}/fonts.conf")
if(VOX_BENCHMARKS)
  target_compile_definitions(vox_tools PUBLIC VOX_BENCH)  # the verb, which starts the program vox_bench
endif()
add_executable(voxgrad tools/verbs/main.cpp)
target_link_libraries(voxgrad PRIVATE vox_tools)

if(VOX_INSTALL)
  include(GNUInstallDirs)
  install(TARGETS voxgrad RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  install(FILES README.md LICENSE CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR} OPTIONAL)
endif()
