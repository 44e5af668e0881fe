#!/usr/bin/env python3
"""Scores of one case: `voxgrad bench scores` in turns with medpy, MONAI, surface-distance and NumPy.

    python benchmarks/rivals/scores.py build/voxgrad TRUTH.nii.gz PREDICTION.nii.gz [--rounds 3] [--labels brats2020]

Both files hold 0, 1, 2, 4 and a case whose three regions are in both. Every score is of WT, TC and ET together and is
computed alone, on one thread, files being in memory: the others get boolean masks, ours two volumes of classes of which
it makes its masks itself. What is compared is processor time, which other programs on the machine hardly change. Prints,
per score, the median of each program, and the median over the rounds of the fastest other's time by ours.
"""
import argparse
import csv
import statistics
import subprocess
import tempfile
import time
import warnings

import nibabel
import numpy as np
import torch
from medpy.metric import binary as medpy
from monai.metrics import DiceMetric, HausdorffDistanceMetric, SurfaceDiceMetric

warnings.simplefilter("ignore")
np.Inf, np.NaN = np.inf, np.nan  # surface-distance 0.1 is older than NumPy 2
import surface_distance as deepmind  # noqa: E402


def others():
    def tensors(t, p):
        return {"y_pred": torch.from_numpy(p[None, None]).float(), "y": torch.from_numpy(t[None, None]).float()}

    def surfels(t, p, mm):
        return deepmind.compute_surface_distances(t, p, mm)

    hausdorff = HausdorffDistanceMetric(include_background=True, percentile=95)
    surface = SurfaceDiceMetric([1.0], include_background=True)
    return {
        "dice": {"NumPy": lambda t, p, mm: 2 * (t & p).sum() / (t.sum() + p.sum()),
                 "medpy": lambda t, p, mm: medpy.dc(p, t),
                 "MONAI": lambda t, p, mm: DiceMetric()(**tensors(t, p))},
        "hd95": {"medpy": lambda t, p, mm: medpy.hd95(p, t, voxelspacing=mm)},
        "hd95_max": {"MONAI": lambda t, p, mm: hausdorff(**tensors(t, p), spacing=mm)},
        "assd": {"medpy": lambda t, p, mm: medpy.assd(p, t, voxelspacing=mm)},
        "nsd": {"MONAI": lambda t, p, mm: surface(**tensors(t, p), spacing=mm)},
        "hd95_surfel": {"surface-distance": lambda t, p, mm: deepmind.compute_robust_hausdorff(surfels(t, p, mm), 95)},
        "nsd_surfel": {
            "surface-distance": lambda t, p, mm: deepmind.compute_surface_dice_at_tolerance(surfels(t, p, mm), 1)},
    }


def ours(args):
    with tempfile.NamedTemporaryFile(suffix=".csv") as table:
        subprocess.run([args.voxgrad, "bench", "scores", "-g", args.truth, "-p", args.prediction, "--labels", args.labels,
                        "--rounds", "3", "--threads", "1", "--csv", table.name], check=True, stdout=subprocess.DEVNULL)
        return {row["score"]: float(row["processor_ms"]) for row in csv.DictReader(open(table.name))}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("voxgrad")
    parser.add_argument("truth")
    parser.add_argument("prediction")
    parser.add_argument("--labels", default="brats2020")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    images = [nibabel.load(path) for path in (args.truth, args.prediction)]
    spacing = [float(s) for s in images[0].header.get_zooms()[:3]]
    labels = [np.ascontiguousarray(np.asarray(i.dataobj).astype(np.uint8).T) for i in images]
    masks = [[np.isin(volume, of) for volume in labels] for of in ((1, 2, 4), (1, 4), (4,))]
    theirs = {score: {program: [] for program in programs} for score, programs in others().items()}
    mine = {}
    for _ in range(args.rounds):
        for name, ms in ours(args).items():
            mine.setdefault(name, []).append(ms)
        for score, programs in others().items():
            for program, call in programs.items():
                start = time.process_time()
                for truth, predicted in masks:
                    call(truth, predicted, spacing[::-1])
                theirs[score][program].append(1e3 * (time.process_time() - start))
    print(f"processor ms of {args.rounds} rounds in turns, one thread, median; ratio: the fastest other / voxgrad")
    for score, programs in theirs.items():
        fastest = [min(samples) for samples in zip(*programs.values())]
        ratio = statistics.median(f / m for f, m in zip(fastest, mine[score]))
        rest = ", ".join(f"{program} {statistics.median(samples):.1f}" for program, samples in programs.items())
        print(f"{score:12} voxgrad {statistics.median(mine[score]):.1f}, {rest}; ratio {ratio:.1f}")
    for name, samples in mine.items():
        if name.startswith("as "):
            print(f"{name:24} {statistics.median(samples):.1f}")


if __name__ == "__main__":
    main()
