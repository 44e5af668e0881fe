# The program voxgrad: verbs, and what they print and draw.
file(GLOB tool_sources CONFIGURE_DEPENDS tools/verbs/*.cpp tools/ui/*.cpp)
list(REMOVE_ITEM tool_sources ${PROJECT_SOURCE_DIR}/tools/verbs/main.cpp ${command_line_source} ${run_sources})

find_package(tomlplusplus REQUIRED)
vox_at_least(tomlplusplus "${tomlplusplus_VERSION}" 3.3 libtomlplusplus-dev)
find_package(PkgConfig REQUIRED)
pkg_check_modules(CAIRO REQUIRED IMPORTED_TARGET cairo)
vox_at_least(cairo "${CAIRO_VERSION}" 1.16 libcairo2-dev)
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
# NCCL may lie beside the CUDA Toolkit. One RUNPATH for build and installation: else CMake fills that of the build with
# colons, and an empty entry means the folder where the program is started.
set_target_properties(voxgrad PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON BUILD_WITH_INSTALL_RPATH ON)

# Manual pages and shell completion, which the program prints: in build/share, and where the system looks for them.
set(texts ${PROJECT_BINARY_DIR}/share)
add_custom_command(OUTPUT ${texts}/stamp
  COMMAND ${CMAKE_COMMAND} -E rm -rf ${texts}
  COMMAND voxgrad man --output ${texts}/man1
  COMMAND voxgrad completion bash > ${texts}/voxgrad
  COMMAND voxgrad completion zsh > ${texts}/_voxgrad
  COMMAND voxgrad completion fish > ${texts}/voxgrad.fish
  COMMAND ${CMAKE_COMMAND} -E touch ${texts}/stamp
  DEPENDS voxgrad VERBATIM)
add_custom_target(voxgrad_texts ALL DEPENDS ${texts}/stamp)
function(vox_install_texts zsh_folder) # ZSH_FOLDER ARGUMENTS...: of install(), such as a component
  install(DIRECTORY ${texts}/man1 DESTINATION ${CMAKE_INSTALL_MANDIR} ${ARGN})
  install(FILES ${texts}/voxgrad DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions ${ARGN})
  install(FILES ${texts}/_voxgrad DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/${zsh_folder} ${ARGN})
  install(FILES ${texts}/voxgrad.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d ${ARGN})
endfunction()

# What the program is made of, as SPDX: in build/sbom (build/share is wiped where the texts are made), and beside the
# documentation.
set(document ${PROJECT_BINARY_DIR}/sbom/voxgrad.spdx.json)
set(vox_header_libraries "")
foreach(header CLI/CLI.hpp toml++/toml.h nlohmann/json.hpp xxhash.h fmt/format.h)
  find_path(folder ${header} NO_CACHE)
  list(APPEND vox_header_libraries ${folder}/${header})
  unset(folder)
endforeach()
set(linked ${NIFTI_LIBRARY} ${ZNZ_LIBRARY} ${ZLIB_LIBRARIES} ${DEFLATE_LIBRARY} ${CAIRO_LINK_LIBRARIES} ${vox_header_libraries})
foreach(library fmt::fmt tomlplusplus::tomlplusplus protobuf::libprotobuf-lite CUDA::cudart_static)
  if(TARGET ${library})
    get_target_property(type ${library} TYPE)
    if(NOT type STREQUAL "INTERFACE_LIBRARY")
      list(APPEND linked $<TARGET_FILE:${library}>)
    endif()
  endif()
endforeach()
if(vox_mpi)
  list(APPEND linked ${MPI_C_LIBRARIES})
endif()
if(vox_nccl)
  list(APPEND linked ${NCCL_LIBRARY})
endif()
foreach(library libstdc++.so libgcc_s.so.1)
  execute_process(COMMAND ${CMAKE_CXX_COMPILER} -print-file-name=${library} OUTPUT_VARIABLE file OUTPUT_STRIP_TRAILING_WHITESPACE)
  list(APPEND linked ${file})
endforeach()
set(sbom ${CMAKE_COMMAND} -DVERSION=${PROJECT_VERSION} -DSOURCE=${PROJECT_SOURCE_DIR} -DFOREIGN=${CMAKE_CROSSCOMPILING})
add_custom_command(OUTPUT ${document} VERBATIM
  COMMAND ${sbom} -DPROGRAM=$<TARGET_FILE:voxgrad> "-DFILES=${linked}" -DOUTPUT=${document}
    -P ${PROJECT_SOURCE_DIR}/tools/cmake/sbom.cmake
  DEPENDS voxgrad ${texts}/stamp ${PROJECT_SOURCE_DIR}/tools/cmake/sbom.cmake)
add_custom_target(voxgrad_sbom ALL DEPENDS ${document})

if(VOX_INSTALL)
  include(GNUInstallDirs)
  install(FILES ${document} DESTINATION ${CMAKE_INSTALL_DOCDIR})
  install(TARGETS voxgrad RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  vox_install_texts(site-functions)
  install(FILES README.md LICENSE CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR} OPTIONAL)
endif()
