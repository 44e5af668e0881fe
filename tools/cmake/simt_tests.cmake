# More builds of the executor and of the kernels that it runs, for tests. Their objects are linked before the library,
# which then has nothing left to give: one program, one build of them.
option(VOX_SIMT_CHECKS "Build the tests that check every access of the CUDA kernels on the CPU" ON)

# Planted bugs: each must be noticed by at least one of these builds.
set(planted_kernels tests/simt/planted_matrices.cpp tests/simt/planted_threads.cpp)
set_source_files_properties(${planted_kernels} tests/simt/simt_test.cpp PROPERTIES COMPILE_OPTIONS "${simt_kernel_warnings}")
function(vox_add_planted name executor kernel_flags link_flags) # EXECUTOR: the object library of the executor's build
  add_library(vox_planted_kernels_${name} OBJECT ${planted_kernels})
  target_compile_options(vox_planted_kernels_${name} PRIVATE ${kernel_flags})
  target_link_libraries(vox_planted_kernels_${name} PRIVATE vox_flags fmt::fmt)
  add_executable(vox_planted_${name} tests/simt/planted_main.cpp $<TARGET_OBJECTS:${executor}>
    $<TARGET_OBJECTS:vox_planted_kernels_${name}>)
  target_link_libraries(vox_planted_${name} PRIVATE vox ${link_flags})
endfunction()

