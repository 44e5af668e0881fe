# What engine/build.cpp tells: the commit, looked up at every build, and the build type.
add_custom_target(vox_commit COMMAND ${CMAKE_COMMAND} -DSOURCE=${PROJECT_SOURCE_DIR}
  -DHEADER=${PROJECT_BINARY_DIR}/commit/commit.h -P ${PROJECT_SOURCE_DIR}/tools/cmake/commit.cmake
  BYPRODUCTS ${PROJECT_BINARY_DIR}/commit/commit.h VERBATIM)
add_dependencies(vox vox_commit)
set_source_files_properties(engine/build.cpp PROPERTIES INCLUDE_DIRECTORIES ${PROJECT_BINARY_DIR}/commit
  COMPILE_DEFINITIONS VOX_BUILD_TYPE="${CMAKE_BUILD_TYPE}")
