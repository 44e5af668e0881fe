# Every object of a build of our own is hardened and reproducible; a project that voxgrad is a part of keeps its flags.
# What each flag is for: docs/trust/supply-chain.md. tests/tree/hardening_test.sh reads it from the programs.
option(VOX_HARDEN "Stack protector, fortified calls of the C library, RELRO with immediate binding, PIE" ON)

include(CheckCXXCompilerFlag)
function(vox_flag_where_known flag)
  string(MAKE_C_IDENTIFIER "VOX_HAS${flag}" known)
  check_cxx_compiler_flag(${flag} ${known})
  if(${known})
    add_compile_options($<$<COMPILE_LANGUAGE:C,CXX>:${flag}>)
  endif()
endfunction()

# The same sources give the same program in whatever folder they are built.
add_compile_options($<$<COMPILE_LANGUAGE:C,CXX>:-ffile-prefix-map=${PROJECT_BINARY_DIR}=build>
  $<$<COMPILE_LANGUAGE:C,CXX>:-ffile-prefix-map=${PROJECT_SOURCE_DIR}=.>)

if(VOX_HARDEN AND NOT VOX_SANITIZE)  # a sanitizer has its own checks, and its own memory layout
  add_compile_options($<$<COMPILE_LANGUAGE:C,CXX>:-fPIE> $<$<COMPILE_LANGUAGE:C,CXX>:-fstack-protector-strong>)
  vox_flag_where_known(-fstack-clash-protection)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|amd64")
    vox_flag_where_known(-fcf-protection)
  endif()
  # Level 3 where the compiler knows sizes that are known at run time alone (g++ 12, clang 9).
  set(fortify 3)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 12)
    set(fortify 2)
  endif()
  set(optimised $<AND:$<COMPILE_LANGUAGE:C,CXX>,$<CONFIG:Release,RelWithDebInfo,MinSizeRel>>)
  add_compile_options($<${optimised}:-U_FORTIFY_SOURCE> $<${optimised}:-D_FORTIFY_SOURCE=${fortify}>)
  add_link_options(-pie -Wl,-z,relro,-z,now,-z,noexecstack)
endif()
