#!/usr/bin/env bash
# In a build with CUDA every kernel is there twice, from nvcc and from the host compiler for the simt device. A name that
# both define would make the linker keep one body for both, and a launch on the GPU would run the other on the CPU.
library="$2/libvox.a"
objects=$(ar t "$library" | grep -E '\.cu\.o$')
if [ -z "$objects" ]; then
  echo "skipped: built without CUDA"
  exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
defined() { # REGEX: what the matching objects define for others to see
  nm -A --defined-only "$library" 2>/dev/null | grep -E "$1" | awk '$(NF-1) ~ /^[TWVuBDR]$/ { print $NF }' | sort -u
}
defined '[a-z0-9]\.cu\.o:' >"$folder/nvcc"
defined '\.cu\.cpp\.o:' >"$folder/host"
# DW.ref.…: the compiler's pointer to the routine that unwinds exceptions, the same in both
both=$(comm -12 "$folder/nvcc" "$folder/host" | c++filt | grep -vE '^(std::|fmt::|__gnu_cxx::|DW\.ref\.__gxx_personality_v0$)')
if [ ! -s "$folder/host" ] || [ -n "$both" ]; then
  echo "defined by nvcc and for the simt device: ${both:-nothing, but the simt kernels were not found}"
  exit 1
fi
