#!/usr/bin/env python3
"""The kernels of one step, from ncu's raw CSV: where the time goes, most first.

  ncu --profile-from-start off --csv --page raw --metrics ... vox_bench step --nsight ... > step.csv
  python3 benchmarks/output/gpu_profile.py step.csv [--lines 25]
"""
import argparse
import collections
import csv
import re

TIME = "gpu__time_duration.sum"
SHARES = {"issue": "smsp__issue_active.avg.pct_of_peak_sustained_active", "sm": "sm__throughput.avg.pct_of_peak_sustained_elapsed",
          "l1": "l1tex__throughput.avg.pct_of_peak_sustained_active", "warps": "sm__warps_active.avg.pct_of_peak_sustained_active"}


def short(name):
    """A kernel's name without namespaces and the types of its parameters."""
    name = re.sub(r"vox::|cuda_gpu::|gpu::|\(anonymous namespace\)::", "", name)
    name = re.sub(r"^void ", "", name)
    return re.sub(r"\((?![^<]*>)[^()]*(\([^()]*\)[^()]*)*\)$", "", name)


def number(row, key):
    try:
        return float(row[key].replace(",", ""))
    except (KeyError, ValueError):
        return 0.0


def launches(path):
    with open(path, newline="") as f:
        lines = [line for line in f if line.startswith('"')]
    reader = csv.reader(lines)
    header = next(reader)
    next(reader)  # units
    for values in reader:
        yield dict(zip(header, values))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv")
    parser.add_argument("--lines", type=int, default=25)
    args = parser.parse_args()
    groups = collections.defaultdict(list)
    for row in launches(args.csv):
        groups[(short(row["Kernel Name"]), row.get("Grid Size", ""))].append(row)
    ranked = sorted(groups.items(), key=lambda item: -sum(number(r, TIME) for r in item[1]))
    total = sum(number(r, TIME) for rows in groups.values() for r in rows)
    print(f"   {sum(map(len, groups.values()))} launches, {total / 1e6:.3f} ms in kernels")
    print(f"   {'us':>8} {'%':>5} {'n':>3} {'GB/s':>6} {'L2GB/s':>6} " + " ".join(f"{k:>5}" for k in SHARES) + "  kernel, grid")
    for (name, grid), rows in ranked[:args.lines]:
        ns = sum(number(r, TIME) for r in rows)
        dram = sum(number(r, "dram__bytes.sum") for r in rows) / ns
        cached = sum(number(r, "lts__t_bytes.sum") for r in rows) / ns
        shares = [sum(number(r, key) * number(r, TIME) for r in rows) / ns for key in SHARES.values()]
        print(f"   {ns / 1e3:8.1f} {100 * ns / total:5.1f} {len(rows):3d} {dram:6.0f} {cached:6.0f} "
              + " ".join(f"{s:5.0f}" for s in shares) + f"  {name[:70]} {grid.replace(' ', '')}")


if __name__ == "__main__":
    main()
