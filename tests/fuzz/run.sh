#!/usr/bin/env bash
# Fuzzes readers of files with libFuzzer, AddressSanitizer and UBSan, target after target, and prints a table.
#   tests/fuzz/run.sh [--seconds S | --runs N] [--build FOLDER] [--corpus FOLDER] [TARGET...]
#       S: 60 of each by default. FOLDER: build-fuzz (cmake --preset fuzz; cmake --build --preset fuzz). What is found
#       stays in CORPUS/TARGET (build-fuzz/corpus), inputs that ended the program in CORPUS/findings/TARGET-*: exit 1.
# A finding is mended, and becomes a file of tests/fuzz/seeds/TARGET.
set -u
cd "$(dirname "$0")/../.." || exit 2
limit=(-max_total_time=60)
build=build-fuzz
corpus=
targets=()
while [ $# -gt 0 ]; do
  case "$1" in
    --seconds) limit=("-max_total_time=$2") && shift ;;
    --runs) limit=("-runs=$2") && shift ;;
    --build) build=$2 && shift ;;
    --corpus) corpus=$2 && shift ;;
    -*) sed -n '2,7s/^# \?//p' "$0" && exit 2 ;;
    *) targets+=("$1") ;;
  esac
  shift
done
corpus=${corpus:-$build/corpus}
if [ ! -x "$build/vox_fuzz" ]; then
  echo "run.sh: no $build/vox_fuzz: cmake --preset fuzz; cmake --build --preset fuzz" >&2
  exit 2
fi
if [ ${#targets[@]} -eq 0 ]; then
  for folder in tests/fuzz/seeds/*/; do targets+=("$(basename "$folder")"); done
fi
mkdir -p "$corpus/findings"
export LSAN_OPTIONS=suppressions=$PWD/tests/support/leaks.supp:print_suppressions=0
found=0
printf '%-16s %12s %8s %8s %10s %s\n' target executions seconds edges 'peak MiB' result
for target in "${targets[@]}"; do
  mkdir -p "$corpus/$target"
  dictionary=()
  if [ -f "tests/fuzz/dictionaries/$target.dict" ]; then dictionary=("-dict=tests/fuzz/dictionaries/$target.dict"); fi
  # Of Keras' files those of the tests too. Where they are damaged, HDF5's own library leaks, and asks for as much memory
  # as they say, which it is refused.
  more=()
  null=0
  if [ "$target" = keras ]; then more=(-detect_leaks=0 -malloc_limit_mb=0 -max_len=131072 tests/golden/keras_import) && null=1; fi
  log=$corpus/$target.log
  start=$SECONDS
  # A file of at most 64 KiB must not make a reader ask for 256 MiB at once, hold 2 GiB or take 20 seconds.
  if ASAN_OPTIONS=allocator_may_return_null=$null VOXGRAD_FUZZ_TARGET=$target "$build/vox_fuzz" "${limit[@]}" -max_len=65536 -malloc_limit_mb=256 -rss_limit_mb=2048 -timeout=20 \
    -print_final_stats=1 -artifact_prefix="$corpus/findings/$target-" "${dictionary[@]}" "$corpus/$target" "tests/fuzz/seeds/$target" "${more[@]}" \
    >"$log" 2>&1; then
    result=fine
  else
    result="FINDING: $log"
    found=1
  fi
  value() { sed -n "s/^stat::$1: *//p" "$log"; }
  edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -1)
  printf '%-16s %12s %8s %8s %10s %s\n' "$target" "$(value number_of_executed_units)" $((SECONDS - start)) "${edges:-?}" "$(value peak_rss_mb)" "$result"
done
exit $found
