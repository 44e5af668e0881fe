#!/usr/bin/env bash
# Without a GPU or without nvcc tools/gpu_check.sh says so at once, exits 77 and writes nothing.
if nvidia-smi -L >/dev/null 2>&1; then
  echo "skipped: there is a GPU"
  exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

check() { # MESSAGE: what it must say
  local said rc=0
  said=$(OUT="$folder/out" bash tools/gpu_check.sh 2>&1) || rc=$?
  if [ "$rc" -ne 77 ] || [ -e "$folder/out" ] || ! grep -q "$1" <<<"$said"; then
    echo "gpu_check: exit $rc, wants 77 and '$1': $said"
    exit 1
  fi
}

check "no NVIDIA GPU"
printf '#!/bin/sh\nexit 0\n' >"$folder/nvidia-smi"
chmod +x "$folder/nvidia-smi"
if ! command -v nvcc >/dev/null && [ ! -x /usr/local/cuda/bin/nvcc ]; then
  PATH="$folder:$PATH" check "no nvcc"
fi
