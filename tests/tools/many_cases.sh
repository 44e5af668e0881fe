#!/usr/bin/env bash
# Many cases in one folder: processor time and largest resident memory of every verb that lists them, of N cases against a
# tenth of them. Ten times the cases may take fourteen times the time at most; of memory they may take what is said below, for names, findings and scores.
#   tests/tools/many_cases.sh PROGRAM [N]     10000
program="$(realpath "$1")"
most="${2:-10000}"
support="$PWD/tests/support"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
bad=0
"$program" synth -o raw --cases 9 --seed 5 --size 16 16 16 --threads 1 >/dev/null 2>&1 || exit 1

measure() { # NAME SIZE COMMAND...: a line "NAME SIZE cpu_seconds resident_KiB" to figures
  python3 - "$@" <<'END' || bad=1
import os, subprocess, sys
name, size, *command = sys.argv[1:]
with open("out", "w") as out: child = subprocess.Popen(command, stdout=out, stderr=out)
_, status, used = os.wait4(child.pid, 0)
if status: sys.exit(f"{name} of {size}: exit {os.waitstatus_to_exitcode(status)}: {open('out').read()[-400:]}")
with open("figures", "a") as f: print(name, size, round(used.ru_utime + used.ru_stime, 3), used.ru_maxrss, file=f)
END
}
first_step() { # SIZE COMMAND...: a line "SIZE seconds cpu_seconds" of the start of a training, up to its first step, to starts
  python3 - "$@" <<'END' || bad=1
import os, subprocess, sys, time
size, *command = sys.argv[1:]
start = time.monotonic()
with open("out", "w") as out: child = subprocess.Popen(command, stdout=out, stderr=out)
log = os.path.join(command[command.index("-o") + 1], "log.jsonl")
while not (os.path.exists(log) and '"type":"step"' in open(log).read()):
    if child.poll() is not None: sys.exit(f"train of {size} ends before its first step: {open('out').read()[-400:]}")
    time.sleep(0.002)
seconds = time.monotonic() - start
child.kill()
_, status, used = os.wait4(child.pid, 0)
with open("starts", "a") as f: print(size, round(seconds, 3), round(used.ru_utime + used.ru_stime, 3), file=f)
END
}
for size in $((most / 10)) "$most"; do
  python3 "$support/linked_cases.py" raw "many$size" "$size"
  measure check "$size" "$program" check -i "many$size"
  measure prepare "$size" "$program" prepare -i "many$size" -o "cache$size" --recipe zscore --size 16 --threads 1
  measure again "$size" "$program" prepare -i "many$size" -o "cache$size" --recipe zscore --size 16 --threads 1
  measure evaluate "$size" "$program" evaluate --truth "many$size" --prediction "many$size.labels" --threads 1
  measure train "$size" "$program" train -i "cache$size" -o "run$size" --widths 2 2 2 --batch 8 --folds 5 --epochs 1 --threads 1 --report off
  first_step "$size" "$program" train -i "cache$size" -o "start$size" --widths 2 2 2 --batch 8 --folds 5 --epochs 1 --threads 1 --report off
  rm -rf "cache$size" "many$size" "many$size.labels"
done
awk -v most="$most" '
  BEGIN { may["check"] = 64; may["prepare"] = 32; may["again"] = 16; may["evaluate"] = 16; may["train"] = 8 } # KiB a case
  $2 != most { cpu[$1] = $3; rss[$1] = $4; next }
  {
    growth = ($4 - rss[$1]) / (most - most / 10)
    printf "%-9s %6d cases %8.2f s %8d KiB; %6d cases %8.2f s %8d KiB: %.1f times the time, %.2f KiB a case\n", $1, most / 10, cpu[$1], rss[$1], most, $3, $4, $3 / cpu[$1], growth
    if ($3 > 14 * cpu[$1] + 0.2 || growth > may[$1]) { print $1 ": grows too fast"; bad = 1 }
  }
  END { exit bad }' figures || bad=1
awk '{ printf "first step of a training on %d cases after %.2f s, %.2f s of processor time\n", $1, $2, $3; if ($3 > 1) { print "takes more than a second to start"; bad = 1 } } END { exit bad }' starts || bad=1
exit $bad
