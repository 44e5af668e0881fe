#!/usr/bin/env bash
# prepare, predict and evaluate on several ranks write and print what one process does, byte for byte: with a broken case
# among the cases, with more ranks than cases, and where a rank has none. Other verbs refuse.
. tests/support/mpirun.sh "$1"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
bad=0
fail() {
  echo "$*"
  bad=1
}
same() { # WHAT A B: files or folders
  diff -r "$2" "$3" >diff.txt || fail "$1: $(head -n 5 diff.txt)"
}
"$program" synth -o cases --cases 4 --seed 3 --size 32 32 32 --threads 1 >/dev/null 2>&1 || exit 1
"$program" prepare -i cases -o cache --recipe zscore --size 16 --threads 1 >/dev/null 2>&1 || exit 1
"$program" train -i cache -o run --widths 2 2 2 --folds 2 --epochs 1 --steps-per-epoch 2 --batch 1 --threads 1 --report off \
  >/dev/null 2>&1 || exit 1
broken="$(find cases/Synth_002 -name '*_t1.nii.gz')"
head -c 500 "$broken" >cut && mv cut "$broken" # case 2 of 4 cannot be read

# Without the times that the JSON of prepare has, and without where they were written.
prepare=(prepare -i cases --recipe native --threads 1 --json)
predict=(predict -i cases -m run --threads 1)
evaluate=(evaluate --threads 1 --as brats2020,brats2023-gli)
jobs() { # RANKS: all verbs into a folder of its own
  local to="ranks$1" run=() code
  mkdir -p "$to"
  if [ "$1" != 1 ]; then run=(on_ranks "$1"); fi
  "${run[@]}" "$program" "${prepare[@]}" -o "$to/cache" 2>"$to/prepare.err" | sed "s|$to/||; s/\"seconds\": .*//" >"$to/prepare.json"
  code="${PIPESTATUS[0]}"
  [ "$code" = 3 ] || fail "prepare on $1: exit $code, wants 3"
  "${run[@]}" "$program" "${predict[@]}" -o "$to/predicted" --save-probabilities 2>"$to/predict.err" | sed "s|$to/||" >"$to/predict.txt"
  code="${PIPESTATUS[0]}"
  [ "$code" = 3 ] || fail "predict on $1: exit $code, wants 3"
  grep -q 'not segmented' "$to/predict.err" || fail "predict on $1 does not say what was not segmented: $(cat "$to/predict.err")"
  [ "$(grep -c 'Synth_002: BT-' "$to/predict.err")" = 1 ] || fail "predict on $1 does not name the broken case once: $(cat "$to/predict.err")"
  "${run[@]}" "$program" "${evaluate[@]}" -g cases -p "$to/predicted" --allow-missing -o "$to/scores.json" --csv "$to/scores.csv" \
    --report "$to/scores.html" 2>"$to/evaluate.err" | sed "s|$to/||" >"$to/evaluate.txt"
  code="${PIPESTATUS[0]}"
  [ "$code" = 0 ] || fail "evaluate on $1: exit $code: $(cat "$to/evaluate.err")"
  for file in predict.txt scores.json scores.csv evaluate.txt predicted/Synth_003.nii.gz cache/Synth_001.safetensors; do
    [ -s "$to/$file" ] || fail "$1 ranks: no $file"
  done
}
jobs 1
[ "$(find ranks1/cache ranks1/predicted -name 'Synth*' | wc -l)" = 18 ] || fail "of 4 cases 3 are right: $(find ranks1/cache ranks1/predicted)"
grep -q '"failed": 1' ranks1/prepare.json || fail "prepare has not failed for one case: $(cat ranks1/prepare.json)"
for ranks in 2 3 5; do
  jobs $ranks
  rm -f ranks"$ranks"/*.err
  sed -i "s|ranks$ranks/predicted|ranks1/predicted|g" "ranks$ranks/scores.html"
  for what in prepare.json cache predicted predict.txt scores.json scores.csv scores.html evaluate.txt; do
    same "$what of $ranks ranks" "ranks1/$what" "ranks$ranks/$what"
  done
done

# What is there is left as it is, and a case that is not below the input any more is named once.
rm -r cases/Synth_004
on_ranks 3 "$program" prepare -i cases -o ranks3/cache --recipe native --threads 1 >again.txt 2>/dev/null
grep -q '0 prepared, 2 up to date, 0 left out, 1 failed' again.txt || fail "prepared again: $(cat again.txt)"
[ "$(grep -c 'Synth_004.safetensors' again.txt)" = 1 ] || fail "a case that is gone: $(cat again.txt)"

# A truth that cannot be read ends evaluate with one message for all ranks.
printf x >ranks1/predicted/Synth_003.nii.gz
on_ranks 2 "$program" evaluate -g cases -p ranks1/predicted --allow-missing --threads 1 >refused.txt 2>refused.err
[ $? = 3 ] || fail "evaluate of a broken prediction: exit $?"
[ "$(grep -c 'of .* cases cannot be scored' refused.err)" = 1 ] || fail "evaluate of a broken prediction: $(cat refused.err)"
[ ! -s refused.txt ] || fail "evaluate of a broken prediction prints $(cat refused.txt)"

# What stops one rank stops all, with its message: here rank 0 cannot have the folder.
exec 9<>ranks3/cache/.lock
flock 9
on_ranks 3 "$program" prepare -i cases -o ranks3/cache --recipe native --threads 1 >/dev/null 2>locked.err
[ $? = 2 ] || fail "prepare of a folder that is taken: exit $?"
[ "$(grep -c 'is being written to by another program' locked.err)" = 1 ] || fail "prepare of a folder that is taken: $(cat locked.err)"
exec 9>&-

# Ranks that find other cases say so, and write nothing.
mkdir here0 here1
cp -r cases here0 && cp -r cases here1 && rm -r here1/cases/Synth_003
# shellcheck disable=SC2016
on_ranks 2 sh -c 'cd "here${OMPI_COMM_WORLD_RANK:-${PMIX_RANK:-$PMI_RANK}}" && exec "$0" prepare -i cases -o ../none --threads 1' \
  "$program" >/dev/null 2>other.err
[ $? = 2 ] || fail "prepare of other cases on other ranks: exit $?"
[ "$(grep -c 'cases: cases: other ones on rank 1 than on rank 0' other.err)" = 1 ] || fail "prepare of other cases: $(cat other.err)"
[ -z "$(ls none 2>/dev/null)" ] || fail "prepare of other cases wrote $(ls none)"

on_ranks 2 "$program" check -i cases >/dev/null 2>check.err
[ $? = 2 ] || fail "check on two ranks: exit $?"
grep -q "'check' works on one rank, and here are 2" check.err || fail "check on two ranks: $(cat check.err)"
[ "$(on_ranks 2 "$program" --version)" = "$("$program" --version)" ] || fail "--version on two ranks is not that of one"
exit $bad
