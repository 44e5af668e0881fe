#!/usr/bin/env bash
# Fuzzes readers of files with libFuzzer, AddressSanitizer and UBSan, target after target, and prints a table.
#   tests/fuzz/run.sh [--seconds S | --runs N] [--goal N,S] [--max-len BYTES] [--build FOLDER] [--corpus FOLDER] [TARGET...]
#       S: 60 of each by default. FOLDER: build-fuzz (cmake --preset fuzz; cmake --build --preset fuzz). What is found
#       stays in CORPUS/TARGET (build-fuzz/corpus), inputs that ended the program in CORPUS/findings/TARGET-*: exit 1.
#       Without --max-len every target has a length of its own (tests/fuzz/target.cpp).
#       --goal: goes on, --seconds at a time, with every target until all its runs together have N executions or S
#       seconds of processor time without a finding; a target with a finding is left, the others go on.
#   tests/fuzz/run.sh --coverage [--build FOLDER] [--corpus FOLDER] [TARGET...]
#       replays corpora and seeds, and tells what of the readers they reach (tests/fuzz/coverage.py). FOLDER is
#       build-fuzz-coverage (cmake --preset fuzz-coverage; cmake --build --preset fuzz-coverage): its vox_fuzz counts lines.
#   tests/fuzz/run.sh --total [--corpus FOLDER] [TARGET...]
#       what all runs together came to: each adds a line to CORPUS/runs.tsv when it ends. Runs of other machines are in
#       benchmarks/results/fuzzing.tsv, and count as well: time, target, executions, seconds, edges, MiB, result, processor seconds.
# A finding is mended, and becomes a file of tests/fuzz/seeds/TARGET; what ran before the mend counts no more: remove its lines.
set -u
cd "$(dirname "$0")/../.." || exit 2
seconds=60
runs=-1
goal=
length=()
build=
corpus=
total=
coverage=
targets=()
while [ $# -gt 0 ]; do
  case "$1" in
    --seconds) seconds=$2 && shift ;;
    --runs) runs=$2 && seconds=0 && shift ;;
    --goal) goal=$2 && shift ;;
    --max-len) length=("-max_len=$2") && shift ;;
    --build) build=$2 && shift ;;
    --corpus) corpus=$2 && shift ;;
    --total) total=1 ;;
    --coverage) coverage=1 ;;
    -*) sed -n '2,17s/^# \?//p' "$0" && exit 2 ;;
    *) targets+=("$1") ;;
  esac
  shift
