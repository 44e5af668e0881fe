"""For script tests: many cases for the disk space of a few.
linked_cases.py RAW FOLDER COUNT: so many in FOLDER, hard links to those in RAW; and their labels alone in FOLDER.labels"""

import os
import sys

raw, folder, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
of = [(c, sorted(os.listdir(os.path.join(raw, c)))) for c in sorted(os.listdir(raw)) if os.path.isdir(os.path.join(raw, c))]
os.makedirs(folder + ".labels")
for n in range(count):
    case, files = of[n % len(of)]
    name = f"Case_{n:05}"
    os.makedirs(os.path.join(folder, name))
    for f in files:
        os.link(os.path.join(raw, case, f), os.path.join(folder, name, f.replace(case, name)))
        if "_seg" in f:
            os.link(os.path.join(raw, case, f), os.path.join(folder + ".labels", name + f[f.index("."):]))
