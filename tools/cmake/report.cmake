# vox_report: the page of report.html. Its sources in tools/report, HTML, CSS and scripts, are built into the library as
# they stand. What cases look like on it (case_picture.cpp, data_uri.cpp) belongs to vox_run.
set(report_folder ${PROJECT_SOURCE_DIR}/tools/report)
set(report_scripts "")
foreach(name page chart table slices selftest)
  list(APPEND report_scripts ${report_folder}/${name}.js)
endforeach()
set(report_assets ${PROJECT_BINARY_DIR}/report/assets.cpp)
add_custom_command(OUTPUT ${report_assets} VERBATIM
  COMMAND ${CMAKE_COMMAND} -DFOLDER=${report_folder} "-DSCRIPTS=${report_scripts}" -DOUTPUT=${report_assets}
    -P ${PROJECT_SOURCE_DIR}/tools/cmake/report_assets.cmake
  DEPENDS ${report_folder}/page.html ${report_folder}/page.css ${report_scripts}
    ${PROJECT_SOURCE_DIR}/tools/cmake/report_assets.cmake)
add_library(vox_report STATIC ${report_folder}/page.cpp ${report_assets})
vox_reuse_headers(vox_report)
vox_optimise(vox_report -O1)
target_link_libraries(vox_report PUBLIC vox)
