#!/usr/bin/env bash
# Compiles the convolutions for GPUs and reads ptxas' report: registers, shared memory, stack frame and spills of every
# kernel. A stack frame or a spill fails: a sum that leaves the registers costs more than all else there is.
nvcc=$(command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null)
if [ -z "$nvcc" ]; then
  echo "skipped: no nvcc"
  exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

compile() { # ARCHITECTURE FILE: leaves the report in the folder; from the build's PTX, where it has that
  local name ptx source
  name=$(basename "$2" .cu)
  ptx="$build/ptx/$1/conv3d_$name.ptx"
  if [ "$ptx" -nt "$2" ]; then source=("$(dirname "$nvcc")/ptxas" -v "$ptx"); else
    source=("$nvcc" -std=c++20 --expt-relaxed-constexpr -I. -Xptxas -v -cubin "$2")
  fi
  "${source[@]}" -arch="$1" -o "$folder/$1.$name.cubin" >"$folder/$1.$name.report" 2>&1 || touch "$folder/$1.$name.failed"
}
export -f compile
build="$2"
export nvcc folder build

printf '%s\n' kernels/cuda/conv3d/*.cu | xargs -P "$(nproc)" -I{} bash -c 'compile sm_90a {}; compile sm_80 {}'
for failed in "$folder"/*.failed; do
  if [ ! -e "$failed" ]; then continue; fi
  cat "${failed%.failed}.report"
  exit 1
done

cat "$folder"/*.report | c++filt | awk '
  /Compiling entry function/ {
    split($0, quoted, "\x27")
    kernel = quoted[2]
    sub(/^void /, "", kernel)
    gsub(/(::)?vox::(gpu::)?/, "", kernel)
    sub(/\([^()]*\)$/, "", kernel)
    architecture = quoted[4]
  }
  /stack frame/ { stack = $1; spills = $5 + $9 }
  /Used [0-9]+ registers/ {
    match($0, /Used [0-9]+/)
    registers = substr($0, RSTART + 5, RLENGTH - 5)
    shared = match($0, /[0-9]+ bytes smem/) ? substr($0, RSTART, RLENGTH - 11) : 0
    printf "%-7s %4d registers %6d shared %4d stack %4d spilled  %s\n", architecture, registers, shared, stack, spills, kernel
    kernels++
    if (stack + spills > 0) bad++
  }
  END {
    printf "%d kernels, %d with a stack frame or spills (shared: without what a launch asks for)\n", kernels, bad
    exit kernels == 0 || bad > 0
  }'
