#!/usr/bin/env bash
# What is asked of a run on several ranks while it goes on: a checkpoint by SIGUSR1 to any rank, an end by a file `stop`, an end
# at once by a second signal. And --reduce fast: the same numbers but for rounding, said on screen, resumed by itself.
. tests/support/mpirun.sh "$1"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
support="$PWD/tests/support"
cd "$work" || exit 1
. "$support/ranks_training.sh"
small+=(--threads 1)

begin() { # RUN STEPS_PER_EPOCH: 2 ranks in the background, $launcher and $pids when some steps are done
  mpirun --allow-run-as-root --oversubscribe --mca odls_base_sigkill_timeout 2 -n 2 "$program" train -i cache --lr 1e-2 \
    -o "$1" "${small[@]}" --batch 4 --steps-per-epoch "$2" --epochs 100000 >"$1.out" 2>"$1.err" &
  launcher=$!
  until [ -s "$1/log.jsonl" ] && [ "$(wc -l <"$1/log.jsonl")" -ge 6 ]; do
    sleep 0.02
    kill -0 "$launcher" 2>/dev/null || break
  done
  pids="$(pgrep -P "$launcher" -f 'voxgrad train' | sort -n)"
  [ "$(wc -w <<<"$pids")" = 2 ] || fail "$1: ends before it is asked for anything: $(head -n 3 "$1.err")"
}
within() { # SECONDS COMMAND...: until it is true
  local left=$(($1 * 20))
  shift
  until "$@"; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || return 1
    sleep 0.05
  done
}
gone() { ! kill -0 "$launcher" 2>/dev/null; }
none_left() { ! kill -0 $pids 2>/dev/null; }
ended() { # WHAT RUN: $code; all ranks are gone
  if ! within 30 gone; then
    fail "$1: the run hangs"
    kill -9 "$launcher" $pids
  fi
  wait "$launcher"
  code=$?
  within 5 none_left || fail "$1: ranks are left behind"
}

# One epoch of a million steps: no checkpoint comes by itself. The step at which the run ends is read from its log.
begin asked 1000000
[ ! -e asked/last.safetensors ] || fail 'there is a checkpoint that nobody asked for'
kill -USR1 "$(tail -n 1 <<<"$pids")"
within 30 test -s asked/last.safetensors || fail "SIGUSR1 to rank 1: no checkpoint: $(head -n 3 asked.err)"
kill -TERM "$(head -n 1 <<<"$pids")"
ended 'SIGTERM to rank 0' asked
[ "$code" = 130 ] || fail "SIGTERM to rank 0: exit $code, wants 130"
steps_of() { grep -c '"type": *"step"' "$1/log.jsonl"; }
n="$(steps_of asked)"
train 1 straight --batch 4 --steps-per-epoch "$n" --epochs 1 || fail "$n steps on one rank: $(head -n 3 straight.err)"
[ "$(weights asked)" = "$(weights straight)" ] || fail "a checkpoint after $n steps on two ranks differs from that of one"

begin stopped 3
touch stopped/stop
ended 'a file stop' stopped
[ "$code" = 0 ] || fail "a file stop: exit $code, wants 0: $(head -n 3 stopped.err)"
[ ! -e stopped/stop ] || fail 'a file stop is left there'
grep -q 'stop was asked for: stopped after epoch' stopped.out || fail "a file stop: says $(tail -n 2 stopped.out)"
epochs="$(grep -c '"type": *"epoch"' stopped/log.jsonl)"
train 1 whole --batch 4 --steps-per-epoch 3 --epochs "$epochs" || fail "a run of $epochs epochs: $(head -n 3 whole.err)"
same 'ended by a file stop' whole stopped

for target in rank launcher; do
  rm -rf twice
  begin twice 3
  if [ "$target" = rank ]; then to="$(tail -n 1 <<<"$pids")"; else to="$launcher"; fi
  kill -INT "$to"
  kill -INT "$to" 2>/dev/null
  ended "two signals to a $target" twice
  [ "$code" != 0 ] || fail "two signals to a $target: exit 0"
  resume=()
  if [ -s twice/last.safetensors ]; then resume=(--resume); else rm -rf twice; fi
  epochs=$(($(grep -c '"type": *"epoch"' twice/log.jsonl 2>/dev/null || true) + 1))
  train 2 twice --batch 4 --steps-per-epoch 3 --epochs "$epochs" "${resume[@]}" || fail "two signals to a $target, resumed: $(head -n 5 twice.err)"
  rm -rf whole
  train 1 whole --batch 4 --steps-per-epoch 3 --epochs "$epochs" || fail "a run of $epochs epochs: $(head -n 3 whole.err)"
  same "two signals to a $target" whole twice
done

# Two runs of the same three ranks are equal; that of one rank is near. Three steps of a learning rate of 1e-2 with Adam move a weight by
# 3e-2 at most.
for run in fast fast2; do
  train 3 $run --batch 4 --steps-per-epoch 3 --epochs 1 --reduce fast || fail "--reduce fast: $(head -n 3 $run.err)"
done
train 1 ordered --batch 4 --steps-per-epoch 3 --epochs 1 || fail "one rank: $(head -n 3 ordered.err)"
grep -q 'note: --reduce fast: ' fast.out || fail "--reduce fast is not said: $(cat fast.out)"
grep -q '"reduce": *"fast"' fast/log.jsonl || fail 'the log does not say --reduce fast'
same 'two runs of --reduce fast' fast fast2
losses() { grep '"type": *"step"' "$1/log.jsonl" | grep -o '"loss": *[0-9.e+-]*' | grep -o '[0-9.e+-]*$'; }
paste <(losses fast) <(losses ordered) | awk '
  { d = $1 - $2; if (d < 0) d = -d; if (d > 1e-4 * $2) { print "step " NR ": loss " $1 ", of one rank " $2; bad = 1 } }
  END { if (NR != 3) { print NR " steps, wants 3"; bad = 1 } exit bad }' || fail '--reduce fast is far from one rank'
train 2 fast --batch 4 --steps-per-epoch 3 --epochs 2 --resume --reduce fast || fail "--reduce fast, resumed: $(head -n 3 fast.err)"
exit $bad
