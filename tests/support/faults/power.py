"""A loss of power at every moment of a run: every state of the disk that a file system may leave, built from the run's trace.

The rules, which are those that POSIX leaves to a file system that keeps order within a folder:
- what was written to a file since its last fsync may be there, not be there, or be there in part, the rest zeros;
- a file that was never synced may be empty;
- what was made, renamed and removed in a folder since its last fsync may have happened up to any point, in order.

Judged: a file that is replaced is one of its versions, whole, and never older than the last that was promised (renamed, and its folder
synced); a log has all that was synced; a checkpoint has the lines of its steps in the log. A spread sample of the states, or all of them,
is laid out, and the run goes on from there to the bits of an unbroken one."""

import argparse
import itertools
import json
import os
import random
import resource
import shutil
import struct
import subprocess
import sys
import tempfile

import contents
import trace
import verbs


class File:
    def __init__(self, data=b"", synced=None):
        self.data = bytearray(data)
        self.synced = synced  # what is on disk for sure; None: not even that it is empty
        self.known = None

    def changed(self):
        self.known = None

    def variants(self):
        """What may be found of it."""
        if self.known is None:
            self.known = self.make_variants()
        return self.known

    def make_variants(self):
        whole, sure = bytes(self.data), self.synced or b""
        if self.synced == whole:
            return [whole]
        if whole.startswith(sure):
            half = len(sure) + (len(whole) - len(sure)) // 2
            return [whole, sure, whole[:half] + bytes(len(whole) - half)]
        return [whole, sure]


class Disk:
    """The folders below one, as the program sees them and as they are on disk for sure."""

    def __init__(self, root):
        self.root = root
        self.now = {root: {}}  # folder: {name: File or folder's path}
        self.sure = {root: {}}
        self.pending = {root: []}  # what was done since the last fsync of the folder: (name, what stands there then or None)

    def load(self, folder):
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            if os.path.isdir(path):
                self.now[path], self.sure[path], self.pending[path] = {}, {}, []
                self.now[folder][name] = self.sure[folder][name] = path
                self.load(path)
            else:
                with open(path, "rb") as file:
                    data = file.read()
                self.now[folder][name] = self.sure[folder][name] = File(data, data)

    def do(self, folder, name, what):
        if what is None:
            self.now[folder].pop(name, None)
        else:
            self.now[folder][name] = what
        self.pending[folder].append((name, what))

    def apply(self, call, data):
        """A call of the trace. False where it changes nothing that could be lost."""
        folder, name = os.path.split(call.path)
        if call.result < 0 or (folder not in self.now and call.path not in self.now):
            return False
        if call.name == "mkdir":
            self.now[call.path], self.sure[call.path], self.pending[call.path] = {}, {}, []
            self.do(folder, name, call.path)
        elif call.name == "create" and name not in self.now[folder]:
            self.do(folder, name, File())
        elif call.name == "write":
            file = self.now[folder][name]
            file.data[call.at : call.at + call.result] = data[call.data : call.data + call.result]
            file.changed()
        elif call.name == "truncate":
            del self.now[folder][name].data[call.at :]
            self.now[folder][name].changed()
        elif call.name == "fsync" and call.path in self.now:
            self.sure[call.path] = dict(self.now[call.path])
            self.pending[call.path] = []
        elif call.name == "fsync":
            file = self.now[folder][name]
            file.synced = bytes(file.data)
            file.changed()
        elif call.name == "rename":
            what = self.now[folder][name]
            to_folder, to = os.path.split(call.other)
            self.do(folder, name, None)
            self.pending[folder].pop()
            self.now[to_folder][to] = what
            self.pending[to_folder].append(((name, to) if folder == to_folder else to, what))
        elif call.name == "unlink" and name in self.now[folder]:
            self.do(folder, name, None)
        else:
            return False
        return True

    def states(self):
        """Every tree {path: bytes} that may be found now, without what nobody reads: temporary files and locks."""
        begun = [folder for folder, ops in self.pending.items() if ops]
        for lengths in itertools.product(*(range(len(self.pending[f]) + 1) for f in begun)):
            done = dict(zip(begun, lengths))
            names = {path: file for path, file in self.tree(self.root, done).items() if is_read(path)}
            unsure = [path for path, file in names.items() if len(file.variants()) > 1]
            for choice in itertools.product(*(range(len(names[path].variants())) for path in unsure)):
                chosen = dict(zip(unsure, choice))
                yield {path: file.variants()[chosen.get(path, 0)] for path, file in names.items()}

    def tree(self, folder, done):
        found = {}
        here = dict(self.sure[folder])
        for name, what in self.pending[folder][: done.get(folder, 0)]:
            if isinstance(name, tuple):
                here.pop(name[0], None)
                name = name[1]
            if what is None:
                here.pop(name, None)
            else:
                here[name] = what
        for name, what in here.items():
            if isinstance(what, File):
                found[os.path.join(folder, name)] = what
            else:
                found.update(self.tree(what, done))
        return found


