#!/usr/bin/env bash
# Signals, a terminal or a reader that goes away, a log that cannot be written, a wall clock that is set back, files that
# come late: what docs/trust/endurance.md states of each.
program="$(realpath "$1")"
preload="$PWD/tests/support/preload.c"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
. "$OLDPWD/tests/support/ranks_training.sh"
small=(--widths 2 2 2 --folds 4 --digest 1 --tensorboard on --report off --save-every 0.001)
usual=("$program" train -i cache --lr 1e-2 "${small[@]}" --batch 2 --threads 1)

# Starts a run that would go on for long, and waits until it has made steps.
wait_for_steps() { # RUN
  for _ in $(seq 1500); do
    if [ "$(grep -c '"type":"step"' "$1/log.jsonl" 2>/dev/null)" -ge 3 ] 2>/dev/null; then return; fi
    sleep 0.02
  done
  fail "$1: no steps: $(head -n 3 "$1.err")"
}
begin() { # RUN [COMMAND...]: $process
  local run="$1"
  shift
  "$@" "${usual[@]}" -o "$run" --epochs 100000 >"$run.out" 2>"$run.err" &
  process=$!
  wait_for_steps "$run"
}
ends() { # WHAT CODE: the process ends with it, within half a minute
  for _ in $(seq 1500); do
    if ! kill -0 "$process" 2>/dev/null; then
      wait "$process"
      local code=$?
      [ "$code" = "$2" ] || fail "$1: exit $code, wants $2"
      return
    fi
    sleep 0.02
  done
  kill -9 "$process"
  fail "$1: does not end"
}
goes_on() { # WHAT: is there, and makes further steps
  local before now
  before="$(wc -l <"$run/log.jsonl")"
  for _ in $(seq 500); do
    now="$(wc -l <"$run/log.jsonl")"
    if [ "$now" -gt $((before + 3)) ]; then return; fi
    sleep 0.02
  done
  fail "$1: makes no further steps"
}
whole_checkpoint() { # WHAT RUN: and --resume goes on from it, with the bits of a run that nobody ended
  [ -s "$2/last.safetensors" ] || { fail "$1: there is no checkpoint" && return; }
  local epochs
  epochs="$(($(grep -c '"type":"epoch"' "$2/log.jsonl") + 1))"
  "${usual[@]}" -o "$2" --resume --epochs "$epochs" >/dev/null 2>"$2.err" || fail "$1, resumed: $(grep voxgrad: "$2.err")"
  "${usual[@]}" -o "$2.unbroken" --epochs "$epochs" >/dev/null 2>&1 || fail "$1: the unbroken run"
  same "$1" "$2.unbroken" "$2"
}

# Each asks for the end after the step.
for signal in INT TERM HUP; do
  (
    trap - INT # a shell in a script has its background processes ignore it
    begin "by_$signal" env --default-signal=INT
    kill "-$signal" "$process"
    ends "SIG$signal" 130
    exit "$bad"
  ) || bad=1
done
whole_checkpoint SIGHUP by_HUP

# A terminal that goes away sends SIGHUP more than once.
begin twice
kill -STOP "$process"
kill -HUP "$process"
kill -CONT "$process"
kill -HUP "$process" 2>/dev/null
kill -HUP "$process" 2>/dev/null
ends 'SIGHUP three times' 130
[ -s twice/last.safetensors ] || fail 'SIGHUP three times: there is no checkpoint'

# A second SIGINT or SIGTERM: it does not end its step, and dies of the signal. Both wait while it is stopped.
begin impatient
for _ in $(seq 500); do
  if [ -s impatient/last.safetensors ]; then break; fi
  sleep 0.02
done
kill -STOP "$process"
kill -INT "$process" # a shell in a script has its background processes ignore it, but voxgrad asks for it
kill -TERM "$process"
kill -CONT "$process"
wait "$process"
code=$?
run=impatient
case "$code" in 130 | 143) ;; *) fail "SIGINT and SIGTERM: exit $code" ;; esac
if grep -q 'interrupted' impatient.out impatient.err; then fail 'SIGINT and SIGTERM: it ended its step'; fi
whole_checkpoint 'SIGINT and SIGTERM' impatient