done
corpus=${corpus:-${build:-build-fuzz}/corpus}
preset=fuzz${coverage:+-coverage}
build=${build:-build-$preset}
ledger=$corpus/runs.tsv
others=benchmarks/results/fuzzing.tsv
if [ ${#targets[@]} -eq 0 ]; then
  for folder in tests/fuzz/seeds/*/; do targets+=("$(basename "$folder")"); done
fi

# Of all runs of a target: executions, processor seconds, runs, findings, the edges of the last, the most MiB.
sums() { # TARGET
  awk -F'\t' -v t="$1" '$2 == t { n += $3; s += $8; r++; if ($7 != "fine") f++; e = $5; if ($6 + 0 > m) m = $6 + 0 }
    END { printf "%d %d %d %d %s %d", n, s, r, f, e == "" ? "-" : e, m }' <(cat "$others" "$ledger" 2>/dev/null)
}
if [ -n "$total" ]; then
  printf '| %s | %s | %s | %s | %s | %s |\n' target executions 'processor hours' edges 'peak MiB' findings --- --- --- --- --- ---
  for target in "${targets[@]}"; do
    read -r n s _ f e m < <(sums "$target")
    printf "| %s | %'d | %s | %s | %s | %s |\n" "$target" "$n" "$(awk -v s="$s" 'BEGIN { printf "%.2f", s / 3600 }')" "$e" "$m" "$f"
  done
  exit 0
fi

if [ ! -x "$build/vox_fuzz" ]; then
  echo "run.sh: no $build/vox_fuzz: cmake --preset $preset; cmake --build --preset $preset" >&2
  exit 2
fi
mkdir -p "$corpus/findings"
# Freed memory is kept from use for 16 MiB, not 256: a reader's inputs are short, and what stays in the caches is faster.
export ASAN_OPTIONS=quarantine_size_mb=16:malloc_context_size=3
export LSAN_OPTIONS=suppressions=$PWD/tests/support/leaks.supp:print_suppressions=0
found=0

if [ -n "$coverage" ]; then
  profiles=()
  for target in "${targets[@]}"; do
    folders=("tests/fuzz/seeds/$target")
    if [ "$target" = keras ]; then # what was found crashes HDF5's library
      folders+=(tests/golden/keras_import)
    elif [ -d "$corpus/$target" ]; then
      folders+=("$corpus/$target")
    fi
    LLVM_PROFILE_FILE=$corpus/$target.profraw VOXGRAD_FUZZ_TARGET=$target \
      "$build/vox_fuzz" -runs=0 -max_len=131072 -malloc_limit_mb=1000000 "${folders[@]}" >"$corpus/$target.coverage" 2>&1 ||
      echo "run.sh: $target ended early: $corpus/$target.coverage" >&2
    profiles+=("$corpus/$target.profraw")
  done
  exec python3 tests/fuzz/coverage.py "$build/vox_fuzz" "${profiles[@]}"
fi

processor_seconds() { # of the children that have ended; in this shell, so the result is in $processor
  times >"$corpus/times"
  processor=$(tail -1 "$corpus/times" | sed 's/[ms]/ /g' | awk '{ printf "%.0f", 60 * ($1 + $3) + $2 + $4 }')
}

fuzz() { # TARGET: a run, its line in the table and in the ledger; fails where it ended with a finding
  local target=$1 dictionary=() more=() other='' log=$corpus/$1.log result=fine start=$SECONDS executions edges peak before input
  mkdir -p "$corpus/$target"
  if [ -f "tests/fuzz/dictionaries/$target.dict" ]; then dictionary=("-dict=tests/fuzz/dictionaries/$target.dict"); fi
  # Of Keras' files those of the tests too. Where they are damaged, HDF5's own library leaks, and asks for as much memory
  # as they say, which it is refused.
  if [ "$target" = keras ]; then more=(-malloc_limit_mb=1000000 tests/golden/keras_import) && other=:detect_leaks=0:allocator_may_return_null=1; fi
  processor_seconds
  before=$processor
  # A file must not make a reader ask for 256 MiB at once, hold 2 GiB or take 20 seconds.
  ASAN_OPTIONS=$ASAN_OPTIONS$other VOXGRAD_FUZZ_TARGET=$target "$build/vox_fuzz" \
    "-max_total_time=$seconds" "-runs=$runs" -reload=0 -malloc_limit_mb=256 -rss_limit_mb=2048 -timeout=20 -print_final_stats=1 \
    "${length[@]}" -artifact_prefix="$corpus/findings/$target-" "${dictionary[@]}" "$corpus/$target" "tests/fuzz/seeds/$target" \
    "${more[@]}" >"$log" 2>&1 || result=FINDING
  # The 20 seconds are the wall's: where others had the processor, an input that is fast alone is no finding.
  input=$(sed -n 's/.*Test unit written to //p' "$log" | tail -1)
  if [ $result = FINDING ] && grep -q '^SUMMARY: libFuzzer: timeout' "$log" &&
    ASAN_OPTIONS=$ASAN_OPTIONS$other VOXGRAD_FUZZ_TARGET=$target "$build/vox_fuzz" -timeout=20 "$input" >>"$log" 2>&1; then
    result=fine
    rm -f "$input"
  fi
  processor_seconds
  executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -1)
  peak=$(sed -n 's/^stat::peak_rss_mb: *//p' "$log" | tail -1)
  edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -1)
  printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$(date -u +%FT%TZ)" "$target" "${executions:-0}" $((SECONDS - start)) "${edges:--}" "${peak:-0}" \
    "$result" $((processor - before)) >>"$ledger"
  if [ $result != fine ]; then result="FINDING: $log"; fi
  printf '%-16s %12s %8s %8s %8s %10s %s\n' "$target" "$executions" $((SECONDS - start)) $((processor - before)) "${edges:-?}" "$peak" "$result"
  [ "$result" = fine ]
}

printf '%-16s %12s %8s %8s %8s %10s %s\n' target executions seconds 'of CPU' edges 'peak MiB' result
if [ -z "$goal" ]; then
  for target in "${targets[@]}"; do fuzz "$target" || found=1; done
  exit $found
fi
declare -A left=()
while [ ${#left[@]} -lt ${#targets[@]} ]; do
  for target in "${targets[@]}"; do
    [ -n "${left[$target]:-}" ] && continue
    read -r n s _ f _ < <(sums "$target")
    if [ "$f" -gt 0 ]; then
      left[$target]=finding
    elif [ "$n" -ge "${goal%,*}" ] || [ "$s" -ge "${goal#*,}" ]; then
      left[$target]=reached
    else
      fuzz "$target" || { left[$target]=finding && found=1; }
    fi
  done
done
exit $found
