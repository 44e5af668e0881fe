#!/usr/bin/env bash
# Counts what the kernels of the network execute, in nvcc's PTX for Hopper: sectors of global memory, wavefronts of shared memory, warp
# instructions per tensor core product and per sector; and holds each kernel to tests/tree/counts.limits. Prints a line per kernel, the
# worst of its launches. The numbers of instructions hold for the compiler they were taken of, CUDA 13.0.
#   counts_test.sh VOXGRAD BUILD
counts="$2/vox_counts"
ptx="$2/ptx/sm_90a"
if [ ! -x "$counts" ] || [ ! -d "$ptx" ]; then
  echo "skipped: this build has no vox_counts (nvcc, VOX_SIMT_CHECKS, VOX_BENCHMARKS)"
  exit 77
fi
only=
if ! grep -q 'release 13\.0,' "$ptx/adam.ptx"; then
  only="load_sectors store_sectors copy_sectors shared_loads shared_stores matrix_loads copied"
  echo "not CUDA 13.0: checked are $only"
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
count() { # OPERATORS SHAPES OPTIONS...
  local operators="$1" shapes="$2"
  shift 2
  files=$((files + 1))
  "$counts" --ptx "$ptx" --op "$operators" --shape "$shapes" --dtype bf16,f32 --blocks 2 "$@" >"$folder/$files.csv" || exit 1
}
files=0
count conv3d '16-16@32^3,4-16@32^3,32-64@16^3,128-256@8^3,16-4@32^3k1,64-64@32^3' --blank
count conv3d_concat '16+16-16@32^3' --blank
count conv_transpose3d '32-16@32^3,128-64@8^3' --blank
count batch_norm_relu,batch_norm,max_pool3d,relu,dropout,cast '16@32^3'
count conv3d_instance_norm_relu '16-16@32^3'
count concat,add '16+16@32^3'
"$counts" --ptx "$ptx" --layers --op conv3d --pass grad-input --shape "16-16@32^3,128-128@8^3" --dtype bf16 --blocks 2 --blank >"$folder/layers.csv" || exit 1
count dice_focal_loss,dice_loss,focal_loss,cross_entropy,softmax '4@32^3'
count dice_bce_loss '3@32^3'
for update in adam sgd average; do "$counts" --ptx "$ptx" --update "$update" >"$folder/$update.csv" || exit 1; done
# What is known beforehand: 2^19 values of bf16, 8 to a thread, are 2048 requests of 16 sectors each way.
"$counts" --ptx "$ptx" --op relu --shape '16@32^3' --pass forward | awk -F, '
  NR == 1 { for (i = 1; i <= NF; ++i) { column[$i] = i } }
  NR == 2 && !/"/ { exit 1 }
  NR == 2 {
    sub(/"[^"]*"/, "kernel")
    n = split($0, cell, ",")
    right = n == length(column) && cell[column["global_load"]] == 2048 && cell[column["loads"]] == 2048 &&
      cell[column["loads_pieces"]] == 32768 && cell[column["stores"]] == 2048 && cell[column["stores_pieces"]] == 32768
  }
  END { exit NR != 2 || !right }' || { echo "relu is counted wrongly" && exit 1; }
awk -v only="$only" -f tests/tree/limits.awk -f tests/tree/counts.awk tests/tree/counts.limits "$folder"/*.csv
