# vox_data and vox_run: cases, training, validation and segmentation, for the program and for programs in C++.
find_package(ZLIB REQUIRED)
include(${PROJECT_SOURCE_DIR}/tools/cmake/nifti.cmake)
if(NOT TARGET voxgrad::nifti)
  message(FATAL_ERROR "nifti_clib (nifti/nifti2_io.h, libnifti2, libznz) or libdeflate was not found: on Debian libnifti-dev and libdeflate-dev")
endif()
find_path(XXHASH_INCLUDE_DIR xxhash.h REQUIRED)
file(GLOB data_sources CONFIGURE_DEPENDS data/*/*.cpp)
add_library(vox_data STATIC ${data_sources})
vox_precompile(vox_data ${vox_headers})
target_compile_options(vox_data PRIVATE -fno-math-errno -fno-trapping-math)  # as for the kernels: noise in vectors
target_include_directories(vox_data SYSTEM PRIVATE ${XXHASH_INCLUDE_DIR})
target_link_libraries(vox_data PUBLIC vox PRIVATE voxgrad::nifti ZLIB::ZLIB)

include(${PROJECT_SOURCE_DIR}/tools/cmake/protobuf.cmake)
file(GLOB run_sources CONFIGURE_DEPENDS tools/run/*.cpp tools/interchange/*.cpp)
foreach(source output plot progress_bar)  # what training says and draws
  list(APPEND run_sources ${PROJECT_SOURCE_DIR}/tools/ui/${source}.cpp)
endforeach()
# HDF5's header alone: its library is opened when a program reads such a file (tools/interchange/hdf5_library.h).
find_path(HDF5_INCLUDE_DIR hdf5.h PATH_SUFFIXES hdf5/serial)
if(NOT HDF5_INCLUDE_DIR)
  message(FATAL_ERROR "hdf5.h was not found: on Debian libhdf5-dev")
endif()
add_library(vox_run STATIC ${run_sources})
target_include_directories(vox_run SYSTEM PRIVATE ${HDF5_INCLUDE_DIR})
vox_reuse_headers(vox_run)
vox_optimise(vox_run -O1)
target_link_libraries(vox_run PUBLIC vox_data PRIVATE vox_messages)
