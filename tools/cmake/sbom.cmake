# Writes what a program is made of, as SPDX 2.3 (ISO/IEC 5962) in JSON: each library or header that is linked in, the
# Debian package it came from, version, licence and SHA-256. The same inputs give the same bytes.
#   cmake -DPROGRAM=FILE -DVERSION=V -DSOURCE=FOLDER -DFILES=A;B... [-DFOREIGN=ON] -DOUTPUT=FILE -P sbom.cmake
# A .so is linked when the program starts (DYNAMIC_LINK), an archive or a header is part of it (STATIC_LINK). What the
# program loads beside FILES (DEPENDS_ON) is the C library and what libraries load in turn: found on this machine, so
# not for a program of another one (FOREIGN).
cmake_minimum_required(VERSION 3.25)

# By the name of the library or header; what a file belongs to that is not listed is said to be unknown (NOASSERTION).
set(licence_nifti2 LicenseRef-public-domain)
set(licence_znz LicenseRef-public-domain)
set(licence_cairo MPL-1.1)  # of LGPL-2.1-only OR MPL-1.1 (licences.cmake)
set(licence_pixman-1 MIT)
set(licence_fontconfig HPND-sell-variant)
set(licence_freetype FTL)  # of FTL OR GPL-2.0-or-later
set(licence_png16 libpng-2.0)
set(licence_expat MIT)
set(licence_brotlidec MIT)
set(licence_brotlicommon MIT)
set(licence_z Zlib)
set(licence_deflate MIT)
set(licence_protobuf-lite BSD-3-Clause)
set(licence_stdc++ "GPL-3.0-or-later WITH GCC-exception-3.1")
set(licence_gcc "GPL-3.0-or-later WITH GCC-exception-3.1")
set(licence_gcc_s "GPL-3.0-or-later WITH GCC-exception-3.1")
set(licence_cudart_static LicenseRef-NVIDIA-CUDA-EULA)
set(licence_CLI BSD-3-Clause)
set(licence_toml MIT)
set(licence_tomlplusplus MIT)
set(licence_json MIT)
set(licence_xxhash BSD-2-Clause)
set(licence_format MIT)
set(licence_fmt MIT)
set(licence_mpi BSD-3-Clause)
set(licence_nccl BSD-3-Clause)

function(json_text text output)
  string(REPLACE "\\" "\\\\" text "${text}")
  string(REPLACE "\"" "\\\"" text "${text}")
  set(${output} "\"${text}\"" PARENT_SCOPE)
endfunction()

