#!/usr/bin/env python3
"""What fuzz targets reach of the sources whose lines are counted: lines, branches and functions (a template counts once) of each
target, of each folder and file by all targets together; then what no input of any target reached.

  python3 tests/fuzz/coverage.py PROGRAM TARGET.profraw...     (tests/fuzz/run.sh --coverage makes them; llvm-profdata, llvm-cov)
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

ROOT = f"{Path(__file__).resolve().parents[2]}/"
OURS = re.compile(r"^(benchmarks|data|engine|kernels|model|tools|tests/simt)/")


def tool(name):
    found = shutil.which(name) or shutil.which(f"{name}-14")
    if not found:
        sys.exit(f"coverage.py: no {name}: apt-get install llvm-14")
    return found


def reached(program, profiles):
    """Of each file: how often each line, each branch and each function (by its line; with a mangled name) was run."""
    with tempfile.TemporaryDirectory() as folder:
        merged = f"{folder}/profile"
        subprocess.run([tool("llvm-profdata"), "merge", "-sparse", "-o", merged, *profiles], check=True)
        text = subprocess.run([tool("llvm-cov"), "export", "-format=lcov", f"-instr-profile={merged}", program],
                              check=True, stdout=subprocess.PIPE, text=True).stdout
    files, functions = {}, {}
    for record in text.splitlines():
        kind, _, rest = record.partition(":")
        fields = rest.split(",")
        if kind == "SF":
            name = rest.split("/./")[-1].removeprefix(ROOT)
            entry = files.setdefault(name, {"lines": {}, "branches": {}, "functions": {}}) if OURS.match(name) else None
            functions = {}
        elif entry is None:
            continue
        elif kind == "FN":
            functions[fields[1]] = int(fields[0])
        elif kind == "FNDA":
            line = functions[fields[1]]
            before = entry["functions"].get(line, (0, fields[1]))
            entry["functions"][line] = (before[0] + int(fields[0]), fields[1])
        elif kind == "DA":
            entry["lines"][int(fields[0])] = int(fields[1])
        elif kind == "BRDA":
            entry["branches"][tuple(fields[:3])] = 0 if fields[3] == "-" else int(fields[3])
    return {name: e for name, e in files.items() if e["lines"]}


def counts(of_files):
    """Lines, branches and functions: how many were run, and how many there are."""
    for kind in ("lines", "branches", "functions"):
        runs = [c[0] if kind == "functions" else c for e in of_files for c in e[kind].values()]
        yield sum(c > 0 for c in runs), len(runs)


def table(what, rows, with_all=True):
    columns = ["lines", "of", "branches", "of", "functions", "of"] if with_all else ["lines", "branches", "functions"]
    print(f"\n| {what} | {' | '.join(columns)} |\n|{'---|' * (1 + len(columns))}")
    for name, of_files in rows:
        cells = [f"{c:,}" for run, there in counts(of_files) for c in ((run, there) if with_all else (run,))]
        print(f"| {name} | {' | '.join(cells)} |")


def spans(lines):
    """Of numbers of lines that follow each other: first and last."""
    found = []
    for line in sorted(lines):
        if found and line == found[-1][1] + 1:
            found[-1][1] = line
        else:
            found.append([line, line])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in found)


program, profiles = sys.argv[1], sys.argv[2:]
table("target", [(os.path.basename(p).removesuffix(".profraw"), reached(program, [p]).values()) for p in profiles], False)
files = dict(sorted(reached(program, profiles).items()))
rooms = defaultdict(list)
for name, entry in files.items():
    rooms[f"`{os.path.dirname(name)}/`"].append(entry)
table("folder", [*rooms.items(), ("all", files.values())])
table("file", [(name, [entry]) for name, entry in files.items()])
print("\nNever entered:")
unentered = [(name, line, f[1]) for name, e in files.items() for line, f in sorted(e["functions"].items()) if f[0] == 0]
names = subprocess.run([tool("llvm-cxxfilt")], input="\n".join(u[2].split(":")[-1] for u in unentered), check=True, stdout=subprocess.PIPE, text=True)
for (file, line, _), name in zip(unentered, names.stdout.splitlines()):
    print(f"{file}:{line} {name}")
print("\nLines never reached, those of such functions too:")
for name, entry in files.items():
    if left := [line for line, count in entry["lines"].items() if count == 0]:
        print(f"{name}: {spans(left)}")
