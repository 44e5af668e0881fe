"""Fails calls of every verb, one at a time, and judges what becomes of it. See README.md."""

import argparse
import collections
import errno
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import time

import contents
import lasting
import trace
import verbs
from rules import FAULTS, HARMLESS, WRITES, Excuse, leaves, swallowed, writes

SECONDS = 60


class Judge:
    def __init__(self, options, work):
        self.options = options
        self.data = os.path.join(work, "data")
        self.now = os.path.join(work, "now")
        self.trace = os.path.join(work, "trace")
        os.mkdir(self.data)
        verbs.make_data(options.program, self.data)
        self.wrong = Findings()
        self.counts = collections.Counter()
        self.ends = collections.Counter()

    def run(self, verb, again=None, **settings):
        """The verb in a fresh folder, or again with these arguments over what it left: exit code (less than 0: the signal), what it said, its trace."""
        if not again:
            verbs.lay_out(verb, self.data, self.now)
        if os.path.exists(self.trace):
            os.remove(self.trace)
        env = verbs.environment(verb.gnuplot)
        settings = {"LD_PRELOAD": self.options.injector, "VOX_FAULTS_TRACE": self.trace, **settings}
        command = [self.options.program, *(again or verb.arguments)]
        if verb.rank >= 0:
            command, env = verbs.under_mpirun(verb, command, settings), {**env, "PATH": os.environ["PATH"], "VOXGRAD_RANK_TIMEOUT": "20"}
        else:
            env |= settings
        try:
            done = subprocess.run(command, cwd=self.now, capture_output=True, timeout=SECONDS, env=env)
        except subprocess.TimeoutExpired:
            return None, "", "", []
        out, err = (text.decode(errors="replace") for text in (done.stdout, done.stderr))
        return done.returncode, out, err, trace.read(self.trace)

    def examine(self, verb):
        """The verb without a fault: its calls, what it says and leaves, and what stood there before."""
        code, out, err, calls = self.run(verb, VOX_FAULTS_UNDER=self.now)
        if code != 0 or not calls:
            raise SystemExit(f"{verb.name}: exit {code} without a fault, {len(calls)} calls: {err}")
        self.wrong += [f"{verb.name}: {text}" for text in trace.order_faults(calls)]
        lost = [c for c in calls if c.name != "fsync"]
        if any(c.name == "rename" for c in calls) and not trace.order_faults(lost):
            self.wrong.append(f"{verb.name}: a trace without its fsyncs is not found wanting")
        self.usual = (out, contents.of_tree(self.now, verb.new))
        verbs.lay_out(verb, self.data, self.now)
        self.before = contents.of_tree(self.now, verb.new)
        self.inputs = contents.of_tree(self.now, verb.needs)
        self.calls = calls
        self.counts[verb.name] = len(calls)

    def judge_verb(self, verb):
        tries = [(c, fault) for c in self.calls for fault in FAULTS[c.name]]
        if self.options.most:
            tries = spread(tries, self.options.most, self.options.seed)
        for call, fault in tries:
            self.fail_file(verb, call, fault)

    def fail_file(self, verb, call, fault):
        code, out, err, calls = self.run(verb, VOX_FAULTS_UNDER=self.now, VOX_FAULTS_FAIL=f"file:{call.number}:{fault}")
        hit = next((c for c in calls if c.faulty), call)  # threads may have come in another order
        if hit.name != call.name:
            fault_fits = fault in FAULTS[hit.name]
            if not fault_fits:
                return
        self.ends[f"exit {code}"] += 1
        for text in self.faults_of(verb, hit, fault, code, out, err):
            short = hit.path.replace(self.now, "").lstrip("/")
            self.wrong.append(f"{verb.name}: call {call.number}, {hit.name} of {short}: {fault}: {text}")

    def faults_of(self, verb, call, fault, code, out, err):
        if code is None:
            yield f"hangs for {SECONDS} s"
            return
        if code < 0 or code > 128:
            yield f"ended by signal {-code if code < 0 else code - 128}"
            return
        messages = [line for line in err.splitlines() if line.startswith("voxgrad: ")]
        if verb.rank >= 0 and len(messages) > 1 and fault != "truncate":  # which both may see
            yield f"{len(messages)} messages: {messages}"
        gone = os.path.relpath(call.path, self.now) if fault in ("vanish", "truncate") else ""  # somebody else's doing
        ends_at_once = fault == "truncate" and verb.name in ("train", "resume")  # as one that is killed: its next run removes them
        passed_over = swallowed(call.name, fault, call.path) != ""
        yield from self.judge_files(verb, Excuse(leaves(call) or ends_at_once, gone, passed_over, writes(call, self.calls) and fault != "vanish"), code, out)
        said = err + (out if verb.by_case else "")
        if code == 0:
            if verb.same_stdout and out != self.usual[0] and swallowed(call.name, fault, call.path) == "":
                yield "says something else"
            return
        if fault in HARMLESS:
            yield f"exit {code}: {err.strip()[-200:]}"
            return
        wanted = (2,) if call.name in WRITES else (2, 3) if "out" in os.path.relpath(call.path, self.now) else (3, 2)
        if fault == "ENOMEM":
            wanted = (2, 3, 4)  # 2: of a page that a training goes on without
        if code not in wanted:
            yield f"exit {code}, wants {wanted}: {said.strip()[-200:]}"
        if "voxgrad: " not in err and not verb.by_case:
            yield f"exit {code} and no message"
        name = re.sub(r"^\.(.*)\.tmp-[0-9-]+$", r"\1", os.path.basename(call.path))
        of_folder = call.name in ("fsync", "open", "fstat") and os.path.isdir(call.path)  # the message names the file that was renamed in it
        is_here = call.path == self.now and "voxgrad: .: " in said  # as it is called there
        if not of_folder and not is_here and name not in said and os.path.basename(os.path.dirname(call.path)) not in said:
            yield f"exit {code}, and the message does not name {name}: {said.strip()[-200:]}"
        number = getattr(errno, fault, None)
        cause = os.strerror(number) if number else ""
        if cause and cause not in said:
            yield f"exit {code}, and the message does not say '{cause}': {said.strip()[-200:]}"

    def judge_files(self, verb, excuse, code, out):
        after = contents.of_tree(self.now, verb.new)
        for name, held in after.items():
            if name == excuse.gone or (excuse.gone and isinstance(held, contents.Page)):  # a page says less where a file is gone
                continue
            base = os.path.basename(name)
            if ".tmp-" in base or base == ".lock" or base.endswith(".voxgrad-convert"):
                if not excuse.leaves:
                    yield f"leaves {name}"
            elif held not in (self.before.get(name), self.usual[1].get(name)) and not is_begun(name, held, self.before, self.usual[1]):
                yield f"{name} is neither the old nor the new one"
            elif code == 0 and held != self.usual[1].get(name) and name in self.usual[1] and not excuse.passed_over:
                yield f"exit 0, and {name} is not what it is without the fault"
        for name in self.before.keys() - {excuse.gone}:
            if name not in after and not (verb.name == "prepare" and "was removed" in out):
                yield f"{name}, which stood there before, is gone"
        if code == 0:
            for name in self.usual[1].keys() - after.keys() - {excuse.gone}:
                yield f"exit 0, and {name} is missing"
            if not excuse.passed_over and after == self.usual[1] and excuse.writes:
                yield "exit 0, as if it had been written"
        if not excuse.gone:
            for name, held in contents.of_tree(self.now, verb.needs).items():
                if held != self.inputs.get(name):
                    yield f"the input {name} is not what it was"

    def judge_memory(self, verb):
        """Allocations and threads, one and all from it on: exit 4, or 2 for a thread, with a message."""
        for kind, settings, fault in (("memory", {"VOX_FAULTS_BYTES": str(self.options.bytes)}, "ENOMEM"), ("thread", {"VOX_FAULTS_THREADS": "1"}, "EAGAIN")):
            _, _, _, calls = self.run(verb, **settings)
            most = self.options.most_memory
            tries = calls if most == 0 or len(calls) <= most else random.Random(self.options.seed).sample(calls, most)
            for call, later in ((c, way) for c in tries for way in ("", "+")):
                code, out, err, _ = self.run(verb, **settings, VOX_FAULTS_FAIL=f"{kind}:{call.number}{later}:{fault}")
                self.ends[f"{kind}: exit {code}"] += 1
                self.counts[kind] += 1
                where = f"{verb.name}: {call.name} {call.number}{later} of {call.result} bytes: {fault}"
                if code is None or code < 0:
                    self.wrong.append(f"{where}: {'hangs' if code is None else f'ended by signal {-code}'}")
                elif code == 2 and "the report of the run is not written" in err:
                    continue  # the training goes on without it
                elif code not in ((0, 3, 4) if kind == "memory" else (0, 2, 4)):
                    self.wrong.append(f"{where}: exit {code}: {err.strip()[-200:]}")
                elif code != 0 and "voxgrad: " not in err and not verb.by_case:
                    self.wrong.append(f"{where}: exit {code} and no message")
                if "where none may fail" in err:
                    continue  # it ends at once, as one that is killed
                self.wrong += [f"{where}: leaves {n}" for n in contents.of_tree(self.now, verb.new) if ".tmp-" in n or n.endswith(".lock")]


