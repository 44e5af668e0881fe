# Convolutions against the measured FMA peak: needs nothing that is not installed.
set(conv_bench_sources ${PROJECT_SOURCE_DIR}/benchmarks/verbs/conv3d_bench.cpp ${PROJECT_SOURCE_DIR}/benchmarks/measure/fma_peak.cpp)
add_executable(vox_conv_bench ${conv_bench_sources})
target_link_libraries(vox_conv_bench PRIVATE vox vox_command_line)

# What `voxgrad bench` is made of.
file(GLOB bench_sources CONFIGURE_DEPENDS benchmarks/verbs/*.cpp benchmarks/measure/*.cpp benchmarks/workloads/*.cpp benchmarks/rivals/*.cpp benchmarks/output/*.cpp)
list(REMOVE_ITEM bench_sources ${PROJECT_SOURCE_DIR}/benchmarks/verbs/conv3d_bench.cpp
  ${PROJECT_SOURCE_DIR}/benchmarks/verbs/main.cpp)
if(NOT VOX_TOOLS)
  list(REMOVE_ITEM bench_sources ${PROJECT_SOURCE_DIR}/benchmarks/verbs/loader.cpp)
endif()
add_library(vox_benchmarks STATIC ${bench_sources})
if(VOX_TOOLS)
  target_link_libraries(vox_benchmarks PRIVATE vox_data)
  target_compile_definitions(vox_benchmarks PRIVATE VOX_DATA)
endif()
target_link_libraries(vox_benchmarks PUBLIC vox vox_command_line PRIVATE vox_build vox_gpu_bench_parts)
find_package(benchmark QUIET)
if(benchmark_FOUND)
  target_link_libraries(vox_benchmarks PRIVATE benchmark::benchmark)
  target_compile_definitions(vox_benchmarks PRIVATE VOX_GOOGLE_BENCHMARK)
endif()
target_compile_definitions(vox_benchmarks PRIVATE VOX_RIVALS_FOLDER="${PROJECT_SOURCE_DIR}/benchmarks/rivals")

# `voxgrad bench` starts it: whoever only trains builds none of it.
add_executable(vox_bench benchmarks/verbs/main.cpp)
target_link_libraries(vox_bench PRIVATE vox_benchmarks)
if(VOX_TOOLS AND VOX_INSTALL)
  install(TARGETS vox_bench RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

# oneDNN 3 as a rival, in a program of its own: VOX_ONEDNN names where it is installed (tools/rivals.sh installs it).
set(VOX_ONEDNN "" CACHE PATH "Prefix of oneDNN 3, to be compared with; empty: not built")
if(VOX_ONEDNN)
  find_path(ONEDNN_INCLUDE_DIR dnnl.hpp PATHS ${VOX_ONEDNN}/include NO_DEFAULT_PATH REQUIRED)
  find_library(ONEDNN_LIBRARY dnnl PATHS ${VOX_ONEDNN}/lib NO_DEFAULT_PATH REQUIRED)
  file(GLOB onednn_sources CONFIGURE_DEPENDS benchmarks/rivals/onednn/*.cpp)
  add_executable(vox_onednn ${onednn_sources})
  target_include_directories(vox_onednn SYSTEM PRIVATE ${ONEDNN_INCLUDE_DIR})
  target_compile_definitions(vox_onednn PRIVATE VOX_ONEDNN_PREFIX="${VOX_ONEDNN}")
  # What oneDNN itself needs lies beside it and is named nowhere else.
  target_link_options(vox_onednn PRIVATE -Wl,--disable-new-dtags,-rpath,${VOX_ONEDNN}/lib,-rpath-link,${VOX_ONEDNN}/lib)
  target_link_libraries(vox_onednn PRIVATE vox_benchmarks ${ONEDNN_LIBRARY})
endif()

# Every kernel and whole steps on a GPU, or on the simt device: benchmarks/gpu. Its own kernels are compiled as those of
# kernels/cuda are: by nvcc where CUDA is on, and for the CPU.
file(GLOB gpu_bench_sources CONFIGURE_DEPENDS benchmarks/gpu/*.cpp)
list(FILTER gpu_bench_sources EXCLUDE REGEX "/(main|step_main|rivals_[a-z]+|cudnn_[a-z]+)\\.cpp$")
set(probes_wrapper ${PROJECT_BINARY_DIR}/simt/benchmarks_gpu_probes.cu.cpp)
file(GENERATE OUTPUT ${probes_wrapper} CONTENT
  "#pragma GCC diagnostic ignored \"-Wsign-conversion\"  // indices are int, as in CUDA\n#include \"benchmarks/gpu/probes.cu\"\n")
set_source_files_properties(${probes_wrapper} PROPERTIES COMPILE_OPTIONS -Wno-unknown-pragmas)
set(gpu_rival_sources "")
set(gpu_rival_libraries "")
if(vox_cuda)
  list(APPEND gpu_bench_sources benchmarks/gpu/probes.cu)
  # NVIDIA's libraries are rivals here and used nowhere else. CUDNN_ROOT and CUBLAS_ROOT may point at them; pip's
  # packages have no libcudnn.so, only libcudnn.so.9.
  find_path(CUDNN_INCLUDE_DIR cudnn.h HINTS ${CUDNN_ROOT}/include ${CUDAToolkit_INCLUDE_DIRS})
  find_library(CUDNN_LIBRARY NAMES cudnn libcudnn.so.9 HINTS ${CUDNN_ROOT}/lib ${CUDAToolkit_LIBRARY_DIR})
  find_path(CUBLAS_INCLUDE_DIR cublas_v2.h HINTS ${CUBLAS_ROOT}/include ${CUDAToolkit_INCLUDE_DIRS})
  find_library(CUBLAS_LIBRARY NAMES cublas libcublas.so.13 libcublas.so.12
    HINTS ${CUBLAS_ROOT}/lib ${CUDAToolkit_LIBRARY_DIR})
  foreach(library cudnn cublas)
    string(TOUPPER ${library} name)
    if(${name}_INCLUDE_DIR AND ${name}_LIBRARY)
      file(GLOB rival_sources benchmarks/gpu/rivals_${library}.cpp benchmarks/gpu/${library}_*.cpp)
      list(APPEND gpu_rival_sources ${rival_sources})
      set_source_files_properties(${rival_sources} PROPERTIES INCLUDE_DIRECTORIES ${${name}_INCLUDE_DIR})
      list(APPEND gpu_rival_libraries ${${name}_LIBRARY})
    else()
      message(STATUS "${library} was not found: vox_gpu_bench compares with what is left")
    endif()
  endforeach()
endif()
add_library(vox_gpu_bench_parts STATIC ${gpu_bench_sources} ${probes_wrapper})
target_compile_definitions(vox_gpu_bench_parts PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:gpu=cuda_gpu>)
target_link_libraries(vox_gpu_bench_parts PUBLIC vox)
# What the program has of its own comes before the none_*.cpp of the library: only this one needs NVIDIA's libraries.
add_executable(vox_gpu_bench benchmarks/gpu/main.cpp ${gpu_rival_sources})
target_link_libraries(vox_gpu_bench PRIVATE vox_gpu_bench_parts vox_command_line ${gpu_rival_libraries})
if(vox_cuda AND gpu_rival_libraries)
  add_executable(vox_nvidia benchmarks/rivals/nvidia/main.cpp ${gpu_rival_sources})
  target_link_libraries(vox_nvidia PRIVATE vox_benchmarks vox_gpu_bench_parts ${gpu_rival_libraries})
endif()
add_executable(vox_step_bench benchmarks/gpu/step_main.cpp)
target_link_libraries(vox_step_bench PRIVATE vox vox_command_line)

if(VOX_TESTS)  # that they run and write what they should; their figures mean nothing at such a size
  add_test(NAME gpu_bench_test COMMAND bash ${PROJECT_SOURCE_DIR}/benchmarks/gpu/smoke_test.sh
    $<TARGET_FILE:vox_gpu_bench> $<TARGET_FILE:vox_step_bench>)
  set_tests_properties(gpu_bench_test PROPERTIES TIMEOUT 600 LABELS program)
endif()
