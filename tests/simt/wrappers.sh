#!/usr/bin/env bash
# Breaks one PTX wrapper of kernels/cuda/ptx.h at a time. The executor cannot see it, it never runs PTX: the interpreter
# must. Given the build folder and nvcc. Prints found/planted; exits 0 when every broken wrapper was noticed.
build="$1"
nvcc="$2"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/include/kernels/cuda" "$work/ptx"
planted=0
found=0
bad=0
compile() { # ARCHITECTURE: with the wrappers in $work
  "$nvcc" -std=c++20 --expt-relaxed-constexpr -I"$work/include" -I. -arch="$1" -ptx tests/simt/planted.cu \
    -o "$work/ptx/planted.ptx" || { echo "nvcc does not compile it" && exit 1; }
}
runs_right() { # KERNEL [BUG]
  VOX_PTX="$work/ptx" timeout 60 "$build/vox_planted_ptx" "$1" "${2:-0}" >"$work/log" 2>&1
}
broken() { # WHAT ARCHITECTURE KERNEL SED_SCRIPT
  planted=$((planted + 1))
  sed -E "$4" kernels/cuda/ptx.h >"$work/include/kernels/cuda/ptx.h"
  if cmp -s kernels/cuda/ptx.h "$work/include/kernels/cuda/ptx.h"; then
    echo "$1: the change does not apply"
    bad=1
    return
  fi
  compile "$2"
  if runs_right "$3"; then
    echo "$1: MISSED by $3"
    bad=1
  else
    found=$((found + 1))
    echo "$1: $3: $(head -1 "$work/log")"
  fi
}
cp kernels/cuda/ptx.h "$work/include/kernels/cuda/ptx.h"
compile sm_90a
for kernel in gemm convolution tf32 reduce compact shared edge last_block ring; do
  if ! runs_right $kernel; then
    echo "$kernel is right, but: $(cat "$work/log")"
    bad=1
  fi
done
if runs_right shared 1; then
  echo "shared memory that is not asked for: MISSED"
  bad=1
fi
broken "operands 1 and 2 of A swapped" sm_80 convolution 's/"r"\(a\[1\]\), "r"\(a\[2\]\)/"r"(a[2]), "r"(a[1])/'
broken "operands of B swapped" sm_80 convolution 's/"r"\(b\[0\]\), "r"\(b\[1\]\)/"r"(b[1]), "r"(b[0])/'
broken "results of ldmatrix permuted" sm_80 convolution 's/\{%0,%1,%2,%3\}, \[%4\]/{%0,%2,%1,%3}, [%4]/'
broken "ldmatrix transposes" sm_80 convolution 's/m8n8\.x4\.shared/m8n8.x4.trans.shared/'
broken "cp.async forgets the size of the source" sm_80 convolution 's/\[%0\], \[%1\], 16, %2;/[%0], [%1], 16;/'
broken "wait_group waits for one group less" sm_80 convolution 's/"n"\(N\) : "memory"/"n"(N + 1) : "memory"/'
broken "results of tf32 mma swapped" sm_80 tf32 's/tf32\.tf32\.f32 \{%0,%1/tf32.tf32.f32 {%1,%0/'
broken "bulk copy to the wrong place" sm_90a ring 's/complete_tx::bytes \[%0\]/complete_tx::bytes [%0+16]/'
broken "arrival expects no bytes" sm_90a ring 's/arrive\.expect_tx\.shared::cta\.b64 s, \[%0\], %1/arrive.expect_tx.shared::cta.b64 s, [%0], 0/'
echo "found $found of $planted broken wrappers"
[ "$bad" = 0 ]
