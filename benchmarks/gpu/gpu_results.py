#!/usr/bin/env python3
"""A page of benchmarks/results from what tools/gpu_check.sh left: its summary, the steps, PyTorch beside them, every kernel.

  python3 benchmarks/gpu/gpu_results.py FOLDER... >> benchmarks/results/CARD.md
"""
import json
import os
import re
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


def steps(summary):
    pattern = re.compile(r"^ +(train|infer) +(\w+) n=(\d+) +([\d.]+) ms \(lowest ([\d.]+)\) +([\d.]+) vol/s +(\d+) MiB", re.M)
    rows = [[what, dtype, n, ms, rate, mib] for what, dtype, n, ms, _, rate, mib in pattern.findall(summary)]
    if rows:
        table(["work", "type", "batch", "ms", "volumes/s", "MiB of tensors"], rows)


def beside_torch(report):
    print(f"PyTorch {report['torch']}, CUDA {report['cuda']}, cuDNN {report['cudnn']}; {report['rounds']} rounds of "
          f"{report['steps_per_round']} steps each, in turns; ratio: PyTorch's time over ours, median (lowest to highest).\n")
    rows = []
    for r in report["rows"]:
        way = "torch.compile" if r["compiled"] else "eager"
        if "ratio" in r:
            rows.append([r["mode"], str(r["batch"]), way, f"{r['ours_ms']:.2f}", f"{r['theirs_ms']:.2f}",
                         f"{r['ratio']:.2f} ({r['ratio_lowest']:.2f} to {r['ratio_highest']:.2f})",
                         f"{r['ours_peak_mib']:.0f}", f"{r.get('theirs_peak_mib', 0):.0f}"])
        else:
            rows.append([r["mode"], str(r["batch"]), way, *(["-"] * 5)])
    table(["type", "batch", "PyTorch", "ours ms", "theirs ms", "ratio", "ours MiB", "theirs MiB"], rows)


def kernels(report):
    c = report["ceilings"]
    print(f"Ceilings of the same run: copy {c['copy_gb_per_s']:.0f} GB/s, reading the L2 cache {c['cached_gb_per_s']:.0f} GB/s, "
          f"f32 {c['f32_gflop_per_s'] / 1e3:.1f} TFLOP/s, bf16 mma.sync {c['tensor_gflop_per_s'] / 1e3:.0f} TFLOP/s.\n")
    by_shape = {}
    for r in report["results"]:
        if "us" in r:
            by_shape.setdefault((r["kernel"], r["shape"], r["dtype"]), {})[r["batch"]] = r
    rows = []
    for (kernel, shape, dtype), batches in by_shape.items():
        row = [f"{kernel} {shape}", dtype]
        for n in (1, 16):
            r = batches.get(n)
            if r is None:
                row += ["-", "-", "-"]
                continue
            rate = f"{r['gflop_per_s'] / 1e3:.0f} TFLOP/s" if r.get("gflop_per_s") else ""
            row += [f"{r['us']['median']:.1f}", rate, f"{r['gb_per_s']:.0f}"]
        rows.append(row)
    table(["kernel", "type", "us, 1", "rate, 1", "GB/s, 1", "us, 16", "rate, 16", "GB/s, 16"], rows)


def beside_cudnn(report):
    rows = []
    for r in report["results"]:
        best = min(((v["us"], k) for k, v in r.get("rivals", {}).items()), default=None)
        if best:
            ratio = r["rivals"][best[1]]["ratio"]
            rows.append([f"{r['kernel']} {r['shape']}", r["dtype"], str(r["batch"]), f"{r['us']['median']:.1f}",
                         f"{best[0]:.1f} ({best[1]})", f"{ratio['median']:.2f}"])
    if rows:
        print(f"cuDNN {report['cudnn']}, cuBLAS {report['cublas']}: the fastest of the plans tried; ratio: theirs over ours.\n")
        table(["kernel", "type", "batch", "ours us", "theirs us", "ratio"], rows)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    folders = sys.argv[1:]
    summaries = [read([folder], "summary.txt") or "" for folder in folders]
    print("```\n" + "\n".join(line[:150] for s in summaries for line in s.splitlines()[:2]) + "\n```\n")
    steps("\n".join(summaries))
    for name in ("torch.json", "torch_f32.json"):
        report = read(folders, name)
        if report and report.get("torch"):
            beside_torch(report)
    for name, show in (("kernels.json", kernels), ("cudnn.json", beside_cudnn)):
        report = read(folders, name)
        if report:
            show(report)


if __name__ == "__main__":
    main()
