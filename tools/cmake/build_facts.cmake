# engine/build.cpp: what is being built. A library of its own, so that a new commit, looked up at every build, makes only
# the programs anew that name it.
add_custom_target(vox_commit COMMAND ${CMAKE_COMMAND} -DSOURCE=${PROJECT_SOURCE_DIR}
  -DHEADER=${PROJECT_BINARY_DIR}/commit/commit.h -P ${PROJECT_SOURCE_DIR}/tools/cmake/commit.cmake
  BYPRODUCTS ${PROJECT_BINARY_DIR}/commit/commit.h VERBATIM)
add_library(vox_build STATIC engine/build.cpp)
add_dependencies(vox_build vox_commit)
target_include_directories(vox_build PRIVATE ${PROJECT_BINARY_DIR}/commit)
target_compile_definitions(vox_build PRIVATE VOX_BUILD_TYPE="${CMAKE_BUILD_TYPE}")
target_link_libraries(vox_build PRIVATE vox_flags)
