#!/usr/bin/env bash
# Reads the machine code of every kernel as ptxas makes it of the build's PTX, and holds it to tests/tree/machine_code.limits:
# registers, stack and spills, FP64, instructions per product of a tensor core, 16-byte loads and stores, thread blocks
# that a multiprocessor has room for. Prints a line per kernel. Without cuobjdump (of the CUDA Toolkit, or PyPI's
# nvidia-cuda-cuobjdump) ptxas' reports alone are read; the counts hold for the compiler they were taken of, CUDA 13.0, and
# of another's code only stack, spills and local memory are checked.
#   machine_code_test.sh VOXGRAD BUILD
nvcc=$(command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null)
if [ -z "$nvcc" ]; then
  echo "skipped: no nvcc"
  exit 77
fi
ptxas=$(command -v ptxas || echo "$(dirname "$nvcc")/ptxas")
cuobjdump=$(command -v cuobjdump || ls "$(dirname "$nvcc")/cuobjdump" 2>/dev/null)
if [ -z "$cuobjdump" ]; then echo "no cuobjdump: instructions are not read"; fi
only=
if ! "$nvcc" --version | grep -q 'release 13\.0,'; then
  only="stack spilled local"
  echo "not CUDA 13.0: checked are $only"
fi
if [ ! -d "$2/ptx" ]; then
  echo "skipped: this build made no PTX (VOX_SIMT_CHECKS)"
  exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

assemble() { # ARCHITECTURE PTX
  local to
  to="$folder/$1/$(basename "$2" .ptx)"
  if ! "$ptxas" -v -arch="$1" "$2" -o "$to.cubin" >"$to.report" 2>&1; then
    cat "$to.report"
    return 1
  fi
  if [ -z "$cuobjdump" ]; then : >"$to.sass"; else "$cuobjdump" -sass "$to.cubin" >"$to.sass"; fi
}
export -f assemble
export ptxas cuobjdump folder

rc=0
for architecture in sm_80 sm_90a; do
  mkdir "$folder/$architecture"
  printf '%s\n' "$2/ptx/$architecture"/*.ptx | xargs -P "$(nproc)" -I{} bash -c "assemble $architecture {}" || exit 1
  names="$folder/$architecture/all.names"
  sed -n "s/^.*Compiling entry function '\([^']*\)'.*/\1/p" "$folder/$architecture"/*.report >"$names.mangled"
  c++filt <"$names.mangled" | paste "$names.mangled" - >"$names"
  awk -v arch="$architecture" -v only="$only" -f tests/tree/limits.awk -f tests/tree/machine_code.awk tests/tree/machine_code.limits "$names" "$2/ptx/$architecture"/*.ptx \
    "$folder/$architecture"/*.report "$folder/$architecture"/*.sass || rc=1
done
exit "$rc"
