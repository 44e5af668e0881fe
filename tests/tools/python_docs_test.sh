#!/usr/bin/env bash
# The Python blocks of docs/python.md run as they stand, on files that the program has just written.
program="$1"
python=build/python/bin/python
if [ ! -x "$python" ]; then python="${VOXGRAD_TEST_PYTHON:-}"; fi
if [ -z "$python" ] || ! "$python" -c 'import nibabel, numpy, safetensors' 2>/dev/null; then
  echo "skipped: no Python with nibabel, numpy and safetensors (build/python, VOXGRAD_TEST_PYTHON)"
  exit 77
fi
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
set -e
"$program" synth -o "$work/cases" --cases 3 --size 32,32,24 >/dev/null 2>&1
"$program" prepare -i "$work/cases" -o "$work/CACHE" --recipe seed --size 16 >/dev/null 2>&1
"$program" train -i "$work/CACHE" -o "$work/RUN" --epochs 1 --folds 3 --widths 4 4 4 4 4 >/dev/null 2>&1
"$program" predict -i "$work/cases" -o "$work/OUT" -m "$work/RUN" >/dev/null 2>&1
set +e
awk -v out="$work/block" '/^```python/ { n++; on = 1; next } /^```/ { on = 0 } on { print > (out n ".py") }' docs/python.md
count=0
cd "$work" || exit 1
python="$(case "$python" in /*) echo "$python" ;; *) echo "$OLDPWD/$python" ;; esac)"
for block in block*.py; do
  lines="$(grep -c . "$block")"
  if [ "$lines" -gt 3 ]; then
    echo "$block has $lines lines; a file should open in three"
    exit 1
  fi
  if ! printed="$("$python" "$block" 2>&1)" || [ -z "$printed" ]; then
    echo "$block of docs/python.md failed or printed nothing: $printed"
    exit 1
  fi
  echo "${printed:0:200}"
  count=$((count + 1))
done
if [ "$count" -lt 5 ]; then
  echo "docs/python.md has $count blocks of Python"
  exit 1
fi
# What the page says of the files: shapes, types and labels.
"$python" - <<'END'
import nibabel, numpy
from safetensors.numpy import load_file
case = load_file("CACHE/Synth_001.safetensors")
assert case["image"].shape == (4, 16, 16, 16) and case["image"].dtype == numpy.float32, case["image"].shape
assert set(numpy.unique(case["label"])) <= {0, 1, 2, 3}
labels = nibabel.load("OUT/Synth_001.nii.gz")
image = nibabel.load("cases/Synth_001/Synth_001_t1.nii.gz")
assert labels.shape == image.shape and numpy.array_equal(labels.affine, image.affine)
assert set(numpy.unique(labels.get_fdata())) <= {0, 1, 2, 4}
END
