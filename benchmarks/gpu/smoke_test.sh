#!/usr/bin/env bash
# Runs both GPU benchmarks on the simt device at the smallest shapes that hold every kernel, and looks at what they say.
#   smoke_test.sh VOX_GPU_BENCH VOX_STEP_BENCH
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fail() {
  echo "gpu benchmarks: $1"
  exit 1
}

"$1" --device simt --size 8 --widths 4,8,8,8,8 --batch 1,2 --rounds 1 --json "$folder/all.json" >"$folder/all.txt"
kernels='conv forward|conv grad input|conv grad weight|up forward|up grad input|up grad weight|head forward|head grad input
batch_norm statistics|batch_norm forward|batch_norm backward|relu forward|relu backward|dropout|max_pool forward
max_pool backward|concat forward|concat backward|dice_focal_loss forward|dice_focal_loss backward|softmax forward|softmax backward|dice_loss forward|dice_loss backward|focal_loss forward
focal_loss backward|cross_entropy forward|cross_entropy backward|adam squares|adam step|head grad weight'
while IFS= read -r kernel; do
  grep -q "^$kernel " "$folder/all.txt" || fail "no line for '$kernel'"
  grep -q "\"kernel\": \"$kernel\"" "$folder/all.json" || fail "no '$kernel' in the JSON"
done < <(tr '|' '\n' <<<"$kernels")
if grep -E 'failed:|does not fit|"error"|nan|null' "$folder"/all.*; then fail "something did not run"; fi
grep -q '"algorithm": "tensor_core"' "$folder/all.json" || fail "no tensor cores in bf16"
grep -q '"algorithm": "tiled"' "$folder/all.json" || fail "no tiles in f32"

rc=0
"$1" --device simt --size 8 --only "no such kernel" >"$folder/none.txt" 2>&1 || rc=$?
[ "$rc" -eq 2 ] || fail "an empty selection exits $rc, not 2"
rc=0
"$1" --device cpu >"$folder/cpu.txt" 2>&1 || rc=$?
[ "$rc" -eq 2 ] || fail "the device cpu exits $rc, not 2"

printf 'train 1\ninfer 1\nquit\n' |
  "$2" --device simt --size 16 --batch 2 --widths 4,4,8,8,8 --dtype bf16 --serve >"$folder/step.txt"
[ "$(grep -c '"ms":\[' "$folder/step.txt")" -eq 2 ] || fail "the step program did not answer twice"
grep -q '"device":"simt' "$folder/step.txt" || fail "the step program does not name its device"
wc -l <"$folder/all.txt"
