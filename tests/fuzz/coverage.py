#!/usr/bin/env python3
"""What all fuzz targets together reach of the sources whose edges are counted, from what libFuzzer's -print_coverage=1 says of each:
functions entered (a template counts once), and edges, of which the sanitizers' own and those of exceptions that memory alone
raises cannot all be taken. Then the functions that no input of any target entered.

  python3 tests/fuzz/coverage.py LOG...     (tests/fuzz/run.sh --coverage makes them)
"""
import re
import sys
from collections import Counter, defaultdict

FUNCTION = re.compile(r"^(UN)?COVERED_FUNC: hits: \d+ edges: \d+/(\d+) (.*) (\S+):(\d+)$")
LINE = re.compile(r"^\s+UNCOVERED_PC: (\S+):(\d+)$")
OURS = re.compile(r"^(benchmarks|data|engine|kernels|model|tools|tests/simt)/")


def read(path):
    """Of each function, by file, line and name: its edges, and the lines of those not taken; None where it was not entered."""
    functions, lines = {}, None
    with open(path, errors="replace") as log:
        for text in log:
            if found := FUNCTION.match(text):
                lines = None if found[1] else Counter()
                functions[found[4].split("/./")[-1], int(found[5]), found[3]] = (int(found[2]), lines)
            elif (found := LINE.match(text)) and lines is not None:
                lines[int(found[2])] += 1
    return functions


edges, missed = {}, {}
for path in sys.argv[1:]:
    for function, (count, lines) in read(path).items():
        edges[function] = count
        before = missed.get(function)
        missed[function] = before if lines is None else lines if before is None else before & lines

files = defaultdict(lambda: [0, 0, {}])  # edges reached, edges, of each line with a function: entered, and its name
for function, count in edges.items():
    file, line, name = function
    if not OURS.match(file):
        continue
    entry = files[file]
    entry[0] += 0 if missed[function] is None else count - sum(missed[function].values())
    entry[1] += count
    entered = missed[function] is not None or entry[2].get(line, (False, ""))[0]
    entry[2][line] = (entered, name)


def row(name, of_files):
    entered = sum(e for f in of_files for e, _ in f[2].values())
    functions = sum(len(f[2]) for f in of_files)
    print(f"{name:44} {entered:9} {functions:5} {sum(f[0] for f in of_files):9} {sum(f[1] for f in of_files):7}")


print(f"{'file':44} {'functions':>9} {'of':>5} {'edges':>9} {'of':>7}")
for file, found in sorted(files.items()):
    row(file, [found])
rooms = defaultdict(list)
for file, found in sorted(files.items()):
    rooms[file.rsplit("/", 1)[0] + "/"].append(found)
for room, found in rooms.items():
    row(room, found)
row("all", list(files.values()))
for file, (_, _, functions) in sorted(files.items()):
    for line, (entered, name) in sorted(functions.items()):
        if not entered:
            print(f"never entered: {file}:{line} {name}")
