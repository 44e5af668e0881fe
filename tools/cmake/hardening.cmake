# Every object of a build of our own is hardened and reproducible; a project that voxgrad is a part of keeps its flags.
# What each flag is for: docs/trust/supply-chain.md. tests/tree/hardening_test.sh reads it from the programs.
option(VOX_HARDEN "Stack protector, fortified calls of the C library, RELRO with immediate binding, PIE" ON)

include(CheckCXXCompilerFlag)
function(vox_host_flags condition) # CONDITION FLAG...: for C and C++, and for the host's side of CUDA sources
  foreach(flag IN LISTS ARGN)
    add_compile_options($<$<AND:$<COMPILE_LANGUAGE:C,CXX>,${condition}>:${flag}>
      $<$<AND:$<COMPILE_LANGUAGE:CUDA>,${condition}>:-Xcompiler=${flag}>)
  endforeach()
endfunction()
function(vox_flag_where_known flag)
  string(MAKE_C_IDENTIFIER "VOX_HAS${flag}" known)
  check_cxx_compiler_flag(${flag} ${known})
  if(${known})
    vox_host_flags(1 ${flag})
  endif()
endfunction()

# The same sources give the same program in whatever folder they are built. nvcc's intermediate files, whose names objects
# hold, are named after the object and not after the process.
vox_host_flags(1 -ffile-prefix-map=${PROJECT_BINARY_DIR}=build -ffile-prefix-map=${PROJECT_SOURCE_DIR}=.)
add_compile_options($<$<COMPILE_LANGUAGE:CUDA>:-objtemp>)

if(VOX_HARDEN AND NOT VOX_SANITIZE)  # a sanitizer has its own checks, and its own memory layout
  vox_host_flags(1 -fPIE -fstack-protector-strong)
  vox_flag_where_known(-fstack-clash-protection)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|amd64")
    vox_flag_where_known(-fcf-protection)
  endif()
  # Level 3 where the compiler knows sizes that are known at run time alone (g++ 12, clang 9).
  set(fortify 3)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 12)
    set(fortify 2)
  endif()
  vox_host_flags($<CONFIG:Release,RelWithDebInfo,MinSizeRel> -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=${fortify})
  add_link_options(-pie -Wl,-z,relro,-z,now,-z,noexecstack)
endif()