# The time of the commit, not of the build; SOURCE_DATE_EPOCH where that is set.
set(created "")
if(NOT DEFINED ENV{SOURCE_DATE_EPOCH} AND EXISTS ${SOURCE}/.git)
  execute_process(COMMAND git -C ${SOURCE} log -1 --format=%ct OUTPUT_VARIABLE seconds OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(seconds)
    set(ENV{SOURCE_DATE_EPOCH} ${seconds})
  endif()
endif()
string(TIMESTAMP created "%Y-%m-%dT%H:%M:%SZ" UTC)

file(SHA256 ${PROGRAM} program_sum)
string(SUBSTRING ${program_sum} 0 16 short_sum)
get_filename_component(program_name ${PROGRAM} NAME)
set(packages "    {
      \"SPDXID\": \"SPDXRef-voxgrad\", \"name\": \"${program_name}\", \"versionInfo\": \"${VERSION}\", \"packageFileName\": \"${program_name}\",
      \"supplier\": \"Organization: The authors of voxgrad\", \"downloadLocation\": \"NOASSERTION\", \"filesAnalyzed\": false,
      \"licenseConcluded\": \"@own@\", \"licenseDeclared\": \"@own@\", \"copyrightText\": \"NOASSERTION\",
      \"checksums\": [{\"algorithm\": \"SHA256\", \"checksumValue\": \"${program_sum}\"}]
    }")
file(STRINGS ${SOURCE}/LICENSE own LIMIT_COUNT 1)
if(own MATCHES "^MIT")
  set(own MIT)
elseif(own MATCHES "Apache")
  set(own Apache-2.0)
else()
  set(own NOASSERTION)
endif()
string(REPLACE "@own@" "${own}" packages "${packages}")
set(relations "    {\"spdxElementId\": \"SPDXRef-DOCUMENT\", \"relatedSpdxElement\": \"SPDXRef-voxgrad\", \"relationshipType\": \"DESCRIBES\"}")
set(known "")
set(loaded "")
if(NOT FOREIGN)
  file(GET_RUNTIME_DEPENDENCIES EXECUTABLES ${PROGRAM} RESOLVED_DEPENDENCIES_VAR loaded UNRESOLVED_DEPENDENCIES_VAR missing)
endif()

# One question for all: dpkg-query reads its whole database each time. It knows a file by the path of its package, which
# may be older than /usr having taken in /lib.
set(paths "")
foreach(file IN LISTS FILES loaded)
  if(IS_ABSOLUTE "${file}" AND EXISTS "${file}")
    file(REAL_PATH "${file}" real)
    string(REGEX REPLACE "^/usr/" "/" unmerged "${real}")
    list(APPEND paths "${real}" "${file}" "${unmerged}")
  endif()
endforeach()
execute_process(COMMAND dpkg-query -S ${paths} OUTPUT_VARIABLE lines ERROR_QUIET)
string(REPLACE "\n" ";" lines "${lines}")
set(packages_of_all "")
foreach(line IN LISTS lines)
  if(line MATCHES "^([^:, ]+)(:[^ ,]+)?(, [^:]+)*: (/.*)$")
    set(package ${CMAKE_MATCH_1})
    string(MD5 key "${CMAKE_MATCH_4}")  # a path may hold what a variable's name may not
    set(owner_${key} ${package})
    list(APPEND packages_of_all ${package})
  endif()
endforeach()
if(packages_of_all)
  execute_process(COMMAND dpkg-query -W -f "\${Package} \${Version} \${Architecture}\n" ${packages_of_all} OUTPUT_VARIABLE facts ERROR_QUIET)
endif()

list(LENGTH FILES named)
set(place 0)
foreach(file IN LISTS FILES loaded)
  math(EXPR place "${place} + 1")
  if(NOT IS_ABSOLUTE "${file}" OR NOT EXISTS "${file}")  # a flag of the linker
    continue()
  endif()
  file(REAL_PATH "${file}" real)
  get_filename_component(name "${file}" NAME)
  string(REGEX REPLACE "^lib|\\.(a|so)[.0-9]*$|\\.hp*$" "" name "${name}")
  string(REGEX REPLACE "[^A-Za-z0-9.-]" "-" id "${name}")
  if(id IN_LIST known)
    continue()
  endif()
  list(APPEND known ${id})
  set(licence NOASSERTION)
  if(DEFINED licence_${name})
    set(licence "${licence_${name}}")
  endif()
  string(REGEX REPLACE "^/usr/" "/" unmerged "${real}")
  set(package "")
  foreach(path "${real}" "${file}" "${unmerged}")
    string(MD5 key "${path}")
    if(NOT package)
      set(package "${owner_${key}}")
    endif()
  endforeach()
  set(version "")
  set(purl "")
  if(package)
    string(REPLACE "+" "\\+" pattern "${package}")
    string(REPLACE "." "\\." pattern "${pattern}")
    string(REGEX MATCH "(^|\n)${pattern} ([^ \n]+) ([^ \n]+)" found "${facts}")
    set(version "${CMAKE_MATCH_2}")
    set(architecture "${CMAKE_MATCH_3}")
    string(REPLACE "+" "%2B" purl_package "${package}")
    string(REPLACE "+" "%2B" purl_version "${version}")
    string(REPLACE ":" "%3A" purl_version "${purl_version}")
    set(purl ",
      \"externalRefs\": [{\"referenceCategory\": \"PACKAGE-MANAGER\", \"referenceType\": \"purl\", \"referenceLocator\": \"pkg:deb/debian/${purl_package}@${purl_version}?arch=${architecture}\"}]")
    set(purl "${purl},\n      \"sourceInfo\": \"package ${package}\"")
  endif()
  if(NOT version)
    set(version NOASSERTION)
  endif()
  file(SHA256 ${real} sum)
  get_filename_component(file_name ${real} NAME)
  json_text("${file_name}" file_name)
  string(APPEND packages ",
    {
      \"SPDXID\": \"SPDXRef-${id}\", \"name\": \"${name}\", \"versionInfo\": \"${version}\", \"packageFileName\": ${file_name},
      \"supplier\": \"NOASSERTION\", \"downloadLocation\": \"NOASSERTION\", \"filesAnalyzed\": false,
      \"licenseConcluded\": \"${licence}\", \"licenseDeclared\": \"${licence}\", \"copyrightText\": \"NOASSERTION\",
      \"checksums\": [{\"algorithm\": \"SHA256\", \"checksumValue\": \"${sum}\"}]${purl}
    }")
  set(how STATIC_LINK)
  if(place GREATER named)
    set(how DEPENDS_ON)
  elseif(real MATCHES "\\.so[.0-9]*$")
    set(how DYNAMIC_LINK)
  endif()
  string(APPEND relations ",
    {\"spdxElementId\": \"SPDXRef-voxgrad\", \"relatedSpdxElement\": \"SPDXRef-${id}\", \"relationshipType\": \"${how}\"}")
endforeach()
file(WRITE "${OUTPUT}" "{
  \"spdxVersion\": \"SPDX-2.3\",
  \"dataLicense\": \"CC0-1.0\",
  \"SPDXID\": \"SPDXRef-DOCUMENT\",
  \"name\": \"${program_name}-${VERSION}\",
  \"documentNamespace\": \"https://spdx.org/spdxdocs/${program_name}-${VERSION}-${short_sum}\",
  \"creationInfo\": {\"created\": \"${created}\", \"creators\": [\"Organization: The authors of voxgrad\", \"Tool: voxgrad-sbom.cmake\"]},
  \"hasExtractedLicensingInfos\": [
    {\"licenseId\": \"LicenseRef-public-domain\", \"extractedText\": \"nifti_clib: placed in the public domain by its authors\"},
    {\"licenseId\": \"LicenseRef-NVIDIA-CUDA-EULA\", \"extractedText\": \"NVIDIA CUDA Toolkit End User License Agreement: EULA.txt of the Toolkit\"}
  ],
  \"packages\": [
${packages}
  ],
  \"relationships\": [
${relations}
  ]
}
")
