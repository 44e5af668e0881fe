# voxgrad::nifti: nifti_clib and libdeflate, which reads .gz files at once, where they are installed. Their own package
# files differ between distributions, and nifti_clib's want libraries that nobody here needs. Read by the build, and by voxgradConfig.cmake where voxgrad is installed.
find_path(NIFTI_INCLUDE_DIR nifti/nifti2_io.h)
find_library(NIFTI_LIBRARY nifti2)
find_library(ZNZ_LIBRARY znz)
find_path(DEFLATE_INCLUDE_DIR libdeflate.h)
find_library(DEFLATE_LIBRARY deflate)
if(NIFTI_INCLUDE_DIR AND NIFTI_LIBRARY AND ZNZ_LIBRARY AND DEFLATE_INCLUDE_DIR AND DEFLATE_LIBRARY AND NOT TARGET voxgrad::nifti)
  add_library(voxgrad::nifti INTERFACE IMPORTED)
  # nifti_clib's headers include each other without the folder's name.
  target_include_directories(voxgrad::nifti SYSTEM INTERFACE ${NIFTI_INCLUDE_DIR}/nifti ${DEFLATE_INCLUDE_DIR})
  target_link_libraries(voxgrad::nifti INTERFACE ${NIFTI_LIBRARY} ${ZNZ_LIBRARY} ZLIB::ZLIB ${DEFLATE_LIBRARY})
endif()
