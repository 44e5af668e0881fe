#!/usr/bin/env python3
"""A page of benchmarks/results from what tools/gpu_check.sh left: its summary, the steps, PyTorch beside them, every kernel.

  python3 benchmarks/output/gpu_results.py FOLDER... >> benchmarks/results/CARD.md
"""
import json
import os
import sys


def read(folders, name):
    """The last folder that has the file."""
    for folder in reversed(folders):
        path = os.path.join(folder, name)
        if os.path.exists(path):
            with open(path, encoding="utf-8") as f:
                return json.load(f) if name.endswith(".json") else f.read()
    return None


def table(head, rows):
    print("| " + " | ".join(head) + " |")
    print("|" + "|".join(":--" if i == 0 else "--:" for i in range(len(head))) + "|")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def steps(report):
    rows = [[r["work"] + (" as a graph" if "graph_ms" in r else ""), r["dtype"], str(r["batch"]), f"{r['ms']:.2f}", f"{1e3 * r['batch'] / r['ms']:.1f}",
             f"{r['peak_tensor_bytes'] / 2**20:.0f}"] for r in report["rows"] if r["program"] == "voxgrad" and "ms" in r]
    if rows:
        table(["work", "type", "batch", "ms", "volumes/s", "MiB of tensors"], rows)


def beside_torch(report):
    print(f"{report['facts'].get('torch', 'PyTorch')}; {report['facts']['rounds']} rounds in turns; ratio: PyTorch's time over "
          "ours, median (quartiles).\n")
    ours = {(r["dtype"], r["batch"]): r for r in report["rows"] if r["program"] == "voxgrad" and "ms" in r}
    rows = []
    for r in report["rows"]:
        mine = ours.get((r["dtype"], r["batch"]))
        if r["program"] == "voxgrad":
            continue
        row = [r["dtype"], str(r["batch"]), r["program"]]
        if "ratio" in r and mine:
            row += [f"{mine['ms']:.2f}", f"{r['ms']:.2f}",
                    f"{r['ratio']:.2f} ({r['ratio_lower_quartile']:.2f} to {r['ratio_upper_quartile']:.2f})",
                    f"{mine['peak_tensor_bytes'] / 2**20:.0f}", f"{r['peak_tensor_bytes'] / 2**20:.0f}"]
        else:
            row += ["-"] * 5
        rows.append(row)
    table(["type", "batch", "program", "ours ms", "theirs ms", "ratio", "ours MiB", "theirs MiB"], rows)


def kernels(report):
    print(f"Ceilings of the same run: {report['facts']['ceilings']}.\n")
    by_shape = {}
    for r in report["rows"]:
        if "ms" in r:
            by_shape.setdefault((r["op"], r["pass"], r["shape"], r["dtype"]), {})[r["batch"]] = r
    batches = sorted({r["batch"] for r in report["rows"]})
    rows = []
    for (op, part, shape, dtype), found in by_shape.items():
        row = [f"{op} {part} {shape}", dtype]
        for n in batches:
            r = found.get(n)
            if r is None:
                row += ["-", "-", "-"]
                continue
            rate = f"{r['gflop_per_s'] / 1e3:.0f} TFLOP/s" if r["flops"] else ""
            row += [f"{1e3 * r['ms']:.1f}", rate, f"{r['gb_per_s']:.0f}"]
        rows.append(row)
    table(["kernel", "type"] + [f"{what}, {n}" for n in batches for what in ("us", "rate", "GB/s")], rows)


def beside_nvidia(report):
    rows = []
    for r in report["rows"]:
        best = min(((r[f"{word}_ms"], word) for word in ("cudnn", "cublas") if f"{word}_ms" in r), default=None)
        if best:
            rows.append([f"{r['op']} {r['pass']} {r['shape']}", r["dtype"], str(r["batch"]), f"{1e3 * r['ms']:.1f}",
                         f"{1e3 * best[0]:.1f} ({best[1]} {r[best[1] + '_way']})", f"{r[best[1] + '_ratio']:.2f}"])
    if rows:
        who = ", ".join(report["facts"][word] for word in ("cudnn", "cublas") if word in report["facts"])
        print(f"{who}: the fastest of the plans tried; ratio: theirs over ours.\n")
        table(["kernel", "type", "batch", "ours us", "theirs us", "ratio"], rows)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    folders = sys.argv[1:]
    summaries = [read([folder], "summary.txt") or "" for folder in folders]
    print("```\n" + "\n".join(line[:150] for s in summaries for line in s.splitlines()[:2]) + "\n```\n")
    for name, show in (("steps.json", steps), ("graph.json", steps), ("predict.json", steps), ("recompute.json", steps),
                       ("torch.json", beside_torch), ("torch_f32.json", beside_torch), ("kernels.json", kernels), ("cudnn.json", beside_nvidia)):
        report = read(folders, name)
        if report:
            show(report)


if __name__ == "__main__":
    main()
