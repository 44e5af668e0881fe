#!/usr/bin/env bash
# `bench` on the simt device at the smallest shapes that hold every kernel: each operator runs in both types, convolutions
# give the values of their definition, and benchmarks/output makes a page of the files. Times mean nothing there.
#   simt_bench_test.sh PROGRAM
set -euo pipefail
program="$1"
if ! command -v python3 >/dev/null; then
  echo "skipped: there is no python3"
  exit 77
fi
if [ ! -x "$(dirname "$program")/vox_bench" ]; then
  echo "skipped: a build without benchmarks"
  exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fail() {
  echo "bench on simt: $1"
  exit 1
}
bench() { "$program" bench "$@" --device simt --rounds 1; }
small=(--size 16 --widths 4,8,8,8,8 --batch 2)

bench kernel "${small[@]}" --dtype bf16,f32 --least-seconds 1e-6 --json "$folder/kernels.json" >"$folder/kernels.txt"
while read -r operator; do
  for type in bf16 f32; do
    grep -q "^| $operator  *| forward .* $type  *|" "$folder/kernels.txt" || fail "no line for $operator in $type"
  done
done < <(sed -n '/define VOX_OPS/,/^$/p' engine/ops.h | grep -o 'X([a-z0-9_]*)' | tr -d 'X()')
grep -q '"algorithm": "tensor_core"' "$folder/kernels.json" || fail "no tensor cores in bf16"
grep -q '"algorithm": "tiled"' "$folder/kernels.json" || fail "no tiles in f32"
if grep -q '"error"' "$folder/kernels.json"; then fail "something did not run"; fi
grep -q 'bf16 mma.sync' "$folder/kernels.txt" || fail "no ceilings of a GPU"

bench kernel "${small[@]}" --dtype bf16,f32 --op conv3d,conv3d_concat,conv_transpose3d --values --conv auto,direct >"$folder/values.txt"
[ "$(grep -c '| right ' "$folder/values.txt")" -ge 100 ] || fail "few values were compared: $(tail -1 "$folder/values.txt")"

bench step --size 16 --widths 4,4,8,8,8 --batch 2 --dtype bf16 --json "$folder/steps.json" >"$folder/steps.txt"
grep -q '"loss": [0-9]' "$folder/steps.json" || fail "a step without a loss"
bench step --size 16 --widths 4,4,4,4,4 --batch 2 --dtype f32 --graph on --json "$folder/graph.json" >"$folder/graph.txt"
grep -q '"graph_ms": [0-9]' "$folder/graph.json" || fail "a step that is no graph"
bench step --size 16 --widths 4,4,8,8,8 --batch 2 --dtype bf16 --nsight | grep -q '^- profiled: step 16^3, batch 2, bf16' ||
  fail "no step for a profiler"

printf 'gpu_check\na card\n' >"$folder/summary.txt"
python3 benchmarks/output/gpu_results.py "$folder" >"$folder/page.md"
grep -q '^| conv3d forward 4-8@8^3 | bf16 |' "$folder/page.md" || fail "no kernel on the page"
grep -q '^| step | bf16 | 2 |' "$folder/page.md" || fail "no step on the page"
grep -q '^| step as a graph | f32 | 2 |' "$folder/page.md" || fail "no graph on the page"