# nohup
run=ignored
begin ignored nohup
kill -HUP "$process"
goes_on 'SIGHUP where it is ignored'
kill -TERM "$process"
ends 'SIGTERM after an ignored SIGHUP' 130

# What a machine does now and then: the wall clock set back, files that come late.
preloaded() { return 1; }
if ${CC:-cc} -shared -fPIC -O1 -o preload.so "$preload" 2>/dev/null; then
  preloaded() { env "$1" LD_PRELOAD="$PWD/preload.so" "${@:2}"; }
fi

# predict ends with the case that it is at; what it has written is what it writes anyway.
model=by_HUP/best.safetensors
[ -s "$model" ] || model=by_HUP/last.safetensors
predict=("$program" predict --model "$model" -i raw --threads 1)
"${predict[@]}" -o all >/dev/null 2>all.err || fail "predict: $(cat all.err)"
wait_for_mask() { # FOLDER
  for _ in $(seq 500); do
    if [ "$(find "$1" -name '*.nii.gz' 2>/dev/null | wc -l)" -gt 0 ]; then return; fi
    sleep 0.02
  done
}
if [ -s preload.so ]; then
  env VOXGRAD_TEST_DELAY_US=20000 LD_PRELOAD="$PWD/preload.so" "${predict[@]}" -o some >/dev/null 2>some.err &
  process=$!
  wait_for_mask some
  kill -HUP "$process"
  ends 'predict with SIGHUP' 130
  [ "$(find some -type f | wc -l)" -lt "$(find all -type f | wc -l)" ] || fail 'predict with SIGHUP makes every case'
  while read -r mask; do cmp "$mask" "all/${mask#some/}" || fail "predict with SIGHUP: $mask"; done < <(find some -type f)
fi

# The terminal of a run is closed.
if command -v script >/dev/null; then
  closed_terminal() { # NAME hears|deaf CODE READY COMMAND...: what a shell does: it hands the signal on, or was told to ignore it
    local name="$1" how="$2" wanted="$3" ready="$4" terminal
    shift 4
    cat >"$name.sh" <<END
trap '[ "$how" = deaf ] || kill -HUP \$process' HUP
$([ "$how" = deaf ] && echo "trap '' HUP")
$* >/dev/tty 2>/dev/tty &
process=\$!
echo \$process >$name.process
wait \$process
code=\$?
if [ \$code = 129 ]; then wait \$process && code=0 || code=\$?; fi
echo \$code >$name.code
END
    script -qec "exec bash $name.sh" /dev/null >/dev/null 2>&1 </dev/null &
    terminal=$!
    eval "$ready"
    kill -9 "$terminal"
    wait "$terminal" 2>/dev/null
    for _ in $(seq 6000); do # two minutes
      [ ! -s "$name.code" ] || break
      sleep 0.02
    done
    kill -9 "$(cat "$name.process")" 2>/dev/null
    [ "$(cat "$name.code" 2>/dev/null)" = "$wanted" ] || fail "$name: exit $(cat "$name.code" 2>/dev/null), wants $wanted"
  }
  # Not 130: what it said at last is lost.
  closed_terminal terminal hears 2 'wait_for_steps terminal' "${usual[@]}" -o terminal --epochs 100000
  whole_checkpoint 'a terminal that goes away' terminal
  # nohup with its lines on the terminal: all epochs are made, and the lost lines are said
  closed_terminal deaf deaf 2 'wait_for_steps deaf' "${usual[@]}" -o deaf --epochs 60
  [ "$(grep -c '"type":"epoch"' deaf/log.jsonl)" = 60 ] || fail 'a run without a terminal does not make its epochs'
  if [ -s preload.so ]; then
    closed_terminal deaf_masks deaf 2 'wait_for_mask deaf_masks' \
      env VOXGRAD_TEST_DELAY_US=20000 "LD_PRELOAD=$PWD/preload.so" "${predict[@]}" --verbose -o deaf_masks
    diff -r all deaf_masks >/dev/null || fail 'predict without a terminal writes something else'
  fi
