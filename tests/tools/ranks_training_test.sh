#!/usr/bin/env bash
# train on several ranks leaves what one process leaves, to the bit: whatever their number, their threads, the batch's share
# of each and the place where it was resumed. With --table it prints the hashes.
. tests/support/mpirun.sh "$1"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
support="$PWD/tests/support"
cd "$work" || exit 1
. "$support/ranks_training.sh"
row() {
  if [ "$table" = --table ]; then printf '%-28s %-24s %s\n' "$1" "$2" "$(weights "$3")"; fi
}
table="${2:-}"

compare() { # WHAT RANKS OPTION...: "RANKS" is a list
  local what="$1" ranks="$2" r
  shift 2
  train 1 one "$@" --threads 1 || fail "$what on one rank: $(cat one.err)"
  row "$what" 1 one
  for r in $ranks; do
    train "$r" "many$r" "$@" --threads 1 || fail "$what on $r ranks: $(head -n 3 "many$r.err")"
    same "$what on $r ranks" one "many$r"
    row "$what" "$r" "many$r"
  done
  rm -rf one* many*
}
# Batches of 8 and 1 of nine cases: a share of one each, and most without a case.
compare 'f32, batch 8' '2 3 4 8' --batch 8 --epochs 2
compare 'bf16, batch 5' '3 4' --batch 5 --epochs 2 --dtype bf16
compare 'micro-batches of 3 of 8' '2' --batch 8 --micro-batch 3 --epochs 1 --norm instance
compare 'patches, SGD, EMA' '2' --batch 3 --epochs 1 --patch 8 --optimizer sgd --ema 0.9
compare 'simt, batch 3' '2' --batch 3 --epochs 1 --steps-per-epoch 2 --device simt

train 2 threads --batch 8 --epochs 2 --threads 2 || fail "two threads: $(cat threads.err)"
train 1 resumed --batch 8 --epochs 1 --threads 1 || fail "before a resume: $(cat resumed.err)"
train 4 resumed --batch 8 --resume --epochs 2 --threads 1 || fail "a resume on 4 ranks: $(head -n 3 resumed.err)"
same 'resumed on 4 ranks, against 2 ranks of 2 threads' threads resumed
train 4 back --batch 8 --epochs 1 --threads 1 || fail "before a resume on one: $(head -n 3 back.err)"
train 1 back --batch 8 --resume --epochs 2 --threads 1 || fail "a resume on one rank: $(cat back.err)"
same 'resumed on one rank' threads back
row 'resumed: 1 to 4' 4 resumed
row 'resumed: 4 to 1' 1 back

# Rank 0 alone speaks; the log says who took part.
grep -q '^4 ranks (MPI' resumed.out || fail "what 4 ranks say: $(cat resumed.out)"
[ "$(grep -c '^epoch 2:' resumed.out)" = 1 ] || fail "epoch 2 is told $(grep -c '^epoch 2:' resumed.out) times"
grep -q '"rank": *3' resumed/log.jsonl || fail "the log does not say who the ranks are"

# A series: each run on all ranks.
train 2 series --batch 2 --epochs 1 --steps-per-epoch 1 --fold all --threads 1 || fail "a series: $(head -n 3 series.err)"
[ -s series/summary.csv ] && [ -s series/fold1/last.safetensors ] || fail "a series leaves $(ls series series/fold1)"
exit $bad
