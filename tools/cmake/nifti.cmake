# voxgrad::nifti: nifti_clib, where it is installed. Its own package files differ between distributions and want libraries
# that nobody here needs. Read by the build, and by voxgradConfig.cmake where voxgrad is installed.
find_path(NIFTI_INCLUDE_DIR nifti/nifti2_io.h)
find_library(NIFTI_LIBRARY nifti2)
find_library(ZNZ_LIBRARY znz)
if(NIFTI_INCLUDE_DIR AND NIFTI_LIBRARY AND ZNZ_LIBRARY AND NOT TARGET voxgrad::nifti)
  add_library(voxgrad::nifti INTERFACE IMPORTED)
  # Its headers include each other without the folder's name.
  target_include_directories(voxgrad::nifti SYSTEM INTERFACE ${NIFTI_INCLUDE_DIR}/nifti)
  target_link_libraries(voxgrad::nifti INTERFACE ${NIFTI_LIBRARY} ${ZNZ_LIBRARY} ZLIB::ZLIB)
endif()
