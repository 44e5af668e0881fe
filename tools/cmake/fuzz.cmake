# VOX_FUZZ: vox_fuzz, one program for all targets of tests/fuzz, which tests/fuzz/run.sh starts. What reads files counts
# its edges; kernels and verbs, which read none, do not. Without a sanitizer, whose own branches nothing takes, it counts
# lines, too, for run.sh --coverage. The tests replay the same targets' seeds in every build (tests/fuzz/replay_test.cpp).
if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang" OR (VOX_SANITIZE AND NOT VOX_SANITIZE STREQUAL "address"))
  message(FATAL_ERROR "VOX_FUZZ wants clang, and VOX_SANITIZE=address or none: cmake --preset fuzz, or fuzz-coverage")
endif()
set(counted -fsanitize=fuzzer-no-link)
set(lines)
if(NOT VOX_SANITIZE)
  set(lines -fprofile-instr-generate)
  list(APPEND counted ${lines} -fcoverage-mapping)
endif()
set_target_properties(vox_cpu_baseline vox_simt_kernels PROPERTIES VOX_NOT_SANITIZED all)  # kernels: linked and not called
target_compile_options(vox_data PRIVATE ${counted})
set_target_properties(vox_data PROPERTIES DISABLE_PRECOMPILE_HEADERS ON)  # made without it
file(GLOB counted_sources CONFIGURE_DEPENDS engine/json*.cpp engine/read_file.cpp engine/safetensors*.cpp
  model/checkpoint.cpp model/scaling.cpp model/stored_tensor.cpp model/unet_config*.cpp model/warm_start.cpp
  tools/interchange/*.cpp tools/report/page.cpp tools/run/run_curves.cpp tools/run/run_history.cpp tools/run/run_log.cpp
  tools/run/run_model.cpp tools/run/run_record.cpp tools/run/stored_run.cpp tools/run/train_options*.cpp tools/run/training_progress.cpp)
set_source_files_properties(${counted_sources} PROPERTIES COMPILE_OPTIONS "${counted}" SKIP_PRECOMPILE_HEADERS ON)
file(GLOB fuzz_sources CONFIGURE_DEPENDS tests/fuzz/*.cpp tests/fuzz/libfuzzer/*.cpp)
list(FILTER fuzz_sources EXCLUDE REGEX "_test\\.cpp$")
add_executable(vox_fuzz ${fuzz_sources} tools/verbs/config.cpp tools/verbs/compare_bits.cpp tools/verbs/compare_runs.cpp
  tools/ui/table.cpp benchmarks/workloads/kernel_shape.cpp tests/simt/ptx_parse.cpp tests/simt/ptx_decode.cpp tests/simt/ptx_text.cpp)
target_link_libraries(vox_fuzz PRIVATE vox_run vox_command_line tomlplusplus::tomlplusplus voxgrad::nifti ZLIB::ZLIB)
target_compile_options(vox_fuzz PRIVATE ${counted})
target_link_options(vox_fuzz PRIVATE -fsanitize=fuzzer ${lines})
