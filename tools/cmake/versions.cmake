# The oldest version of each library that voxgrad is built and tested with (Debian 12's), and a message where there is
# an older one: else a compiler says it, in a hundred lines.
function(vox_at_least name version wanted package)
  if(version AND version VERSION_LESS wanted)
    message(FATAL_ERROR "${name} is of version ${version}, wants ${wanted} or later: on Debian and Ubuntu ${package}")
  endif()
endfunction()

# vox_header_version(OUTPUT FILE MACRO...): the version that a header's macros tell, numbers or one string.
function(vox_header_version output file)
  set(parts "")
  foreach(macro IN LISTS ARGN)
    set(line "")
    if(EXISTS ${file})
      file(STRINGS ${file} line REGEX "# *define +${macro} " LIMIT_COUNT 1)
    endif()
    string(REGEX MATCH "${macro} +\"?([0-9.]+)" line "${line}")
    list(APPEND parts ${CMAKE_MATCH_1})
  endforeach()
  list(JOIN parts . version)
  set(${output} "${version}" PARENT_SCOPE)
endfunction()
