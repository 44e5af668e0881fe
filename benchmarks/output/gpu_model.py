#!/usr/bin/env python3
"""What the counts of vox_counts let an H100 or H200 take, beside what an H100 took: a Markdown table.

  vox_counts --ptx build/ptx/sm_90a --size 128 --dtype bf16 --blocks 3 --blank > counts.csv
  vox_counts --ptx build/ptx/sm_90a --size 128 --dtype bf16 --blocks 3 --blank --layers --op conv3d --pass grad-input > layers.csv
  python3 benchmarks/output/gpu_model.py counts.csv [--measured benchmarks/results/h100.md] [--step layers.csv]

Of each launch the longest of these times, on the multiprocessor that has most blocks:
  issue    warp instructions (of PTX), four a clock
  mma      products of 16x8x16 at the rate mma.sync was measured to have
  shared   wavefronts of shared memory, one a clock
  L2       sectors, at the rate that reading from the L2 cache was measured to have
The launches of a pass are added, LAUNCH each; memory then allows no less than the least bytes of the pass, or what it touches where
that is less, at the rate of a copy. Packing of weights is left out, as it is in the measured table.

--step: instead of a table of passes one of a training step of the seed network, which is the sum of its passes and of Adam's. The
second file has what convolutions do whose kernels take the gradient sums of the batch norm before them in passing.
"""
import argparse
import collections
import csv
import math
import re

MULTIPROCESSORS = 132
CLOCK = 1.755e9
PRODUCTS = 638e12 / (2 * 16 * 8 * 16)  # a second
L2 = 4947e9  # bytes a second, as measured on an H100
COPY = {"H100": 3030e9, "H200": 3030e9 * 4.8 / 3.35}  # measured; as much more as its nominal rate is
PARAMETERS = 5647732  # of the seed network
PACKED_BYTES = 3 * 22.7e6  # f32 weights read twice, both orders in bf16 written
LAUNCH = 3e-6  # what the smallest passes were measured to take, by their launches
OPERATORS = {"conv3d": "conv", "conv3d_concat": "conv", "conv_transpose3d": "up", "max_pool3d": "max_pool"}


def number(row, *keys):
    return sum(float(row[k]) for k in keys)


def sector_bytes(row):
    """Of one launch, whatever finds them in which cache."""
    sectors = number(row, *(k + "_pieces" for k in ("loads", "stores", "copies")))
    return 32 * sectors * float(row["blocks"]) / float(row["blocks_run"])


def bounds(row):
    """Seconds of one launch, by what binds it."""
    ran = float(row["blocks_run"])
    most = math.ceil(float(row["blocks"]) / MULTIPROCESSORS) / ran  # blocks of the fullest multiprocessor, by those that were counted
    wavefronts = number(row, *(k + "_pieces" for k in ("shared_loads", "shared_stores", "matrix_loads", "copied")))
    return {"issue": number(row, "all") * most / (4 * CLOCK),
            "mma": number(row, "product") * most * MULTIPROCESSORS / PRODUCTS,
            "shared": wavefronts * most / CLOCK,
            "L2": sector_bytes(row) / L2}


def line_of(op, direction, shape):
    """As the measured table names it: conv forward 32-16 128^3."""
    channels, extent = shape.split("@")
    head = extent.endswith("k1")
    channels = re.sub(r"^(\d+)\+(\d+)-", lambda m: f"{int(m[1]) + int(m[2])}-", channels)
    name = "head" if head else OPERATORS.get(op, op)
    if name == "concat":
        channels = channels.split("+")[0]
    if name not in ("conv", "up", "head"):
        direction = {"grad-input": "backward"}.get(direction, direction)
        if name == "dropout":
            direction = ""
    return " ".join(f"{name} {direction.replace('-', ' ')} {channels} {extent.removesuffix('k1')}".split())


def read(path, *keys):
    """Lines of vox_counts by these columns."""
    found = collections.defaultdict(list)
    with open(path, newline="", encoding="utf-8") as f:
        for row in csv.DictReader(f):
            found[tuple(row[k] for k in keys)].append(row)
    return found


def measured_of(path):
    """Microseconds at batch 1 of the last table that has a line, by its name and type."""
    found = {}
    heading = ""
    with open(path, encoding="utf-8") as f:
        for text in f:
            heading = text if text.startswith("## ") else heading
            cells = [c.strip() for c in text.strip().strip("|").split("|")]
            if heading.startswith("## Every kernel") and len(cells) == 8 and re.fullmatch(r"[0-9.]+", cells[2]):
                found[cells[0], cells[1]] = float(cells[2])
    return found


def step_passes(op, shape):
    """How often a training step of the seed network has this pass: 0 for what its fused layers do not run."""
    channels, extent = shape.split("@")
    if op == "conv3d":
        one, other = channels.split("-")
        twice = one == other and one != "256"  # the second convolution of an encoder's block, and of a decoder's
        return 2 if twice else 1
    if op == "batch_norm_relu":
        return 2 if channels == "256" else 4
    return 1 if op in ("conv3d_concat", "conv_transpose3d", "max_pool3d", "dice_focal_loss") else 0


def group_of(op, direction):
    if op.startswith("conv") and direction == "grad-weight":
        return "weight gradients"
    names = {"batch_norm_relu": "batch norm and ReLU", "max_pool3d": "pooling", "dice_focal_loss": "loss"}
    return names.get(op, "convolutions and gradients of their inputs")


