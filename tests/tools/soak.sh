#!/usr/bin/env bash
# Trains and predicts for long and watches resident memory, descriptors and threads: they must not grow.
#   tests/tools/soak.sh PROGRAM [--steps N] [--predictions M] [--every K] [--log FILE]     5000, 2000, 100, none
# A training on cases of 16^3 with every augmentation, then one program that predicts M cases. A line every K steps or cases
# goes to the log: what was done, resident KiB, descriptors, threads. After the first fifth, while buffers find their
# sizes, a line is fitted to resident memory; over all of the run it may rise by 512 KiB, and
# 64 bytes a step with 2.5 KiB an epoch of three steps, which a run keeps for its curves, or 1 KiB a case. In the mean of the last half there may be one
# descriptor and half a thread more than in that of the first: a file is open at one sample and not at the next.
program="$(realpath "$1")"
shift
steps=5000
predictions=2000
every=100
log=/dev/null
while [ $# -gt 1 ]; do
  case "$1" in
    --steps) steps="$2" ;;
    --predictions) predictions="$2" ;;
    --every) every="$2" ;;
    --log) log="$(realpath -m "$2")" ;;
    *) echo "soak: $1 is no option" && exit 2 ;;
  esac
  shift 2
done
work="$(mktemp -d)"
trap 'kill -9 $process 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1
bad=0

watch() { # NAME BYTES_EACH COMMAND_THAT_COUNTS: $process until it ends
  local at=0 done_now resident descriptors threads
  : >samples
  while kill -0 "$process" 2>/dev/null; do
    done_now="$(eval "$3" 2>/dev/null)"
    done_now="${done_now:-0}"
    if [ "$done_now" -ge "$at" ] && [ "$done_now" -gt 0 ]; then
      resident="$(awk '/^VmRSS/ {print $2}' "/proc/$process/status" 2>/dev/null)"
      threads="$(awk '/^Threads/ {print $2}' "/proc/$process/status" 2>/dev/null)"
      descriptors="$(ls "/proc/$process/fd" 2>/dev/null | wc -l)"
      if [ -n "$resident" ] && [ "$descriptors" -gt 0 ]; then
        echo "$1 $done_now $resident $descriptors $threads" | tee -a "$log" >>samples
        at=$((done_now + every))
      fi
    fi
    sleep 0.05
  done
  wait "$process"
  local code=$?
  if [ $code != 0 ]; then
    echo "$1: exit $code: $(tail -n 3 err)"
    bad=1
    return
  fi
  awk -v name="$1" -v each="$2" '
    { at[NR] = $2; rss[NR] = $3; fd[NR] = $4; threads[NR] = $5 }
    END {
      if (NR < 5) { print name ": only " NR " samples"; exit 1 }
      first = int(NR / 5) + 1; half = int(NR / 2)
      for (i = first; i <= NR; i++) { n++; x += at[i]; y += rss[i] }
      x /= n; y /= n
      for (i = first; i <= NR; i++) { xx += (at[i] - x) ^ 2; xy += (at[i] - x) * (rss[i] - y) }
      slope = xx > 0 ? xy / xx : 0
      rise = slope * (at[NR] - at[first]); may = 512 + each * at[NR] / 1024
      for (i = 1; i <= NR; i++) {
        if (i <= half) { f0 += fd[i] / half; t0 += threads[i] / half }
        else { f1 += fd[i] / (NR - half); t1 += threads[i] / (NR - half) }
      }
      printf "%s: %d done, %d samples: resident %d to %d KiB, fitted rise %.0f of at most %.0f KiB; descriptors %.1f then %.1f, threads %.1f then %.1f\n",
        name, at[NR], NR, rss[first], rss[NR], rise, may, f0, f1, t0, t1
      exit rise > may || f1 > f0 + 1 || t1 > t0 + 0.5
    }' samples || bad=1
}

"$program" synth -o raw --cases 9 --seed 5 --size 20 20 20 --threads 1 >/dev/null 2>err &&
  "$program" prepare -i raw -o cache --recipe zscore --size 16 --threads 1 >/dev/null 2>err || {
  cat err
  exit 1
}
# 6 cases to train, two at a time: three steps an epoch.
"$program" train -i cache -o run --widths 2 2 2 --batch 2 --folds 3 --augment all --epochs $(((steps + 2) / 3)) --validate-every 50 --lr 1e-3 \
  --threads 2 --loader-threads 2 --report off >/dev/null 2>err &
process=$!
watch steps 920 "grep -c '\"type\":\"step\"' run/log.jsonl"

# So many cases: links to the nine.
mkdir many
n=0
while [ $n -lt "$predictions" ]; do
  for case in raw/*/; do
    id="$(basename "$case")"
    name="$(printf 'Case_%05d' $n)"
    mkdir "many/$name"
    for file in "$case"*; do
      link="$(basename "$file")"
      ln "$file" "many/$name/${link/$id/$name}"
    done
    n=$((n + 1))
    [ $n -lt "$predictions" ] || break
  done
done
"$program" predict --model run/last.safetensors -i many -o masks --threads 2 >/dev/null 2>err &
process=$!
watch predictions 1024 "ls masks | wc -l"
exit $bad
