# Every CPU kernel is compiled once per instruction set, from the same source; the queue picks one at run time.
# -fno-math-errno and -fno-trapping-math let loops vectorise and change no value.
file(GLOB cpu_kernel_sources CONFIGURE_DEPENDS kernels/cpu/*.cpp kernels/cpu/conv3d/*.cpp kernels/cpu/winograd/*.cpp)
file(GLOB amx_kernel_sources CONFIGURE_DEPENDS kernels/cpu/amx/*.cpp)
set(isas baseline)
set(isa_flags_baseline "")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|amd64")
  set(isa_flags_baseline $<$<CONFIG:Release>:-O2>)  # what has no AVX2 is old; -O3 takes a quarter longer to compile
  list(APPEND isas avx2 avx512)
  set(isa_flags_avx2 -mavx2 -mfma -mf16c)
  set(isa_flags_avx512 -mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512dq -mavx512vl -mprfchw
      -mprefer-vector-width=512)
  list(APPEND isas amx)  # the convolutions that use it, and no other kernel
  set(isa_flags_amx ${isa_flags_avx512} -mavx512bf16 -mamx-tile -mamx-bf16)
endif()
set(host_macro_avx2 __AVX2__)
set(host_macro_avx512 __AVX512BW__)
set(host_macro_amx __AMX_BF16__)
if(VOX_ISAS STREQUAL "HOST")
  execute_process(COMMAND ${CMAKE_CXX_COMPILER} -march=native -dM -E -x c++ /dev/null OUTPUT_VARIABLE host_macros
    COMMAND_ERROR_IS_FATAL ANY)
  foreach(isa avx2 avx512 amx)
    if(NOT host_macros MATCHES "#define ${host_macro_${isa}} ")
      list(REMOVE_ITEM isas ${isa})
    endif()
  endforeach()
elseif(VOX_ISAS STREQUAL "BASELINE")
  set(isas baseline)
elseif(NOT VOX_ISAS STREQUAL "ALL")
  message(FATAL_ERROR "VOX_ISAS is '${VOX_ISAS}', wants ALL, HOST or BASELINE")
endif()
message(STATUS "Instruction sets of the CPU kernels: ${isas}")
foreach(isa baseline avx2 avx512)
  set(isa_sources_${isa} ${cpu_kernel_sources})
endforeach()
set(isa_sources_amx ${amx_kernel_sources})
if(VOX_SANITIZE STREQUAL "address")
  # Hundreds of unrolled loads, each with its check, take the compiler minutes and gigabytes. That the tiles read and
  # write what they should, the operator tests check by NaN in fresh memory; all other code is instrumented.
  set_source_files_properties(kernels/cpu/conv3d/tiled.cpp PROPERTIES COMPILE_OPTIONS -fno-sanitize=all
    SKIP_PRECOMPILE_HEADERS ON)
endif()
set(isa_objects "")
foreach(isa IN LISTS isas)
  add_library(vox_cpu_${isa} OBJECT ${isa_sources_${isa}})
  target_compile_options(vox_cpu_${isa} PRIVATE ${isa_flags_${isa}} -fno-math-errno -fno-trapping-math)
  target_compile_definitions(vox_cpu_${isa} PRIVATE VOX_ISA=${isa})
  target_link_libraries(vox_cpu_${isa} PRIVATE vox_flags fmt::fmt)
  vox_precompile(vox_cpu_${isa} ${vox_kernel_headers})
  list(APPEND isa_objects $<TARGET_OBJECTS:vox_cpu_${isa}>)
endforeach()
target_compile_definitions(vox_cpu_baseline PRIVATE VOX_F64)  # kernels/base/queue.h

if(TARGET vox_cpu_amx AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(vox_cpu_amx PRIVATE -Wno-uninitialized -Wno-maybe-uninitialized)  # g++ 12's own intrinsics (GCC bug 105593)
endif()