def is_read(path):
    name = os.path.basename(path)
    return ".tmp-" not in name and name != ".lock"


class Promises:
    """What must be found: kept beside the disk while the trace goes on."""

    def __init__(self, disk):
        self.versions = {}  # path: contents it had under that name, in order
        self.least = {}  # path: index of the oldest version that may still be found; -1: nothing yet
        for path, file in disk.tree(disk.root, {}).items():
            self.versions[path], self.least[path] = [bytes(file.data)], 0
        self.renamed = {}  # folder: paths renamed into it since its last fsync

    def see(self, call, disk):
        if call.result < 0:
            return
        if call.name == "rename":
            folder, name = os.path.split(call.other)
            if folder in disk.now and name in disk.now[folder]:
                self.versions.setdefault(call.other, []).append(bytes(disk.now[folder][name].data))
                self.renamed.setdefault(folder, []).append(call.other)
        elif call.name == "fsync" and call.path in disk.now:
            for path in self.renamed.pop(call.path, []):
                self.least[path] = len(self.versions[path]) - 1
        elif call.name == "unlink":
            self.least.pop(call.path, None)

    def broken_by(self, state):
        for path, versions in self.versions.items():
            name = os.path.basename(path)
            found = state.get(path)
            if found is None:
                if path in self.least:
                    yield f"{name} is gone"
                continue
            if name in ("log.jsonl", "events.out.tfevents.voxgrad"):
                continue  # these grow
            allowed = versions[self.least.get(path, 0) :]
            if found not in allowed:
                yield f"{name} is {'an older one than was promised' if found in versions else 'no whole version of it'}"
        for path, found in state.items():
            if os.path.basename(path) == "last.safetensors" and path in self.versions and found in self.versions[path]:
                yield from lines_missing(found, state.get(os.path.join(os.path.dirname(path), "log.jsonl"), b""))


def lines_missing(checkpoint, log):
    (length,) = struct.unpack("<Q", checkpoint[:8])
    step = json.loads(json.loads(checkpoint[8 : 8 + length])["__metadata__"]["training"])["step"]
    logged = set()
    for line in log.split(b"\n"):
        try:
            line = json.loads(line)
        except ValueError:
            continue
        if line.get("type") == "step":
            logged.add(line["step"])
    missing = set(range(1, step + 1)) - logged
    if missing:
        yield f"last.safetensors is of step {step}, and the log lacks the steps {sorted(missing)}"


def walk(before, calls, data, root):
    """All different states, by what a reader sees, and what is wrong with them."""
    disk = Disk(root)
    disk.load(before)
    promises = Promises(disk)
    seen, wrong, points = {}, set(), 0
    for number, call in enumerate(calls):
        if call.kind != "file" or not disk.apply(call, data):
            continue
        promises.see(call, disk)
        following = calls[number + 1] if number + 1 < len(calls) else None
        if call.name == "write" and following and following.name == "write" and following.path == call.path:
            continue  # the states between two writes of a file are among those behind the second
        points += 1
        for state in disk.states():
            key = tuple((p, hash(d)) for p, d in sorted(state.items()))
            promised = (key, tuple(sorted(promises.least.items())))
            if promised in seen:
                continue
            seen[promised] = (key, state)
            wrong.update(promises.broken_by(state))
    return points, list({key: state for key, state in seen.values()}.values()), wrong


