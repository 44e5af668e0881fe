# Packages: `cd build && cpack` makes a .deb and a .tar.gz whose program runs where there is nothing but a C library no
# older than the one it was linked with: made on Debian 12, on Debian 12 and on Ubuntu 24.04. What it is made of is
# the program's own objects once more, linked with archives in place of shared libraries (voxgrad_static, vox_bench_static).
if(VOX_SANITIZE)
  return()
endif()
# In an image on a page Cairo uses no X11: none of its archives is asked for.
set(static_archives "")
foreach(name nifti2 znz cairo pixman-1 fontconfig freetype png16 expat brotlidec brotlicommon z deflate protobuf-lite)
  find_library(VOX_STATIC_${name} lib${name}.a)
  mark_as_advanced(VOX_STATIC_${name})
  if(NOT VOX_STATIC_${name})
    message(STATUS "Packages: none, lib${name}.a is not installed")
    return()
  endif()
  list(APPEND static_archives ${VOX_STATIC_${name}})
endforeach()
set(linked_in ${static_archives})

# What Debian has no archive of, from its headers: fmt and toml++; rounds.cpp does without Google Benchmark.
file(GENERATE OUTPUT ${PROJECT_BINARY_DIR}/static/fmt.cpp CONTENT "#include <fmt/format-inl.h>

FMT_BEGIN_NAMESPACE
namespace detail {
template FMT_API dragonbox::decimal_fp<float> dragonbox::to_decimal(float) noexcept;
template FMT_API dragonbox::decimal_fp<double> dragonbox::to_decimal(double) noexcept;
template FMT_API locale_ref::locale_ref(const std::locale&);
template FMT_API std::locale locale_ref::get<std::locale>() const;
template FMT_API thousands_sep_result<char> thousands_sep_impl(locale_ref);
template FMT_API char decimal_point_impl(locale_ref);
template FMT_API void buffer<char>::append(const char*, const char*);
template FMT_API void vformat_to(buffer<char>&, string_view, basic_format_args<buffer_context<char>>, locale_ref);
}  // namespace detail
FMT_END_NAMESPACE
")
file(GENERATE OUTPUT ${PROJECT_BINARY_DIR}/static/toml.cpp CONTENT
  "#define TOML_IMPLEMENTATION\n#define TOML_HEADER_ONLY 0\n#include <toml++/toml.h>\n")
add_library(vox_static_parts OBJECT EXCLUDE_FROM_ALL ${PROJECT_BINARY_DIR}/static/fmt.cpp ${PROJECT_BINARY_DIR}/static/toml.cpp)
vox_optimise(vox_static_parts -O1)
if(vox_cuda)
  list(APPEND static_archives $<TARGET_FILE:CUDA::cudart_static> -ldl -lrt)
endif()
set(static_programs "")
function(vox_add_static program) # PROGRAM SOURCE...: adds PROGRAM_static, of its objects and of our own libraries that it links
  set(parts "")
  set(pending ${program})
  while(pending)
    list(POP_FRONT pending target)
    get_target_property(libraries ${target} LINK_LIBRARIES)
    foreach(library IN LISTS libraries)
      if(NOT TARGET ${library})
        continue()
      endif()
      get_target_property(own ${library} ALIASED_TARGET)
      if(own)
        set(library ${own})
      endif()
      if(library STREQUAL "vox_ranks")  # no archive has MPI: several ranks want a build with it
        set(library vox_alone)
      endif()
      get_target_property(type ${library} TYPE)
      get_target_property(imported ${library} IMPORTED)
      if(type STREQUAL "STATIC_LIBRARY" AND NOT imported AND NOT library IN_LIST parts)
        list(APPEND parts ${library})
        list(APPEND pending ${library})
      endif()
    endforeach()
  endwhile()
  list(TRANSFORM parts REPLACE "(.+)" "$<TARGET_FILE:\\1>" OUTPUT_VARIABLE part_files)
  set(static ${program}_static)
  add_executable(${static} EXCLUDE_FROM_ALL $<TARGET_OBJECTS:${program}> $<TARGET_OBJECTS:vox_static_parts> ${ARGN})
  target_include_directories(${static} PRIVATE ${PROJECT_SOURCE_DIR})
  add_dependencies(${static} ${parts})
  # Files and not targets: those would bring the shared libraries along.
  target_link_libraries(${static} PRIVATE -Wl,--start-group ${part_files} ${static_archives} -Wl,--end-group
    Threads::Threads)
  target_link_options(${static} PRIVATE -static-libstdc++ -static-libgcc -s)
  set_target_properties(${static} PROPERTIES OUTPUT_NAME ${program} RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/static
    LINK_DEPENDS "${part_files}")
  set(static_programs ${static_programs} ${static} PARENT_SCOPE)
endfunction()
vox_add_static(voxgrad)
if(VOX_BENCHMARKS)
  vox_add_static(vox_bench benchmarks/measure/rounds.cpp)  # what `voxgrad bench` runs
endif()

# The component that is packed and that `cmake --install` leaves out.
set(packed COMPONENT package EXCLUDE_FROM_ALL)
list(JOIN static_programs " " static_targets)
install(CODE "execute_process(COMMAND \"${CMAKE_COMMAND}\" --build \"${PROJECT_BINARY_DIR}\" --target ${static_targets} voxgrad_texts
  COMMAND_ERROR_IS_FATAL ANY)" ${packed})
foreach(program IN LISTS static_programs)
  install(PROGRAMS $<TARGET_FILE:${program}> DESTINATION ${CMAKE_INSTALL_BINDIR} ${packed})
endforeach()
install(FILES README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR} ${packed})
vox_install_texts(vendor-completions ${packed})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright ${packed})
list(APPEND linked_in ${vox_header_libraries})
foreach(archive libstdc++.a libgcc.a)
  execute_process(COMMAND ${CMAKE_CXX_COMPILER} -print-file-name=${archive} OUTPUT_VARIABLE file OUTPUT_STRIP_TRAILING_WHITESPACE)
  list(APPEND linked_in ${file})
