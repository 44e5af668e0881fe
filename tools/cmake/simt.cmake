# The CUDA kernel sources once more, for the CPU: each .cu is included by a generated .cpp and compiled by the host
# compiler against kernels/simt, the executor. No CUDA Toolkit is needed.
file(GLOB simt_sources CONFIGURE_DEPENDS kernels/simt/*.cpp)
file(GLOB gpu_kernel_sources CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR} kernels/cuda/*.cu kernels/cuda/conv3d/*.cu)
set(simt_kernel_sources "")
foreach(source IN LISTS gpu_kernel_sources)
  string(REPLACE "/" "_" name ${source})
  set(wrapper ${PROJECT_BINARY_DIR}/simt/${name}.cpp)
  file(GENERATE OUTPUT ${wrapper} CONTENT "#include \"${source}\"\n")
  list(APPEND simt_kernel_sources ${wrapper})
endforeach()
# Last on the command line, after the flags of vox_flags. Indices are int, as in CUDA.
set(simt_kernel_warnings -Wno-unknown-pragmas -Wno-sign-conversion)
set_source_files_properties(${simt_kernel_sources} PROPERTIES COMPILE_OPTIONS "${simt_kernel_warnings}")

add_library(vox_simt_kernels OBJECT ${simt_kernel_sources})
target_link_libraries(vox_simt_kernels PRIVATE vox_flags fmt::fmt)
if(VOX_SANITIZE STREQUAL "address")
  # The checks of the simt device see every access of a kernel (tools/cmake/simt_tests.cmake); UBSan is what is left.
  set_target_properties(vox_simt_kernels PROPERTIES VOX_NOT_SANITIZED address)
  vox_precompile(vox_simt_kernels ${vox_headers})
else()
  vox_reuse_headers(vox_simt_kernels)
endif()
vox_optimise(vox_simt_kernels -O2)
add_library(vox_simt OBJECT ${simt_sources})
target_link_libraries(vox_simt PRIVATE vox_flags fmt::fmt)
vox_reuse_headers(vox_simt)
target_sources(vox PRIVATE $<TARGET_OBJECTS:vox_simt_kernels> $<TARGET_OBJECTS:vox_simt>)