fi

# Who reads the lines goes away: what writes files goes on and ends with 2, what only prints ends at once.
reader_gone() { # NAME CODE COMMAND...: into a pipe that nobody reads; what it says in NAME.gone
  python3 - "${@:3}" 2>"$1.gone" <<'END'
import os, subprocess, sys
reader, writer = os.pipe()
os.close(reader)
code = subprocess.call(sys.argv[1:], stdout=writer)
sys.exit(code if code >= 0 else 128 - code)  # as a shell has it
END
  local code=$?
  [ "$code" = "$2" ] || fail "$1 without a reader: exit $code, wants $2"
  [ "$2" != 2 ] || grep -q 'standard output: Broken pipe' "$1.gone" || fail "$1 without a reader says $(cat "$1.gone")"
}
reader_gone train 2 "${usual[@]}" -o unread --epochs 3
[ "$(grep -c '"type":"epoch"' unread/log.jsonl)" = 3 ] || fail 'train without a reader does not go on'
reader_gone predict 2 "${predict[@]}" --verbose -o unread_masks
diff -r all unread_masks >/dev/null || fail 'predict without a reader writes something else'
truth=(-g raw -p all --threads 1)
for verb in synth convert prepare evaluate tune; do
  case "$verb" in
    synth) command=(synth --cases 2 --seed 7 --size 16 16 16 --threads 1 -o) ;;
    convert) command=(convert -i raw --to nnunet --threads 1 -o) ;;
    prepare) command=(prepare -i raw --recipe zscore --size 16 --threads 1 -o) ;;
    *) command=("$verb" "${truth[@]}" -o) ;;
  esac
  "$program" "${command[@]}" "read_$verb" >/dev/null 2>&1 || fail "$verb"
  reader_gone "$verb" 2 "$program" "${command[@]}" "unread_$verb"
  diff -r "read_$verb" "unread_$verb" >/dev/null || fail "$verb without a reader writes something else"
done
reader_gone info 141 "$program" info --size 16

# A log that cannot be written ends the run; the checkpoint stays what it was.
if [ -c /dev/full ]; then
  mkdir full
  ln -s /dev/full full/log.jsonl
  "${usual[@]}" -o full --epochs 2 >/dev/null 2>full.err
  [ $? = 2 ] || fail "a full disk under the log: another exit code"
  grep -q 'full/log.jsonl: cannot be written: No space left on device' full.err || fail "a full disk under the log: $(cat full.err)"
fi
(
  ulimit -f 8
  exec "${usual[@]}" -o limited --epochs 50 >/dev/null 2>limited.err
)
code=$?
[ "$code" = 2 ] || fail "files of 8 KiB at most: exit $code"
grep -q 'limited/.*: cannot be written: File too large' limited.err || fail "files of 8 KiB at most: $(cat limited.err)"
[ -z "$(find limited -name '.*.tmp-*')" ] || fail 'files of 8 KiB at most: a temporary is left'

# Times are those of a steady clock; no wait has a limit.
if [ -s preload.so ]; then
  "${usual[@]}" -o usual_clock --epochs 2 >/dev/null 2>&1 || fail 'a usual run'
  preloaded VOXGRAD_TEST_CLOCK=back timeout 60 "${usual[@]}" -o clock --epochs 2 >/dev/null 2>clock.err ||
    fail "a clock that is set back: $(cat clock.err)"
  same 'a clock that is set back' usual_clock clock
  if grep -qE 'seconds": ?-' clock/log.jsonl; then fail 'a clock that is set back: negative times in the log'; fi
  preloaded VOXGRAD_TEST_DELAY_US=10000 timeout 60 "${usual[@]}" -o late --epochs 2 >/dev/null 2>late.err ||
    fail "files that come late: $(cat late.err)"
  same 'files that come late' usual_clock late
fi
exit $bad
