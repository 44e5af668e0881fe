"""Kills verbs at random moments, by SIGKILL: after a random time, or in the middle of a random call. What is there afterwards is whole,
and the verb, run again, leaves what it leaves unbroken."""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time

import again
import contents
import trace
import verbs

NAMES = ["prepare", "train", "resume", "predict", "evaluate", "report", "convert"]


class Killer:
    def __init__(self, options, work):
        self.options = options
        self.data = os.path.join(work, "data")
        self.now = os.path.join(work, "now")
        self.trace = os.path.join(work, "trace")
        os.mkdir(self.data)
        verbs.make_data(options.program, self.data)
        self.chance = random.Random(options.seed)
        self.wrong = []
        self.hit = {name: 0 for name in NAMES}
        self.left = 0
        self.cut = 0
        self.usual = {}

    def environment(self, verb, **more):
        return {**verbs.environment(verb.gnuplot), "LD_PRELOAD": self.options.injector, "VOX_FAULTS_UNDER": self.now, **more}

    def whole(self, verb, arguments=None):
        return subprocess.run([self.options.program, *(arguments or verb.arguments)], cwd=self.now, capture_output=True, env=verbs.environment(verb.gnuplot))

    def measure(self, verb):
        """What an unbroken run leaves, how long it takes, and how many calls it makes."""
        verbs.lay_out(verb, self.data, self.now)
        before = contents.of_tree(self.now, verb.new)
        begun = time.monotonic()
        code = self.whole(verb).returncode
        seconds = time.monotonic() - begun
        after = contents.of_tree(self.now, verb.new)
        verbs.lay_out(verb, self.data, self.now)
        if os.path.exists(self.trace):
            os.remove(self.trace)
        subprocess.run([self.options.program, *verb.arguments], cwd=self.now, capture_output=True, env=self.environment(verb, VOX_FAULTS_TRACE=self.trace))
        calls = trace.read(self.trace)
        if code != 0 or not calls:
            raise SystemExit(f"{verb.name}: exit {code} unbroken, {len(calls)} calls")
        self.usual[verb.name] = (before, after, seconds, calls)

    def kill(self, verb):
        if verb.name not in self.usual:
            self.measure(verb)
        before, after, seconds, calls = self.usual[verb.name]
        verbs.lay_out(verb, self.data, self.now)
        if self.chance.random() < 0.5:
            writes = [c for c in calls if c.name in ("write", "rename", "fsync", "create", "unlink", "truncate", "mkdir")]
            call = self.chance.choice(writes)
            where = f"{call.name} {call.number}"
            code = subprocess.run([self.options.program, *verb.arguments], cwd=self.now, capture_output=True,
                                  env=self.environment(verb, VOX_FAULTS_FAIL=f"file:{call.number}:torn")).returncode
        else:
            wait = self.chance.uniform(0, seconds * 1.1)
            where = f"{1000 * wait:.0f} ms"
            running = subprocess.Popen([self.options.program, *verb.arguments], cwd=self.now, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                       env=verbs.environment(verb.gnuplot))
            time.sleep(wait)
            running.kill()
            code = running.wait()
        self.hit[verb.name] += code == -9
        where = f"{verb.name}, killed at {where}"
        for name, held in contents.of_tree(self.now, verb.new).items():
            base = os.path.basename(name)
            if ".tmp-" in base or base == ".lock" or ".voxgrad-convert" in name:
                self.left += 1
            elif held == before.get(name):
                continue
            elif base == "log.jsonl" and cut_in_its_last_line(os.path.join(self.now, name)):
                self.cut += 1
            elif isinstance(held, str) and held.startswith(("damaged", "a page cut")):
                self.wrong.append(f"{where}: {name}: {held}")
            elif isinstance(held, bytes) and held != after.get(name):
                self.wrong.append(f"{where}: {name} is neither the old nor the new one")
        self.go_on(verb, where, after)

    def go_on(self, verb, where, after):
        done = self.whole(verb, again.arguments_of(verb, self.now))
        said = done.stderr.decode(errors="replace")
        self.wrong += [f"{where}, run again: {text}" for text in again.findings(verb, self.now, done.returncode, said, after)]


def cut_in_its_last_line(path):
    """As a killed run may leave it: readers and the resumed run drop that line."""
    with open(path, "rb") as file:
        lines = file.read().split(b"\n")
    try:
        for line in lines[:-1]:
            json.loads(line)
    except ValueError:
        return False
    return lines[-1] != b""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--injector", required=True)
    parser.add_argument("--kills", type=int, default=7)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        killer = Killer(options, work)
        table = {v.name: v for v in verbs.VERBS}
        for n in range(options.kills):
            killer.kill(table[NAMES[n % len(NAMES)]])
    for text in killer.wrong:
        print(text)
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"--seed {options.seed}: {options.kills} kills, of which {sum(killer.hit.values())} hit a running program {killer.hit}; {killer.left} temporary "
          f"files and locks left, {killer.cut} logs cut in their last line; {len(killer.wrong)} findings; {spent.ru_utime + spent.ru_stime:.0f} s of processor time")
    sys.exit(bool(killer.wrong) or not any(killer.hit.values()))


if __name__ == "__main__":
    main()