class Findings(list):
    """Says each as it is found: a long run may be broken off."""

    def append(self, text):
        super().append(text)
        print(text, flush=True)

    def __iadd__(self, texts):
        for text in texts:
            self.append(text)
        return self


def is_begun(name, held, before, usual):
    """A log that ends after some of its lines; an old one goes on with them."""
    if os.path.basename(name) != "log.jsonl" or not isinstance(held, list):
        return False
    wanted = usual.get(name, [])
    return held == wanted[: len(held)] or held == before.get(name)


def spread(tries, most, seed):
    """So many, of as many different sites as there are."""
    chance = random.Random(seed)
    sites = collections.defaultdict(list)
    for call, fault in tries:
        site = re.sub(r"[0-9]+", "0", os.path.basename(call.path))
        sites[(call.name, fault, site)].append((call, fault))
    chosen = [chance.choice(group) for group in sites.values()]
    return chosen if len(chosen) <= most else chance.sample(chosen, most)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--injector", required=True)
    parser.add_argument("--most", type=int, default=0, help="faults of each verb; 0: every call, every fault")
    parser.add_argument("--most-memory", type=int, default=2, help="refused allocations of each verb; 0: every one")
    parser.add_argument("--verbs", default="", help="only these, joined by ','")
    parser.add_argument("--most-lasting", type=int, default=2, help="lasting faults, and pairs of them, of each verb; 0: every one, and as many pairs")
    parser.add_argument("--kinds", default="file,lasting,memory")
    parser.add_argument("--bytes", type=int, default=1 << 10, help="allocations from this size on")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    begun = time.monotonic()
    names = options.verbs.split(",") if options.verbs else [v.name for v in verbs.VERBS]
    with tempfile.TemporaryDirectory() as work:
        judge = Judge(options, work)
        for verb in verbs.VERBS + verbs.TWO_RANKS:
            if verb.name in names:
                if "file" in options.kinds or "lasting" in options.kinds:
                    judge.examine(verb)
                if "file" in options.kinds:
                    judge.judge_verb(verb)
                if "lasting" in options.kinds and verb.rank < 0:
                    lasting.judge(judge, verb)
                if "memory" in options.kinds and verb.rank < 0:
                    judge.judge_memory(verb)
                if options.most == 0:
                    print(f"{verb.name}: {judge.counts[verb.name]} calls, {sum(judge.ends.values())} faults so far, {len(judge.wrong)} wrong", flush=True)
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{sum(judge.ends.values())} faults in {len(names)} verbs, {len(judge.wrong)} findings; {dict(sorted(judge.ends.items()))}; "
          f"{time.monotonic() - begun:.0f} s, {spent.ru_utime + spent.ru_stime:.0f} s of processor time")
    sys.exit(bool(judge.wrong))


if __name__ == "__main__":
    main()
