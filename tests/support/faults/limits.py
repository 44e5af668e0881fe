"""Every verb within a limited address space (ulimit -v): it does its work, or says that it does not fit, exit 4, and leaves nothing
half-written. Within a control group it may be killed by the kernel, too, and what is there afterwards is whole. And what plan promises
of a training holds."""

import argparse
import json
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time

import contents
import verbs

KIB, MIB = 1 << 10, 1 << 20
WORDS = ("does not fit", "out of memory", "address space", "cannot map", "Cannot allocate memory", "Resource temporarily unavailable", "no memory", "of the control group")


class Group:
    """A control group with a limit of memory, of version 1 or 2; OSError where none can be made."""

    def __init__(self, limit):
        old = "/sys/fs/cgroup/memory"
        self.folder = f"{old if os.path.isdir(old) else '/sys/fs/cgroup'}/voxgrad-test-{os.getpid()}"
        os.mkdir(self.folder)
        try:
            self.write("memory.limit_in_bytes" if os.path.isdir(old) else "memory.max", limit)
        except OSError:
            os.rmdir(self.folder)
            raise

    def write(self, name, value):
        with open(os.path.join(self.folder, name), "w") as f:
            f.write(str(value))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for last in range(99, -1, -1):  # children of one that was killed end a little later
            try:
                return os.rmdir(self.folder)
            except OSError:
                if not last:
                    raise
                time.sleep(0.02)


