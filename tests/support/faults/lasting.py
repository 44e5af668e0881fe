"""What fails and stays so, from any call of a verb on; and a second fault behind a first. See README.md."""

import errno
import os
import random

import again
from rules import Excuse, leaves, swallowed, writes

# What a disk, or a process, has come to: the errno, and the calls that end with it (all, where none is named).
STATES = {
    "full": ("ENOSPC", ["write", "fwrite", "mkdir"]),
    "without room for names": ("ENOSPC", ["create", "mkdir", "symlink", "rename"]),
    "read-only": ("EROFS", ["create", "write", "fwrite", "mkdir", "symlink", "rename", "unlink", "rmdir", "truncate", "fsync"]),
    "gone": ("EIO", []),
    "without descriptors": ("EMFILE", ["open", "create", "opendir"]),
    "without attributes": ("EIO", ["stat", "fstat"]),
    "unreadable": ("EACCES", ["open", "opendir"]),
    "unlisted": ("EACCES", ["opendir"]),
}
SECOND = ["EIO", "ENOSPC", "EACCES"]
GOES_ON = {"prepare", "train", "resume", "predict", "evaluate", "report", "convert"}  # those that may be run again over what is there


def judge(judge, verb):
    """Every state from every call on that it changes, and as many pairs of faults; or a sample of each."""
    most = judge.options.most_lasting
    chance = random.Random(judge.options.seed)
    tries = []
    for state, (number, names) in STATES.items():
        only = f":{'/'.join(names)}" if names else ""
        tries += [(state, f"file:{c.number}+:{number}{only}") for c in judge.calls if not names or c.name in names]
    pairs = []
    for _ in range(len(tries)):
        first, second = chance.choice(judge.calls).number, chance.randint(1, 8)
        a, b = chance.choice(SECOND), chance.choice(SECOND)
        pairs.append(("twice", f"file:{first}:{a},file:{first + second}:{b}"))
    if most:
        tries = always(tries, judge.calls) + (tries if len(tries) <= most else chance.sample(tries, most))
        pairs = pairs[:most]
    for state, fail in tries + pairs:
        fail_lasting(judge, verb, state, fail)


def always(tries, calls):
    """Those in every sample, where no chance may leave them out: nothing has attributes, from the first call on, and from the lock on;
    nothing can be read, from the first file on; no folder can be listed, from the last one on."""
    locked = next((c.number for c in calls if c.path.endswith("/.lock")), 0)
    bare = [t for t in tries if t[0] == "without attributes"]
    behind = [t for t in bare if locked and int(t[1].split(":")[1][:-1]) > locked]
    opened = next((c.number for c in calls if c.name == "open" and not os.path.isdir(c.path)), 0)
    unread = [t for t in tries if t[0] == "unreadable" and int(t[1].split(":")[1][:-1]) == opened]
    unlisted = [t for t in tries if t[0] == "unlisted"]
    return list(dict.fromkeys(bare[:1] + behind[:1] + unread + unlisted[-1:]))


def fail_lasting(judge, verb, state, fail):
    code, out, err, calls = judge.run(verb, VOX_FAULTS_UNDER=judge.now, VOX_FAULTS_FAIL=fail)
    hit = [c for c in calls if c.faulty]
    judge.ends[f"lasting: exit {code}"] += 1
    where = f"{verb.name}: {state}, {fail}"
    judge.wrong += [f"{where}: {text}" for text in faults_of(judge, verb, state, hit, code, out, err)]
    if verb.by_case and code == 3:
        judge.wrong += [f"{where}: exit 3, and nothing is said of {name}" for name in unnamed(judge, calls, err + out)]
    if verb.name in GOES_ON and code is not None:
        code, _, err, _ = judge.run(verb, again.arguments_of(verb, judge.now))
        judge.wrong += [f"{where}, run again: {text}" for text in again.findings(verb, judge.now, code, err, judge.usual[1])]


def faults_of(judge, verb, state, hit, code, out, err):
    if code is None:
        yield "hangs"
        return
    if code < 0:
        yield f"ended by signal {-code}"
        return
    real = [c for c in hit if not swallowed(c.name, errno.errorcode[c.errno], c.path)]
    excuse = Excuse(leaves=state == "gone" or any(leaves(c) or c.name == "truncate" for c in hit), passed_over=not real, writes=any(writes(c, judge.calls) for c in real))
    yield from judge.judge_files(verb, excuse, code, out)
    if code == 0:
        if verb.same_stdout and out != judge.usual[0] and real:
            yield "says something else"
        return
    said = err + (out if verb.by_case else "")
    if code not in (2, 3):
        yield f"exit {code}: {said.strip()[-200:]}"
    if "voxgrad: " not in err and not verb.by_case:
        yield f"exit {code} and no message"
    if not any(os.strerror(c.errno) in said for c in hit):
        yield f"exit {code}, and the message gives no reason: {said.strip()[-200:]}"
    if not any(name in said for c in hit for name in names_of(c, judge.now)):
        yield f"exit {code}, and the message names no file: {said.strip()[-200:]}"


def unnamed(judge, calls, said):
    """Of several cases the files of which nothing is said, though they could not be opened the last time it was tried."""
    last = {c.path: c for c in calls if c.name == "open" and not os.path.isdir(c.path)}
    for path, call in last.items():
        if call.faulty and not any(name in said for name in names_of(call, judge.now)):
            yield os.path.basename(path)


def names_of(call, now):
    """By which a message may name the file of a call: its own, that of which it is a temporary one, that of its folder. Of a
    folder that cannot be synced it names the file that was renamed in it."""
    base = os.path.basename(call.path)
    if call.name in ("open", "fsync", "fstat") and os.path.isdir(call.path):
        return {""}
    if call.path == now:
        return {"voxgrad: .: ", now}  # as it is called there
    return {base, base.lstrip(".").split(".tmp-")[0], os.path.basename(os.path.dirname(call.path))} - {""}
