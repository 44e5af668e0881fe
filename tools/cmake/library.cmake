# What other projects link: voxgrad::vox (kernels, engine, model) and voxgrad::run (cases, training, segmentation), with
# their public headers. docs/library.md says what is public.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

file(GLOB vox_public CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR} kernels/base/*.h kernels/*.h model/*.h)
foreach(header allocator arena context dispatch dry_run gradcheck graph json kept memory_limits micro_batch ops ops/check packed_weights
    planned_blocks ranks/batch_share ranks/case_tree ranks/communicator ranks/other_rank_failed ranks/rank_sums ranks/share_scope ranks/world readback safetensors tape tensor types uploader)
  list(APPEND vox_public engine/${header}.h)
endforeach()
file(GLOB run_public CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR} data/cases/*.h data/prepare/*.h data/scoring/*.h
  data/postprocess/*.h)
foreach(header data/image data/check/check data/nifti/nifti data/loading/augment data/loading/batch_memory
    data/loading/loader data/loading/nnunet_options data/loading/patch data/loading/splits data/synth/phantom
    data/synth/synth tools/run/ensemble tools/run/memory_plan
    tools/run/preset_options tools/run/segmenter tools/run/sliding_window tools/run/step_digest tools/run/train_options tools/run/training tools/run/training_cases
    tools/run/training_progress tools/run/validation tools/run/whole_case tools/ui/exit_code)
  list(APPEND run_public ${header}.h)
endforeach()

# In this tree a header says "engine/tensor.h"; the copy that others see says <voxgrad/engine/tensor.h>.
set(staged_include ${PROJECT_BINARY_DIR}/include)
function(vox_public_headers target)
  set(stamp ${PROJECT_BINARY_DIR}/include/${target}.stamp)
  list(TRANSFORM ARGN PREPEND ${PROJECT_SOURCE_DIR}/ OUTPUT_VARIABLE sources)
  list(TRANSFORM ARGN REPLACE "^tools/" "" OUTPUT_VARIABLE staged)
  list(TRANSFORM staged PREPEND ${staged_include}/voxgrad/)
  add_custom_command(OUTPUT ${stamp} BYPRODUCTS ${staged} VERBATIM
    COMMAND ${CMAKE_COMMAND} "-DHEADERS=${ARGN}" -DSOURCE=${PROJECT_SOURCE_DIR} -DSTAGED=${staged_include}
      -P ${PROJECT_SOURCE_DIR}/tools/cmake/stage_headers.cmake
    COMMAND ${CMAKE_COMMAND} -E touch ${stamp}
    DEPENDS ${sources} ${PROJECT_SOURCE_DIR}/tools/cmake/stage_headers.cmake COMMENT "Public headers of ${target}")
  add_custom_target(${target}_headers ALL DEPENDS ${stamp})
  add_dependencies(${target} ${target}_headers)
  target_sources(${target} INTERFACE FILE_SET HEADERS BASE_DIRS ${staged_include} FILES ${staged})
endfunction()

vox_public_headers(vox ${vox_public})
add_library(voxgrad::vox ALIAS vox)
if(TARGET vox_run)
  vox_public_headers(vox_run ${run_public})  # those of vox_data too
  set_target_properties(vox_data PROPERTIES EXPORT_NAME data)
  set_target_properties(vox_messages PROPERTIES EXPORT_NAME messages)
  set_target_properties(vox_report PROPERTIES EXPORT_NAME report)
  set_target_properties(vox_run PROPERTIES EXPORT_NAME run)
  add_library(voxgrad::run ALIAS vox_run)
endif()

if(VOX_INSTALL)
  set(vox_package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/voxgrad)
  install(TARGETS vox EXPORT voxgrad ARCHIVE COMPONENT development FILE_SET HEADERS COMPONENT development)
  install(EXPORT voxgrad NAMESPACE voxgrad:: FILE voxgradTargets.cmake DESTINATION ${vox_package_folder}
    COMPONENT development)
  if(TARGET vox_run)
    install(TARGETS vox_data vox_messages vox_report EXPORT voxgrad_run ARCHIVE COMPONENT development)
    install(TARGETS vox_run EXPORT voxgrad_run ARCHIVE COMPONENT development FILE_SET HEADERS COMPONENT development)
    install(EXPORT voxgrad_run NAMESPACE voxgrad:: FILE voxgradRunTargets.cmake DESTINATION ${vox_package_folder}
      COMPONENT development)
    install(FILES tools/cmake/nifti.cmake DESTINATION ${vox_package_folder} COMPONENT development)
  endif()
  configure_package_config_file(tools/cmake/voxgradConfig.cmake.in ${PROJECT_BINARY_DIR}/package/voxgradConfig.cmake
    INSTALL_DESTINATION ${vox_package_folder})
  write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/voxgradConfigVersion.cmake
    COMPATIBILITY SameMinorVersion)
  install(FILES ${PROJECT_BINARY_DIR}/package/voxgradConfig.cmake ${PROJECT_BINARY_DIR}/package/voxgradConfigVersion.cmake
    DESTINATION ${vox_package_folder} COMPONENT development)
endif()
