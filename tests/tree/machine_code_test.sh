#!/usr/bin/env bash
# Reads the machine code of every kernel as ptxas makes it of the build's PTX, and holds it to tests/tree/machine_code.limits:
# registers, stack and spills, FP64, instructions per product of a tensor core, 16-byte loads and stores, thread blocks
# that a multiprocessor has room for. Prints a line per kernel.
#   machine_code_test.sh VOXGRAD BUILD
nvcc=$(command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null)
if [ -z "$nvcc" ]; then
  echo "skipped: no nvcc"
  exit 77
fi
ptxas=$(command -v ptxas || echo "$(dirname "$nvcc")/ptxas")
cuobjdump=$(command -v cuobjdump || ls "$(dirname "$nvcc")/cuobjdump" 2>/dev/null)
if [ -z "$cuobjdump" ]; then
  echo "skipped: no cuobjdump (of the CUDA Toolkit, or cuda-cuobjdump)"
  exit 77
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
  "$ptxas" -v -arch="$1" "$2" -o "$to.cubin" >"$to.report" 2>&1 && "$cuobjdump" -sass "$to.cubin" >"$to.sass" || {
    cat "$to.report"
    return 1
  }
}
export -f assemble
export ptxas cuobjdump folder

rc=0
for architecture in sm_80 sm_90a; do
  mkdir "$folder/$architecture"
  printf '%s\n' "$2/ptx/$architecture"/*.ptx | xargs -P "$(nproc)" -I{} bash -c "assemble $architecture {}" || exit 1
  names="$folder/$architecture/all.names"
  sed -n 's/^.*Function : //p' "$folder/$architecture"/*.sass >"$names.mangled"
  c++filt <"$names.mangled" | paste "$names.mangled" - >"$names"
  awk -v arch="$architecture" -f tests/tree/machine_code.awk tests/tree/machine_code.limits "$names" "$2/ptx/$architecture"/*.ptx \
    "$folder/$architecture"/*.report "$folder/$architecture"/*.sass || rc=1
done
exit "$rc"
