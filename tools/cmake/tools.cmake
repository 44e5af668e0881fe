# Data and tools: the program voxgrad and what it is made of.
find_package(ZLIB REQUIRED)
file(GLOB data_sources CONFIGURE_DEPENDS data/*.cpp)
file(GLOB tool_sources CONFIGURE_DEPENDS tools/*.cpp)
list(REMOVE_ITEM tool_sources ${PROJECT_SOURCE_DIR}/tools/main.cpp)

find_path(NIFTI_INCLUDE_DIR nifti/nifti2_io.h REQUIRED)
find_library(NIFTI_LIBRARY nifti2 REQUIRED)
find_library(ZNZ_LIBRARY znz REQUIRED)
find_path(XXHASH_INCLUDE_DIR xxhash.h REQUIRED)
add_library(vox_data STATIC ${data_sources})
target_compile_options(vox_data PRIVATE -fno-math-errno -fno-trapping-math)  # as for the kernels: noise in vectors
# nifti_clib's headers include each other without the folder's name.
target_include_directories(vox_data SYSTEM PUBLIC ${NIFTI_INCLUDE_DIR}/nifti ${XXHASH_INCLUDE_DIR})
target_link_libraries(vox_data PUBLIC vox ${NIFTI_LIBRARY} ${ZNZ_LIBRARY} ZLIB::ZLIB)

find_package(CLI11 REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(CAIRO REQUIRED IMPORTED_TARGET cairo)
add_library(vox_tools STATIC ${tool_sources})
target_link_libraries(vox_tools PUBLIC vox vox_data CLI11::CLI11 PRIVATE tomlplusplus::tomlplusplus PkgConfig::CAIRO)
target_compile_definitions(vox_tools PRIVATE VOX_VERSION="${PROJECT_VERSION}" VOX_BUILD_TYPE="${CMAKE_BUILD_TYPE}")
add_executable(voxgrad tools/main.cpp)
target_link_libraries(voxgrad PRIVATE vox_tools)

include(GNUInstallDirs)
install(TARGETS voxgrad RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES README.md LICENSE CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR} OPTIONAL)
