#!/usr/bin/env bash
# The whole job on made-up cases, on the CPU: cases, check, prepare, train, predict, evaluate, picture, in demo/.
# Run again, it does what has changed since and nothing else. It needs no data, no GPU and, after the build, a few
# minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
epochs=80
size=32 # edge of the network's cube in voxels
program=build/voxgrad
demo=demo
stamps="$demo/.stamps"

bash tools/setup.sh
cache=()
if command -v ccache >/dev/null; then cache=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi
export CCACHE_SLOPPINESS=pch_defines,time_macros # it keeps objects of precompiled headers, too
if [ ! -e build/build.ninja ]; then cmake -S . -B build -G Ninja "${cache[@]}"; fi
cmake --build build --target voxgrad
mkdir -p "$stamps"
before="$(sha256sum <"$program")" # what all steps so far were done with
started=$SECONDS

done_before() { # NAME KEY: was this step finished with the same commands and the same program?
  [ "$(cat "$stamps/$1" 2>/dev/null)" = "$2" ]
}

step() { # NAME ARGUMENT...: runs `voxgrad ARGUMENT...` unless nothing has changed since it last succeeded
  local name="$1" key
  shift
  key="$(echo "$before $name $*" | sha256sum)"
  before="$key"
  echo
  if done_before "$name" "$key"; then
    echo "== $name: nothing has changed"
    return
  fi
  echo "== voxgrad $*"
  # Of an interrupted training with these very settings the rest is done, of any other the whole.
  if [ "$name" = train ]; then
    if done_before train-started "$key" && [ -e "$demo/run/last.safetensors" ]; then set -- "$@" --resume; else
      rm -rf "$demo/run"
    fi
    echo "$key" >"$stamps/train-started"
  fi
  "$program" "$@"
  echo "$key" >"$stamps/$name"
}

make_splits() { # two cases of ten to validate on, in nnU-Net's form
  find "$demo/cases" -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | sort | awk '
    {id[NR] = "\"" $0 "\""}
    END {
      printf "[{\"train\": ["
      for (i = 1; i <= NR - 2; i++) printf "%s%s", (i > 1 ? ", " : ""), id[i]
      printf "], \"val\": [%s, %s]}]\n", id[NR - 1], id[NR]
    }' >"$demo/splits.json"
}

scores() { # summary.json: Dice and HD95 of the means, beside the baseline
  awk '
    /^  "[a-z_]+":/ {part = $1; gsub(/[":]/, "", part)}
    /^    "(WT|TC|ET)":/ {region = $1; gsub(/[":]/, "", region)}
    /^      "(dice|hd95)":/ {name = $1; gsub(/[":]/, "", name); value[part, region, name] = $2 + 0}
    END {
      printf "%-8s %8s %10s %24s\n", "region", "Dice", "HD95 mm", "Dice, all background"
      split("WT TC ET", regions)
      for (i = 1; i <= 3; i++)
        printf "%-8s %8.3f %10.1f %24.3f\n", regions[i], value["mean", regions[i], "dice"],
          value["mean", regions[i], "hd95"], value["baseline_all_background", regions[i], "dice"]
    }' "$1"
}

step synth synth -o "$demo/cases" --cases 10 --seed 1
step synth-test synth -o "$demo/test" --cases 2 --seed 2
step check check -i "$demo/cases"
step prepare prepare -i "$demo/cases" -o "$demo/cache" --recipe zscore --size "$size"
make_splits
step train train -i "$demo/cache" -o "$demo/run" --preset seed --size "$size" --batch 2 --epochs "$epochs" --lr 1e-3 --schedule cosine \
  --loss dice+focal --fold 0 --splits "$demo/splits.json" --seed 1
step predict predict -i "$demo/test" -o "$demo/segmentations" -m "$demo/run"
step evaluate evaluate -g "$demo/test" -p "$demo/segmentations" -o "$demo/summary.json" --csv "$demo/cases.csv"
for folder in "$demo"/test/*/; do
  id="$(basename "$folder")"
  step "overlay-$id" overlay -i "$folder" -s "$demo/segmentations/$id.nii.gz" \
    -g "$(find "$folder" -name '*seg.nii.gz' | head -n 1)" -o "$demo/$id.png"
done

echo
echo "== scores of the two test cases, which the training has not seen, and of a prediction of nothing"
scores "$demo/summary.json"
echo
echo "pictures  $(echo "$demo"/*.png)"
if [ -e "$demo/run/progress.png" ]; then echo "curves    $demo/run/progress.png"; fi
echo "page      $demo/run/report.html"
echo "took      $((SECONDS - started)) s after the build"