endforeach()
install(CODE "set(files \"${linked_in}\")\nset(folder \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_DOCDIR}/licences\")
include(\"${PROJECT_SOURCE_DIR}/tools/cmake/licences.cmake\")" ${packed})
set(cudart "")
if(vox_cuda)
  set(cudart $<TARGET_FILE:CUDA::cudart_static>)
endif()
set(document "\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_DOCDIR}/voxgrad.spdx.json")
install(CODE "execute_process(COMMAND \"${CMAKE_COMMAND}\" -DVERSION=${PROJECT_VERSION} \"-DSOURCE=${PROJECT_SOURCE_DIR}\"
  \"-DPROGRAM=$<TARGET_FILE:voxgrad_static>\" \"-DFILES=${linked_in};${cudart}\" \"-DOUTPUT=${document}\"
  -P \"${PROJECT_SOURCE_DIR}/tools/cmake/sbom.cmake\" COMMAND_ERROR_IS_FATAL ANY)" ${packed})
if(vox_cuda)
  install(FILES ${CUDAToolkit_LIBRARY_ROOT}/EULA.txt DESTINATION ${CMAKE_INSTALL_DOCDIR}/licences RENAME cuda-runtime.txt
    OPTIONAL ${packed})
endif()

execute_process(COMMAND getconf GNU_LIBC_VERSION OUTPUT_VARIABLE libc OUTPUT_STRIP_TRAILING_WHITESPACE)
string(REGEX REPLACE "[^0-9.]" "" libc "${libc}")
string(TOLOWER "${CMAKE_SYSTEM_NAME}-${CMAKE_SYSTEM_PROCESSOR}" system)
set(CPACK_GENERATOR DEB TGZ)
set(CPACK_INSTALL_CMAKE_PROJECTS "${PROJECT_BINARY_DIR};voxgrad;package;/")
set(CPACK_PACKAGE_VENDOR voxgrad)
set(CPACK_PACKAGE_CONTACT "The authors of voxgrad")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGE_FILE_NAME voxgrad-${PROJECT_VERSION}-${system})
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "libc6 (>= ${libc})")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "gnuplot-nox | gnuplot, fontconfig-config")
include(CPack)
