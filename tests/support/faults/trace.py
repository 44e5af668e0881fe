"""The injector's trace, and whether files are written in an order that lasts through a loss of power."""

import dataclasses
import os


@dataclasses.dataclass
class Call:
    number: int
    kind: str
    name: str
    path: str
    other: str
    result: int
    errno: int
    faulty: bool
    at: int
    data: int


def read(path):
    if not os.path.exists(path):
        return []
    calls = []
    with open(path, errors="surrogateescape") as file:
        for line in file:
            f = line.rstrip("\n").split("\t")
            calls.append(Call(int(f[0]), f[1], f[2], f[3], f[4], int(f[5]), int(f[6]), f[7] == "fault", int(f[8]), int(f[9])))
    calls.sort(key=lambda c: c.number)
    return calls


def order_faults(calls):
    """A file that is renamed has been synced since it was last written, and its folder is synced after the rename."""
    wrong = []
    dirty = set()  # written, not synced
    renamed = {}  # folder: what was renamed into it since it was synced
    for c in calls:
        if c.kind != "file" or c.result < 0:
            continue
        if c.name in ("write", "fwrite") or (c.name == "create" and ".tmp-" in c.path):
            dirty.add(c.path)
        elif c.name == "fsync":
            dirty.discard(c.path)
            renamed.pop(c.path, None)
        elif c.name == "rename":
            if c.path in dirty:
                wrong.append(f"{c.other}: was renamed before it was synced")
            dirty.discard(c.path)
            renamed.setdefault(os.path.dirname(c.other), []).append(c.other)
    for names in renamed.values():
        wrong.extend(f"{name}: was renamed, and its folder never synced" for name in names)
    return wrong
