# Headers of the standard library and of fmt, parsed once for many files: half of what a small file takes to compile.
# Never headers of ours, so that what a file includes stays true: the build under ThreadSanitizer has none of this and
# says so.
# ccache keeps such objects where CCACHE_SLOPPINESS=pch_defines,time_macros, as tools/demo.sh and tools/test.sh set it.
option(VOX_PCH "Precompiled headers" ON)
set(vox_pch_options "")
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  set(vox_pch_options $<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)  # for ccache
endif()

set(vox_kernel_headers algorithm array cmath cstdint cstring functional limits span stdexcept string string_view
  type_traits utility vector fmt/core.h)
set(vox_headers ${vox_kernel_headers} atomic filesystem map memory mutex optional set thread unordered_map)

# What is no kernel and runs once per file or per step is optimised less in a Release build, and not at all under
# ThreadSanitizer, whose tests take seconds: quicker to compile. Under AddressSanitizer the tests would take longer by more
# than the compiler saves.
function(vox_optimise target level)
  target_compile_options(${target} PRIVATE $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CONFIG:Release>>:${level}>)
  if(VOX_SANITIZE STREQUAL "thread" AND level STREQUAL "-O1")
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-O0>)
  endif()
endfunction()

# g++ 12 warns of copies in std::string that never happen (GCC bug 105651), and takes a precompiled header of the library
# for ours. Kernels, where these warnings tell something, keep them.
function(vox_trust_strings target)
  if(VOX_PCH AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:-Wno-array-bounds;-Wno-stringop-overflow>")
  endif()
endfunction()

# For a target with flags of its own.
function(vox_precompile target)
  if(VOX_PCH)
    list(TRANSFORM ARGN REPLACE "^(.+)$" "$<$<COMPILE_LANGUAGE:CXX>:<\\1$<ANGLE-R>>")
    target_precompile_headers(${target} PRIVATE ${ARGN})
    target_compile_options(${target} PRIVATE ${vox_pch_options})
  endif()
endfunction()

# For targets whose flags are those of vox_flags alone: one set of headers for all of them.
function(vox_reuse_headers target)
  if(VOX_PCH)
    if(NOT TARGET vox_pch)
      file(WRITE ${PROJECT_BINARY_DIR}/pch.cpp "")
      add_library(vox_pch OBJECT ${PROJECT_BINARY_DIR}/pch.cpp)
      target_link_libraries(vox_pch PRIVATE vox_flags fmt::fmt)
      vox_precompile(vox_pch ${vox_headers})
    endif()
    vox_trust_strings(${target})
    target_precompile_headers(${target} REUSE_FROM vox_pch)
    target_compile_options(${target} PRIVATE ${vox_pch_options})
  endif()
endfunction()
