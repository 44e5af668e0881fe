# Catch2 2.13 and 3.x: tests include "tests/catch.h" and nothing of Catch2 itself.
find_package(Catch2 REQUIRED)
file(GLOB test_sources CONFIGURE_DEPENDS tests/*.cpp)
# The operators' cases and their harness are linked into several programs, and compiled once.
file(GLOB op_test_sources CONFIGURE_DEPENDS tests/op_*.cpp tests/compare.cpp tests/devices.cpp tests/conv3d_algorithms_test.cpp tests/ops/*.cpp)
list(REMOVE_ITEM test_sources ${PROJECT_SOURCE_DIR}/tests/main.cpp ${op_test_sources})
if(NOT VOX_TOOLS)  # what is left tests kernels, engine and model
  foreach(source IN LISTS test_sources)
    file(STRINGS ${source} needs_tools REGEX "#include \"(data|tools)/|#include <zlib.h>|#include \"tests/gzip.h\"|VOX_PROGRAM" LIMIT_COUNT 1)
    if(needs_tools)
      list(REMOVE_ITEM test_sources ${source})
    endif()
  endforeach()
endif()
if(TARGET Catch2::Catch2WithMain)
  set(vox_test_main Catch2::Catch2WithMain)
else()
  add_library(vox_test_main STATIC tests/main.cpp)  # 2.13: its main takes 20 s to compile, so once
  target_link_libraries(vox_test_main PUBLIC Catch2::Catch2)
  set(vox_test_main vox_test_main)
endif()
add_library(vox_op_tests OBJECT ${op_test_sources})
target_link_libraries(vox_op_tests PRIVATE vox ${vox_test_main})
add_executable(vox_tests ${test_sources} $<TARGET_OBJECTS:vox_op_tests>)
target_link_libraries(vox_tests PRIVATE ${vox_test_main})
target_compile_definitions(vox_tests PRIVATE VOX_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
if(VOX_TOOLS)
  target_link_libraries(vox_tests PRIVATE vox_tools)
  target_compile_definitions(vox_tests PRIVATE VOX_PROGRAM="$<TARGET_FILE:voxgrad>")
  add_dependencies(vox_tests voxgrad)
else()
  target_link_libraries(vox_tests PRIVATE vox)
endif()
include(tools/cmake/simt_tests.cmake)
# One ctest test per test case, named by its sentence. A test that prints "skipped: why" lacked what it needs.
set(unit_tests EXTRA_ARGS --use-colour no WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
  PROPERTIES SKIP_REGULAR_EXPRESSION "[Ss]kipped: " TIMEOUT 600)
if(TARGET Catch2::Catch2WithMain)
  list(REMOVE_ITEM unit_tests EXTRA_ARGS --use-colour no)  # Catch2 3 asks the terminal
endif()
if(VOX_SANITIZE STREQUAL "thread")
  list(PREPEND unit_tests TEST_SPEC "[threads]")  # the rest runs on one thread and would take hours
endif()
include(Catch)
catch_discover_tests(vox_tests ${unit_tests} DISCOVERY_TIMEOUT 60)

# Scripts: given the program and the build folder, they exit 0, or 77 where they lack what they need.
if(VOX_TOOLS AND NOT VOX_SANITIZE STREQUAL "thread")
  file(GLOB script_tests CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR} tests/*_test.sh)
  foreach(script IN LISTS script_tests)
    get_filename_component(name ${script} NAME_WE)
    add_test(NAME ${name} COMMAND bash ${script} $<TARGET_FILE:voxgrad> ${PROJECT_BINARY_DIR}
      WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    set_tests_properties(${name} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 600)
    if(name MATCHES "^(layers|sizes|docs|isa_symbols|help|ptxas)_test$")
      set_tests_properties(${name} PROPERTIES LABELS structure)  # about the tree, not about what the program does
    endif()
  endforeach()
endif()
