# What is linked into a package: the Debian packages it came from, their versions, and a copy of each one's licences.
# Included with `files`, what was linked in, and `folder`, where to write.
set(packages "")
foreach(file IN LISTS files)
  if(NOT IS_ABSOLUTE "${file}")  # a flag of the linker
    continue()
  endif()
  file(REAL_PATH "${file}" real)
  execute_process(COMMAND dpkg-query -S "${real}" OUTPUT_VARIABLE owner ERROR_QUIET)
  if(NOT owner)
    execute_process(COMMAND dpkg-query -S "${file}" OUTPUT_VARIABLE owner ERROR_QUIET)
  endif()
  string(REGEX MATCH "^[^:, ]+" package "${owner}")
  if(NOT package OR NOT EXISTS /usr/share/doc/${package}/copyright)
    message(FATAL_ERROR "Packages are made on Debian or Ubuntu: ${file} belongs to no package with a copyright file")
  endif()
  list(APPEND packages ${package})
endforeach()
list(REMOVE_DUPLICATES packages)
list(SORT packages)
file(REMOVE_RECURSE "${folder}")
set(lines "voxgrad's own licence is in ../copyright. These packages of Debian or Ubuntu are linked into the program:\n\n")
foreach(package IN LISTS packages)
  execute_process(COMMAND dpkg-query -W -f "\${source:Package} \${source:Version}" ${package} OUTPUT_VARIABLE source)
  string(REGEX MATCH "^[^ \n]+ [^ \n]+" source "${source}")  # the first of several architectures
  string(APPEND lines "${package} (source: ${source})\n")
  configure_file(/usr/share/doc/${package}/copyright "${folder}/${package}.txt" COPYONLY)
endforeach()
file(WRITE "${folder}/README.txt" "${lines}
Each one's licences are in the file of its name, its source comes by `apt source`. Of Cairo's two licences it is
the Mozilla Public License 1.1 that is taken, of FreeType's the FreeType Project License: portions of this software
are copyright (c) The FreeType Project (www.freetype.org). All rights reserved.
")
