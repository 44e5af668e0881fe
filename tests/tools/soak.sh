#!/usr/bin/env bash
# Trains and predicts for long and watches memory, descriptors and threads: they must not grow.
#   tests/tools/soak.sh PROGRAM [--steps N] [--predictions M] [--every K] [--log FILE]     5000, 2000, 100, none
# A training on cases of 16^3 with every augmentation, then one program that predicts M cases. A line every K steps or cases
# goes to the log: what was done, KiB that the program holds of what it asked malloc for, resident KiB, descriptors,
# threads. What is there all the time must not grow: the least of a column in the last half of the samples is compared with
# the least in the first half without its first third, while buffers find their sizes. Memory that is held may rise by 128 KiB
# and by 350 bytes a step (three steps are an epoch, whose line of the log a run keeps for its curves) or 256 bytes a case;
# resident memory by 4 MiB more than that, descriptors and threads not at all.
program="$(realpath "$1")"
support="$PWD/tests/support"
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
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
if ! ${CC:-cc} -shared -fPIC -O1 -o live.so "$support/live_memory.c" 2>err; then
  echo "skipped: no C compiler: $(head -n 1 err)"
  exit 77
fi
cat >watch.py <<'END'
import os, struct, subprocess, sys, time

name, each, every, log, counted, *command = sys.argv[1:]
each, every = int(each), int(every)
done, read, samples = 0, 0, []


def count():
    """Steps in a log that grows, or files of a folder."""
    global done, read
    if not os.path.exists(counted): return 0
    if os.path.isdir(counted): return len(os.listdir(counted))
    with open(counted, "rb") as f:
        f.seek(read)
        new = f.read()
    whole = new[: new.rfind(b"\n") + 1]
    read += len(whole)
    done += whole.count(b'"type":"step"')
    return done


def status(process, key):
    with open(f"/proc/{process}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith(key))


child = subprocess.Popen(command, stdout=open("out", "w"), stderr=open("err", "w"),
                         env=dict(os.environ, LD_PRELOAD="./live.so", VOXGRAD_TEST_LIVE="live"))
at = 1
while child.poll() is None:
    now = count()
    if now >= at:
        try:
            with open("live", "rb") as f: live = struct.unpack("q", f.read(8))[0] // 1024
            samples.append((now, live, status(child.pid, "VmRSS"), len(os.listdir(f"/proc/{child.pid}/fd")), status(child.pid, "Threads")))
        except (OSError, StopIteration):  # it has just ended
            continue
        with open(log, "a") as f: print(name, *samples[-1], file=f)
        at = now + every
    time.sleep(0.002)
if child.returncode: sys.exit(f"{name}: exit {child.returncode}: {open('err').read()[-300:]}")
if len(samples) < 12: sys.exit(f"{name}: only {len(samples)} samples")
count()


half, sixth = len(samples) // 2, len(samples) // 6
before, after = ([min(s[column] for s in part) for column in range(1, 5)] for part in (samples[sixth:half], samples[half:]))
held, resident, descriptors, threads = (b - a for a, b in zip(before, after))
may = 128 + each * samples[-1][0] / 2 / 1024
print(f"{name}: {samples[-1][0]} done, {len(samples)} samples: held {before[0]} and {held:+} KiB of at most {may:.0f}; resident {before[1]} and {resident:+} KiB;"
      f" descriptors {before[2]} and {descriptors:+}, threads {before[3]} and {threads:+}")
if held > may or resident > may + 4096 or descriptors > 0 or threads > 0: sys.exit(1)
END
bad=0
"$program" synth -o raw --cases 9 --seed 5 --size 20 20 20 --threads 1 >/dev/null 2>err &&
  "$program" prepare -i raw -o cache --recipe zscore --size 16 --threads 1 >/dev/null 2>err || {
  cat err
  exit 1
}
# 6 cases to train, two at a time: three steps an epoch.
python3 watch.py steps 700 "$every" "$log" run/log.jsonl \
  "$program" train -i cache -o run --widths 2 2 2 --batch 2 --folds 3 --augment all --epochs $(((steps + 2) / 3)) --validate-every 50 --lr 1e-3 \
  --threads 2 --loader-threads 2 --report off || bad=1

# So many cases: links to the nine.
python3 "$support/linked_cases.py" raw many "$predictions"
python3 watch.py predictions 512 "$every" "$log" masks \
  "$program" predict --model run/last.safetensors -i many -o masks --threads 2 || bad=1
exit $bad
