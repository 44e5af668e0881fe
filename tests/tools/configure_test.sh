#!/usr/bin/env bash
# CMake refuses what voxgrad cannot be built for or with, and says what it wants.
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
mkdir "$work/old"
echo 'set(CMAKE_CXX_BYTE_ORDER BIG_ENDIAN)' >"$work/big.cmake"
echo 'set(PACKAGE_VERSION 8.1.1)
set(PACKAGE_VERSION_COMPATIBLE TRUE)' >"$work/old/fmt-config-version.cmake"
touch "$work/old/fmt-config.cmake"
bad=0
refuses() { # WHAT TEXT OPTION...
  local what="$1" text="$2" said
  shift 2
  if said="$(cmake -S . -B "$work/$what" -G Ninja -DCMAKE_C_COMPILER_WORKS=1 -DCMAKE_CXX_COMPILER_WORKS=1 -DVOX_TOOLS=OFF -DVOX_TESTS=OFF \
    -DVOX_BENCHMARKS=OFF -DVOX_CUDA=OFF "$@" 2>&1)"; then
    echo "$what: is configured"
    bad=1
  elif ! tr -s ' \n' ' ' <<<"$said" | grep -qF -- "$text"; then
    echo "$what: does not say '$text': $said"
    bad=1
  fi
}
refuses big-endian 'is big-endian: voxgrad reads and writes' "-DCMAKE_PROJECT_INCLUDE=$work/big.cmake"
refuses old-fmt 'fmt is of version 8.1.1, wants 9.1 or later: on Debian and Ubuntu libfmt-dev' "-Dfmt_DIR=$work/old"
exit $bad
