# Convolutions against the measured FMA peak: needs nothing that is not installed.
set(conv_bench_sources ${PROJECT_SOURCE_DIR}/benchmarks/conv3d_bench.cpp ${PROJECT_SOURCE_DIR}/benchmarks/fma_peak.cpp)
add_executable(vox_conv_bench ${conv_bench_sources})
target_link_libraries(vox_conv_bench PRIVATE vox CLI11::CLI11)

# Operators and whole steps, by Google Benchmark.
find_package(benchmark QUIET)
if(benchmark_FOUND)
  file(GLOB benchmark_sources CONFIGURE_DEPENDS benchmarks/*.cpp)
  list(REMOVE_ITEM benchmark_sources ${conv_bench_sources})
  add_executable(vox_bench ${benchmark_sources})
  target_link_libraries(vox_bench PRIVATE vox benchmark::benchmark)
else()
  message(STATUS "Google Benchmark is not installed: vox_bench is left out")
endif()