class Limits:
    def __init__(self, options, work):
        self.options = options
        self.data = os.path.join(work, "data")
        self.now = os.path.join(work, "now")
        os.mkdir(self.data)
        verbs.make_data(options.program, self.data)
        self.chance = random.Random(options.seed)
        self.wrong = []
        self.ends = {}
        self.group_ends = {}
        self.groups = True
        try:
            os.mkdir(self.now)
            with Group(64 * MIB) as group:
                self.run(["--version"], group=group)
        except (OSError, subprocess.SubprocessError) as refusal:
            self.groups = False
            print(f"no control group can be made here: {refusal}")

    def run(self, arguments, limit=None, gnuplot=False, group=None):
        def limited():
            if limit:
                resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
            if group:
                group.write("cgroup.procs", os.getpid())

        return subprocess.run([self.options.program, *arguments], cwd=self.now, capture_output=True, preexec_fn=limited if limit or group else None,
                              env=verbs.environment(gnuplot), timeout=60)

    def least(self, runs, low, high):
        """The smallest limit within which it runs, to 64 KiB."""
        while high - low > 64 * KIB:
            middle = (low + high) // 2
            if runs(middle):
                high = middle
            else:
                low = middle
        return high

    def start(self):
        """What the program and its libraries take before main() has a say."""
        os.makedirs(self.now, exist_ok=True)
        return self.least(lambda limit: self.run(["--version"], limit).returncode == 0, 0, 4096 * MIB)

    def judge_verb(self, verb, start):
        verbs.lay_out(verb, self.data, self.now)
        before = contents.of_tree(self.now, verb.new)
        if self.run(verb.arguments, gnuplot=verb.gnuplot).returncode != 0:
            raise SystemExit(f"{verb.name} fails without a limit")
        usual = contents.of_tree(self.now, verb.new)
        for _ in range(self.options.limits):
            limit = start + int(self.chance.uniform(0, 1) ** 2 * 64 * MIB)
            verbs.lay_out(verb, self.data, self.now)
            done = self.run(verb.arguments, limit, verb.gnuplot)
            self.ends[done.returncode] = self.ends.get(done.returncode, 0) + 1
            self.judge(verb, f"{verb.name} within {limit // KIB} KiB", done, before, usual)
        for _ in range(self.options.limits if self.groups else 0):
            limit = int(2 ** self.chance.uniform(0.5, 4) * MIB)
            verbs.lay_out(verb, self.data, self.now)
            with Group(limit) as group:
                done = self.run(verb.arguments, gnuplot=verb.gnuplot, group=group)
            self.group_ends[done.returncode] = self.group_ends.get(done.returncode, 0) + 1
            self.judge(verb, f"{verb.name} within a control group of {limit // KIB} KiB", done, before, usual, killed=done.returncode == -9)

    def judge(self, verb, where, done, before, usual, killed=False):
        said = (done.stderr + done.stdout).decode(errors="replace")
        goes_on = verb.name in ("train", "resume", "plot") and done.returncode == 2  # without its report, or gnuplot has none
        if done.returncode not in (0, 3, 4) and not goes_on and not killed:
            self.wrong.append(f"{where}: exit {done.returncode}: {said[-300:]}")
        elif done.returncode > 0 and not any(words in said for words in WORDS):
            self.wrong.append(f"{where}: exit {done.returncode}, and no word of memory: {said[-300:]}")
        after = contents.of_tree(self.now, verb.new)
        for name, held in after.items():
            if ".tmp-" in name or name.endswith((".lock", ".voxgrad-convert")):
                if not killed:
                    self.wrong.append(f"{where}: leaves {name}")
            elif held not in (before.get(name), usual.get(name)) and not name.endswith("log.jsonl"):
                self.wrong.append(f"{where}: {name} is neither the old nor the new one")
        if done.returncode == 0 and after.keys() != usual.keys():
            self.wrong.append(f"{where}: exit 0 without {usual.keys() - after.keys()}")

    def judge_plan(self, start):
        """A training within what plan says and a little more runs; within less it says what it wants, and what there is."""
        shutil.rmtree(self.now, ignore_errors=True)
        os.mkdir(self.now)
        network = ["--widths", "16", "32", "64", "--batch", "1", "--threads", "1"]
        for arguments in (["synth", "-o", "raw", "--cases", "2", "--seed", "5", "--size", "32", "32", "32", "--threads", "1"],
                          ["prepare", "-i", "raw", "-o", "cache", "--recipe", "zscore", "--size", "32", "--threads", "1"]):
            if self.run(arguments).returncode != 0:
                raise SystemExit(f"{arguments[0]} fails without a limit")
        plan = json.loads(self.run(["plan", *network, "--size", "32", "--json"]).stdout)
        wanted = plan["training"]["system_bytes"] + plan["waiting_batches_bytes"]

        def train(memory=None, limit=None, group=None):
            shutil.rmtree(os.path.join(self.now, "run"), ignore_errors=True)
            more = ["--memory", str(memory)] if memory else []
            return self.run(["train", "-i", "cache", "-o", "run", "--epochs", "1", "--folds", "2", "--report", "off", "--tensorboard", "off", *network, *more], limit, group=group)

        beside = self.least(lambda limit: self.run(["plan", "--widths", "2", "2", "2", "--batch", "1", "--size", "16", "--threads", "1"], limit).returncode == 0, start // 2,
                            4096 * MIB)
        within, below = train(memory=int(wanted * 1.02) + MIB), train(memory=int(wanted * 0.98))
        if within.returncode != 0:
            self.wrong.append(f"plan says {wanted} bytes, and --memory of 2 % and 1 MiB more: exit {within.returncode}: {within.stderr.decode()[-300:]}")
        self.refused("--memory of 2 % less than planned", below)
        slack = 40 * MIB  # stacks of threads, the heap's rounding, what is written
        within, below = train(limit=beside + wanted + slack), train(limit=beside + wanted // 2)
        if within.returncode != 0:
            self.wrong.append(f"plan says {wanted} bytes, and ulimit -v of {slack // MIB} MiB more: exit {within.returncode}: {within.stderr.decode()[-300:]}")
        self.refused("ulimit -v of half of what is planned", below)
        if self.groups:
            resident = 32 * MIB  # the program and its libraries, what it has read
            with Group(resident + wanted) as group:
                within = train(group=group)
            with Group(wanted) as group:
                below = train(group=group)
            if within.returncode != 0:
                self.wrong.append(f"plan says {wanted} bytes, and a control group of 32 MiB more: exit {within.returncode}: {within.stderr.decode()[-300:]}")
            self.refused("a control group of what is planned, nothing for the program", below)
            if b"control group" not in below.stderr:
                self.wrong.append(f"a control group is not named: {below.stderr.decode()[-300:]}")
        print(f"plan: {wanted / MIB:.1f} MiB for the step and its batches; the program alone {start / MIB:.0f} MiB of addresses, a plan {beside / MIB:.0f} MiB")

    def refused(self, what, done):
        said = done.stderr.decode(errors="replace")
        if done.returncode != 4 or not re.search(r"takes [0-9.]+ MiB .* there is [0-9.]+ ", said):
            self.wrong.append(f"{what}: exit {done.returncode}, '{said[-300:]}', wants 4, what is wanted and what there is")
        if os.path.exists(os.path.join(self.now, "run")):
            self.wrong.append(f"{what}: leaves a folder")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--limits", type=int, default=3, help="of each verb")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--verbs", default="")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        limits = Limits(options, work)
        start = limits.start()
        for verb in verbs.VERBS:
            if not options.verbs or verb.name in options.verbs.split(","):
                limits.judge_verb(verb, start)
        limits.judge_plan(start)
    for text in limits.wrong:
        print(text)
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{sum(limits.ends.values())} address spaces, exit codes {dict(sorted(limits.ends.items()))}; {sum(limits.group_ends.values())} control groups, "
          f"exit codes (-9: killed) {dict(sorted(limits.group_ends.items()))}; {len(limits.wrong)} findings; "
          f"{spent.ru_utime + spent.ru_stime:.0f} s of processor time")
    sys.exit(bool(limits.wrong) or 4 not in limits.ends or (limits.groups and -9 not in limits.group_ends))


if __name__ == "__main__":
    main()