def predict(rows, least_bytes):
    """Seconds by GPU, and the sums of the bounds of a pass's launches."""
    of_launch = [bounds(r) for r in rows]
    sums = {k: sum(b[k] for b in of_launch) for k in of_launch[0]}
    inside = sum(max(b.values()) for b in of_launch)
    moved = min(least_bytes, sum(sector_bytes(r) for r in rows))
    memory = {gpu: moved / rate for gpu, rate in COPY.items()}
    total = {gpu: max(inside, t) + LAUNCH * len(rows) for gpu, t in memory.items()}
    return total, sums, inside, memory


def taken_by(rows):
    """The launches of a gradient of a convolution's input, of the backward pass of two layers, if it took the first one's sums."""
    taken = sum(r["kernel"].startswith("batch_norm_gradient_runs") for r in rows) == 1
    return [r for r in rows if r["kernel"].startswith(("convolve_", "sum_shares"))] if taken else []


def print_step(passes, layers):
    groups = collections.defaultdict(collections.Counter)
    batch = 1
    for (op, direction, shape, dtype), rows in passes.items():
        times = step_passes(op, shape)
        if times:
            batch = int(rows[0]["batch"])
            rows = [r for r in rows if not r["kernel"].startswith("pack_")]
            least = float(rows[0]["least_bytes"])
            channels, extent = shape.split("@")
            parts = [(times, rows, least)]
            if (op, direction) == ("batch_norm_relu", "forward"):  # the convolution took the statistics
                parts = [(times, [r for r in rows if not r["kernel"].startswith("moments_of_runs")], least * 2 / 3)]
            if (op, direction) == ("batch_norm_relu", "grad-input") and taken_by(layers[f"{channels}-{channels}@{extent}", dtype]):
                shorter = [r for r in rows if not r["kernel"].startswith("batch_norm_gradient_runs")]
                parts = [(times / 2, rows, least), (times / 2, shorter, least * 3 / 5)]  # of the first layers of blocks
            taken = taken_by(layers[shape, dtype]) if (op, direction) == ("conv3d", "grad-input") else []
            if taken:  # reads the batch norm's input, too, which is as large as what it writes
                voxels = batch * math.prod([int(extent.split("^")[0])] * 3)
                parts = [(times, taken, least + 2 * voxels * int(channels.split("-")[1]))]
            for of_these, part, bytes_of_part in parts:
                for gpu, seconds in predict(part, bytes_of_part)[0].items():
                    groups[group_of(op, direction)][gpu] += of_these * seconds
                groups[group_of(op, direction)]["launches"] += int(of_these * len(part))
    bytes_of_adam = 7 * 4 * PARAMETERS + 4 * PARAMETERS  # its step, and the gradients' squares before it
    for gpu, rate in COPY.items():
        groups["Adam"][gpu] = bytes_of_adam / rate + 3 * LAUNCH
        groups["packing weights"][gpu] = PACKED_BYTES / rate + LAUNCH
    groups["Adam"]["launches"] = 3
    groups["packing weights"]["launches"] = 1
    print(f"| batch {batch} | launches | H100 us | H200 us |\n|:--|--:|--:|--:|")
    for name, g in groups.items():
        print(f"| {name} | {g['launches']} | {1e6 * g['H100']:.0f} | {1e6 * g['H200']:.0f} |")
    whole = {gpu: sum(g[gpu] for g in groups.values()) for gpu in COPY}
    print(f"| step | {sum(g['launches'] for g in groups.values())} | " + " | ".join(f"{1e6 * t:.0f}" for t in whole.values()) + " |")
    print("| volumes/s | | " + " | ".join(f"{batch / t:.0f}" for t in whole.values()) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv")
    parser.add_argument("--step", metavar="LAYERS_CSV")
    parser.add_argument("--measured", default="benchmarks/results/h100.md")
    args = parser.parse_args()
    measured = measured_of(args.measured)
    passes = read(args.csv, "op", "pass", "shape", "dtype")
    if args.step:
        return print_step(passes, read(args.step, "shape", "dtype"))
    print("| pass | launches | issue us | mma us | shared us | L2 us | memory us | binds | H100 us | measured us | measured / predicted | H200 us |")
    print("|:--|" + "--:|" * 6 + ":--|" + "--:|" * 4)
    printed = set()
    for (op, direction, shape, dtype), rows in passes.items():
        rows = [r for r in rows if not r["kernel"].startswith("pack_")]
        total, sums, inside, memory = predict(rows, float(rows[0]["least_bytes"]))
        binds = max(sums, key=sums.get) if inside > memory["H100"] else "memory"
        name = line_of(op, direction, shape)
        if (name, dtype) in printed:  # dropout's two passes are one
            continue
        printed.add((name, dtype))
        took = measured.get((name, dtype))
        if name.startswith("batch_norm forward") and took:  # measured in two lines
            took += measured[name.replace("forward", "statistics"), dtype]
        beside = f"{took:.1f} | {took / total['H100'] / 1e6:.2f}" if took else "- | -"
        print(f"| {name} | {len(rows)} | " + " | ".join(f"{1e6 * sums[k]:.1f}" for k in sums)
              + f" | {1e6 * memory['H100']:.1f} | {binds} | {1e6 * total['H100']:.1f} | {beside} | {1e6 * total['H200']:.1f} |")


if __name__ == "__main__":
    main()