if(VOX_SIMT_CHECKS AND NOT VOX_SANITIZE)
  # The compiler's calls before every access, without the library that would answer them: kernels/simt/hooks.cpp does.
  # DWARF 4: in g++ 12's DWARF 5 lines of an included source go by the name of the file that includes it.
  set(check_kernel_flags -O1 -gdwarf-4 -g1 -fsanitize=thread)
  set(check_executor_flags -DVOX_SIMT_CHECK=1)
  set(asan_executor_flags -O0 -g1 -fsanitize=address,undefined -fno-sanitize-recover=all)
  # The executor three times: as it is in the library, checking every access, and under AddressSanitizer.
  foreach(build check asan)
    add_library(vox_simt_${build} OBJECT ${simt_sources})
    target_compile_options(vox_simt_${build} PRIVATE ${${build}_executor_flags})
    target_link_libraries(vox_simt_${build} PRIVATE vox_flags fmt::fmt)
  endforeach()
  vox_add_planted(plain vox_simt "" "")
  vox_add_planted(check vox_simt_check "${check_kernel_flags}" "")
  vox_add_planted(asan vox_simt_asan "${asan_executor_flags}" "-fsanitize=address,undefined")
  add_test(NAME "planted bugs in CUDA kernels are noticed"
    COMMAND bash tests/simt/planted.sh ${PROJECT_BINARY_DIR} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})

  # Every operator once more, with races, bounds and uninitialised reads checked. The kernels' objects come last: an
  # inline function that others have, too, is taken from those, where nothing is instrumented.
  add_library(vox_simt_check_kernels OBJECT ${simt_kernel_sources})
  target_compile_options(vox_simt_check_kernels PRIVATE ${check_kernel_flags})
  target_link_libraries(vox_simt_check_kernels PRIVATE vox_flags fmt::fmt)
  add_executable(vox_simt_check_tests $<TARGET_OBJECTS:vox_op_tests> $<TARGET_OBJECTS:vox_simt_check>
    $<TARGET_OBJECTS:vox_simt_check_kernels>)
  target_link_libraries(vox_simt_check_tests PRIVATE ${vox_op_libraries} ${vox_test_main})
  # Without the tests that repeat a kernel in other orders: these checks find a race in any order.
  # In parts, for several jobs.
  set(checked "")
  function(vox_add_checked name cases)
    add_test(NAME "${name} passes the checks of the simt device" COMMAND vox_simt_check_tests ${cases}
      WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    set(checked ${checked} "${name} passes the checks of the simt device" PARENT_SCOPE)
  endfunction()
  foreach(how "by a march" "by its definition" "by tensor cores")
    vox_add_checked("conv3d ${how}" "conv3d ${how}*")
  endforeach()
  vox_add_checked("every op" "[simt]~[determinism]~conv3d by *")
  add_test(NAME "a fault of the simt device names the kernel's own line"
    COMMAND bash tests/simt/fault_lines.sh $<TARGET_FILE:vox_simt_check_tests> WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties("planted bugs in CUDA kernels are noticed" ${checked} PROPERTIES TIMEOUT 900)
  set_tests_properties(${checked} PROPERTIES COST 400)  # ctest begins with the longest
endif()

# What nvcc makes of the same kernels, interpreted: the inline PTX of kernels/cuda/ptx.h runs nowhere else without a GPU.
find_program(VOX_NVCC nvcc HINTS ENV CUDA_PATH /usr/local/cuda PATH_SUFFIXES bin)
if(NOT VOX_SIMT_CHECKS OR VOX_SANITIZE)
  # left out, like the builds above
elseif(NOT VOX_NVCC)
  add_test(NAME "nvcc's code of every op gives the right values" COMMAND ${CMAKE_COMMAND} -E echo "skipped: no nvcc")
  set_tests_properties("nvcc's code of every op gives the right values" PROPERTIES SKIP_REGULAR_EXPRESSION "skipped: ")
else()
  set(nvcc_flags -std=c++20 --expt-relaxed-constexpr -I${PROJECT_SOURCE_DIR} -ptx)
  function(vox_add_ptx arch source folder)
    string(REGEX REPLACE "^kernels/cuda/|\\.cu$" "" name ${source})
    string(REPLACE "/" "_" name ${name})
    set(ptx ${PROJECT_BINARY_DIR}/ptx/${folder}/${name}.ptx)
    file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/ptx/${folder})
    add_custom_command(OUTPUT ${ptx} DEPENDS ${source} DEPFILE ${ptx}.d
      COMMAND ${VOX_NVCC} ${nvcc_flags} -arch=${arch} -MD -MF ${ptx}.d -MT ${ptx} ${PROJECT_SOURCE_DIR}/${source} -o ${ptx}
      COMMENT "PTX of ${source} for ${arch}")
    set_property(GLOBAL APPEND PROPERTY VOX_PTX ${ptx})
  endfunction()
  foreach(arch sm_80 sm_90a)
    foreach(source IN LISTS gpu_kernel_sources)
      vox_add_ptx(${arch} ${source} ${arch})
    endforeach()
    vox_add_ptx(${arch} tests/simt/planted.cu planted_${arch})
  endforeach()
  get_property(all_ptx GLOBAL PROPERTY VOX_PTX)
  add_custom_target(vox_ptx ALL DEPENDS ${all_ptx})

  file(GLOB ptx_sources CONFIGURE_DEPENDS tests/simt/ptx_*.cpp)
  add_library(vox_ptx_interpreter OBJECT ${ptx_sources})
  target_link_libraries(vox_ptx_interpreter PRIVATE vox_flags fmt::fmt)
  add_executable(vox_ptx_tests $<TARGET_OBJECTS:vox_op_tests> $<TARGET_OBJECTS:vox_ptx_interpreter>)
  target_link_libraries(vox_ptx_tests PRIVATE ${vox_op_libraries} ${vox_test_main} ${CMAKE_DL_LIBS})
  add_executable(vox_planted_ptx tests/simt/planted_main.cpp $<TARGET_OBJECTS:vox_planted_kernels_plain>
    $<TARGET_OBJECTS:vox_ptx_interpreter>)
  target_link_libraries(vox_planted_ptx PRIVATE vox ${CMAKE_DL_LIBS})
  set(interpreting vox_ptx_tests vox_planted_ptx)
  if(VOX_BENCHMARKS AND VOX_TOOLS)  # what the operators of `bench kernel` execute: tests/tree/counts_test.sh
    add_executable(vox_counts tests/simt/counts_main.cpp $<TARGET_OBJECTS:vox_ptx_interpreter>)
    target_link_libraries(vox_counts PRIVATE vox_benchmarks ${CMAKE_DL_LIBS})
    list(APPEND interpreting vox_counts)
  endif()
  # The interpreter asks the program for the names of its kernels.
  set_target_properties(${interpreting} PROPERTIES ENABLE_EXPORTS ON)
  foreach(arch sm_80 sm_90a)
    set(ptx_test "nvcc's code of every op for ${arch} gives the right values")
    add_test(NAME ${ptx_test} COMMAND vox_ptx_tests "every op on simt*,every augmentation on simt*,labels shrink on simt*" WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    set_tests_properties(${ptx_test} PROPERTIES COST 300 TIMEOUT 600 ENVIRONMENT VOX_PTX=${PROJECT_BINARY_DIR}/ptx/${arch})
  endforeach()
  add_test(NAME "wrong PTX wrappers are noticed" WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
    COMMAND bash tests/simt/wrappers.sh ${PROJECT_BINARY_DIR} ${VOX_NVCC})
  set_tests_properties("wrong PTX wrappers are noticed" PROPERTIES TIMEOUT 600)
endif()
