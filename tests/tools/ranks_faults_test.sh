#!/usr/bin/env bash
# What goes wrong on one rank ends all of them: one message, one exit code, the last checkpoint whole, nothing hangs. Ranks
# that are killed at a random moment, --kills of them (2; --kills 30 bf16: of another type), and resumed leave the weights of an unbroken run.
. tests/support/mpirun.sh "$1"
kills=2
if [ "${2:-}" = --kills ]; then kills="$3"; fi
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
support="$PWD/tests/support"
cd "$work" || exit 1
. "$support/ranks_training.sh"
small+=(--threads 1 --dtype "${4:-f32}")
usual=(-i cache --lr 1e-2 "${small[@]}")

refused() { # WHAT CODE TEXT RUN: the run that has ended with $? as code
  [ "$5" = "$2" ] || fail "$1: exit $5, wants $2: $(grep voxgrad "$4.err" | head -n 3)"
  [ "$(grep -c '^voxgrad: ' "$4.err")" = 1 ] || fail "$1: $(grep -c '^voxgrad: ' "$4.err") messages: $(grep '^voxgrad: ' "$4.err")"
  grep -q -- "$3" "$4.err" || fail "$1 does not say '$3': $(grep '^voxgrad: ' "$4.err")"
}
train 3 few --batch 2 --epochs 1
refused 'a batch smaller than the ranks' 2 '--batch is 2, and there are 3 ranks' few $?
[ ! -e few ] || fail "a refused run leaves $(ls few)"

on_ranks 1 "$program" train -o other "${usual[@]}" --batch 4 : -n 1 "$program" train -o other "${usual[@]}" --batch 5 >/dev/null 2>other.err
refused 'other options on rank 1' 2 'rank 1: other options than on rank 0: batch is 5, on rank 0 4' other $?
[ ! -e other ] || fail "a refused run leaves $(ls other)"

train 2 taken --batch 4 --epochs 1 || fail "a run: $(head -n 3 taken.err)"
: >taken.err
before="$(weights taken)"
train 2 taken --batch 4 --epochs 1
refused 'a folder that holds a run' 2 'taken: holds a run already' taken $?
[ "$(weights taken)" = "$before" ] || fail 'a folder that holds a run is written to'

train 2 large --batch 4 --epochs 1 --memory 1KiB
refused 'a step that does not fit' 4 'there is 512 bytes (--memory' large $?

lr=1e38 train 2 wild --batch 4 --epochs 2 --optimizer sgd
refused 'numbers that are not finite' 5 'The step was done again: ' wild $?

cp -r cache broken # the last byte of a file is a label
victim="$(grep -o 'Synth_[0-9]*' taken/splits.json | head -n 1)"
printf '\011' | dd of="broken/$victim.safetensors" bs=1 seek="$(($(stat -c %s "broken/$victim.safetensors") - 1))" conv=notrunc 2>/dev/null
cache=broken train 2 broken_run --batch 4 --epochs 9
refused 'a case that cannot be read' 3 "$victim.safetensors: label holds class 9" broken_run $?

# A disk that is full, for rank 0: files of more than 8 KiB cannot be written.
on_ranks 2 bash -c 'trap "" XFSZ; ulimit -f 8; exec "$@"' - "$program" train -o full "${usual[@]}" --batch 4 --epochs 3 >/dev/null 2>full.err
refused 'a disk that is full' 2 'full/' full $?

# Signals, at a run that would go on for long. When a rank ends with a code, mpirun sends SIGTERM to the others and waits so many seconds
# before SIGKILL, whether they end before or not.
grace=1
train 1 whole --batch 4 --epochs 40 || fail "the unbroken run: $(cat whole.err)"
begin() { # RANKS RUN LINES: starts or goes on in the background; $launcher and $pids when the log has grown by LINES
  local resume=() had=0
  if [ -s "$2/last.safetensors" ]; then resume=(--resume); fi
  if [ -s "$2/log.jsonl" ]; then had="$(wc -l <"$2/log.jsonl")"; fi
  : >"$2.err"
  mpirun --allow-run-as-root --oversubscribe --mca odls_base_sigkill_timeout "$grace" -n "$1" "$program" train -o "$2" "${usual[@]}" \
    --batch 4 --epochs 100000 "${resume[@]}" >/dev/null 2>"$2.err" &
  launcher=$!
  for _ in $(seq 600); do
    pids="$(pgrep -P "$launcher" -f 'voxgrad train' | sort -n)"
    if [ -n "$pids" ] && [ -s "$2/log.jsonl" ] && [ "$(wc -l <"$2/log.jsonl")" -ge $((had + $3)) ]; then return; fi
    kill -0 "$launcher" 2>/dev/null || return
    sleep 0.02
  done
}
ended() { # the launcher's exit code, or 124 where it hangs
  for _ in $(seq 1500); do
    if ! kill -0 "$launcher" 2>/dev/null; then
      wait "$launcher"
      return
    fi
    sleep 0.02
  done
  kill -9 "$launcher" $pids
  return 124
}
interrupted() { # WHAT RUN CODE
  [ "$3" = 130 ] || fail "$1: exit $3, wants 130: $(head -n 5 "$2.err")"
  [ -s "$2/last.safetensors" ] || fail "$1: there is no checkpoint"
}
begin 2 stopped 4
kill -TERM "$(tail -n 1 <<<"$pids")"
ended
interrupted 'SIGTERM to one rank' stopped $?
begin 3 stopped 4
kill -TERM $pids
ended
interrupted 'SIGTERM to all ranks' stopped $?
grace=5
begin 2 stopped 4
kill -INT "$launcher" # mpirun says SIGTERM to the ranks and ends with a code of its own
ended
code=$?
grace=1
[ "$code" != 0 ] && [ "$code" != 124 ] || fail "Ctrl-C at mpirun: exit $code"
epochs="$(($(grep -c '"type": *"epoch"' stopped/log.jsonl) + 2))"
train 1 stopped --batch 4 --resume --epochs "$epochs" || fail "the run that was stopped: $(grep voxgrad: stopped.err)"
train 1 unbroken --batch 4 --epochs "$epochs" || fail "a run of $epochs epochs: $(grep voxgrad: unbroken.err)"
same 'three times interrupted' unbroken stopped

hit=0
for n in $(seq "$kills"); do
  rm -rf killed
  begin 2 killed $((RANDOM % 60))
  # shellcheck disable=SC2086
  if [ -n "$pids" ] && kill -9 "$(shuf -n 1 -e $pids)" 2>/dev/null; then hit=$((hit + 1)); fi
  ended
  [ $? != 124 ] || fail "kill $n: the other rank hangs"
  resume=()
  if [ -s killed/last.safetensors ]; then resume=(--resume); else rm -rf killed; fi
  train $((RANDOM % 2 + 1)) killed --batch 4 --epochs 40 "${resume[@]}" || fail "kill $n, resumed: $(head -n 3 killed.err)"
  same "kill $n" whole killed
done
echo "$hit of $kills kills hit a run"
[ "$hit" -gt 0 ] || fail 'no kill hit a run'
exit $bad