class Power:
    def __init__(self, options, work):
        self.options = options
        self.data = os.path.join(work, "data")
        self.now = os.path.join(work, "now")
        self.trace, self.bytes = os.path.join(work, "trace"), os.path.join(work, "bytes")
        os.mkdir(self.data)
        verbs.make_data(options.program, self.data)
        self.wrong = []

    def start(self, verb, arguments, **more):
        env = {**verbs.environment(False), **more}
        return subprocess.run([self.options.program, *arguments], cwd=self.now, capture_output=True, env=env)

    def examine(self, verb):
        out = os.path.join(self.now, "out")
        verbs.lay_out(verb, self.data, self.now)
        before = os.path.join(os.path.dirname(self.now), "before")
        shutil.rmtree(before, ignore_errors=True)
        shutil.copytree(self.now, before)
        for path in (self.trace, self.bytes):
            if os.path.exists(path):
                os.remove(path)
        done = self.start(verb, verb.arguments, LD_PRELOAD=self.options.injector, VOX_FAULTS_UNDER=self.now, VOX_FAULTS_TRACE=self.trace,
                          VOX_FAULTS_DATA=self.bytes)
        if done.returncode != 0:
            raise SystemExit(f"{verb.name}: exit {done.returncode}: {done.stderr.decode()}")
        unbroken = contents.of_tree(self.now, verb.new)
        with open(self.bytes, "rb") as file:
            data = file.read()
        calls = trace.read(self.trace)
        verbs.lay_out(verb, self.data, self.now)
        points, states, wrong = walk(self.now, calls, data, self.now)
        self.wrong += [f"{verb.name}: {text}" for text in sorted(wrong)]
        self.check_that_it_can_fail(verb, calls, data)
        chosen = states if self.options.most == 0 else random.Random(self.options.seed).sample(states, min(self.options.most, len(states)))
        for state in chosen:
            self.go_on(verb, state, unbroken, out)
        print(f"{verb.name}: {len(calls)} calls, {points} moments, {len(states)} states, {len(chosen)} gone on from")

    def check_that_it_can_fail(self, verb, calls, data):
        """Without an fsync of some kind the model finds something."""
        kinds = {"of files": lambda c: ".tmp-" in c.path, "of folders": lambda c: "." not in os.path.basename(c.path)}
        if verb.name in ("train", "resume"):
            kinds["of the log"] = lambda c: c.path.endswith("log.jsonl")
        for what, is_it in kinds.items():
            fewer = [c for c in calls if not (c.name == "fsync" and is_it(c))]
            if len(fewer) == len(calls):
                self.wrong.append(f"{verb.name}: no fsync {what} in its trace")
            elif what == "of folders":
                if not trace.order_faults(fewer):
                    self.wrong.append(f"{verb.name}: a trace without fsyncs {what} is not found wanting")
            elif not walk(self.now, fewer, data, self.now)[2]:
                self.wrong.append(f"{verb.name}: a trace without fsyncs {what} is not found wanting")

    def go_on(self, verb, state, unbroken, out):
        verbs.lay_out(verb, self.data, self.now)
        shutil.rmtree(out, ignore_errors=True)
        for path, held in state.items():
            if path.startswith(out + os.sep):
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "wb") as file:
                    file.write(held)
        arguments = [a for a in verb.arguments if a != "--resume"]
        if verb.name in ("train", "resume") and os.path.exists(os.path.join(out, "last.safetensors")):
            arguments.append("--resume")
        done = self.start(verb, arguments)
        said = done.stderr.decode(errors="replace")
        finished = "epochs are done" in said
        if done.returncode != 0 and not finished:
            self.wrong.append(f"{verb.name}: exit {done.returncode} after a loss of power: {said[-200:]}")
            return
        left = contents.of_tree(self.now, verb.new)
        for name, wanted in unbroken.items():
            if finished and not name.endswith("last.safetensors"):
                continue
            if contents.without_starts(left.get(name)) != contents.without_starts(wanted):
                self.wrong.append(f"{verb.name}: {name} is not that of an unbroken run after a loss of power")


def conclude(wrong):
    """Prints the findings, and ends: 1 where there are any."""
    for text in wrong:
        print(text)
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = resource.getrusage(resource.RUSAGE_SELF)
    print(f"{len(wrong)} findings; {spent.ru_utime + spent.ru_stime + own.ru_utime:.0f} s of processor time")
    sys.exit(bool(wrong))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--injector", required=True)
    parser.add_argument("--most", type=int, default=6, help="states of each verb from which it goes on; 0: all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--verbs", default="prepare,train,resume")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        power = Power(options, os.path.realpath(work))
        for verb in verbs.VERBS:
            if verb.name in options.verbs.split(","):
                power.examine(verb)
    conclude(power.wrong)


if __name__ == "__main__":
    main()
