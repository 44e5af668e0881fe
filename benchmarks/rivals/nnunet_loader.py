#!/usr/bin/env python3
"""What nnU-Net's own loader takes for a sample, in turns with `voxgrad bench loader`, by processor time of one thread each.

    python benchmarks/rivals/nnunet_loader.py build/vox_bench CACHE [--patch 128] [--samples 16] [--rounds 5] [--every]

CACHE holds prepared cases (`voxgrad prepare --recipe native`). Both sides read the same files: nnU-Net's side cuts its
initial patch (205^3 for 128^3) about the same kind of place and hands it to the transforms that its trainer makes
(nnunetv2 2.8.1, get_training_transforms without deep supervision). --every: each step on every sample and channel.
"""
import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from acvl_utils.cropping_and_padding.bounding_boxes import crop_and_pad_nd
from batchgeneratorsv2.transforms.utils.random import RandomTransform
from nnunetv2.training.data_augmentation.compute_initial_patch_size import get_patch_size
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from safetensors import safe_open

EVERY = ("nnunet,rotate@1,scale@1,mirror@1,noise@1,blur@1/1,brightness@1,contrast@1,lowres@1/1,gamma-negated@1,"
         "gamma@1")


def pipeline(patch, every):
    angle = np.deg2rad(30)
    compose = nnUNetTrainer.get_training_transforms(
        patch, (-angle, angle), None, (0, 1, 2), False, use_mask_for_norm=[True] * 4, foreground_labels=[1, 2, 3])
    if every:
        for t in compose.transforms:
            inner = t.transform if isinstance(t, RandomTransform) else t
            if isinstance(t, RandomTransform):
                t.apply_probability = 1
            for name in ("p_rotation", "p_scaling", "p_per_channel"):
                if hasattr(inner, name):
                    setattr(inner, name, 1)
    return compose


class Theirs:
    def __init__(self, files, patch, every):
        self.files, self.patch = files, patch
        angle = np.deg2rad(30)
        self.initial = get_patch_size(patch, (-angle, angle), (-angle, angle), (-angle, angle), (0.85, 1.25))
        self.transforms = pipeline(patch, every)

    def sample(self, path):
        with safe_open(path, "numpy") as f:  # mapped: of the image only what is cut is read
            image, label = f.get_slice("image"), f.get_slice("label")
            shape = label.get_shape()
            low = [-(i - p) // 2 if s >= p else (s - i) // 2 for i, p, s in zip(self.initial, self.patch, shape)]
            high = [max(b, s + (i - p) // 2 - i) for b, i, p, s in zip(low, self.initial, self.patch, shape)]
            start = [np.random.randint(a, b + 1) for a, b in zip(low, high)]
            box = [slice(max(a, 0), min(a + i, s)) for a, i, s in zip(start, self.initial, shape)]
            cut, classes = image[(slice(None), *box)], label[tuple(box)]
        classes = classes.astype(np.int16)
        classes[(classes == 0) & ~cut.any(axis=0)] = -1  # prepared beforehand there, and read from disk
        inner = [[a - b.start, a - b.start + i] for a, b, i in zip(start, box, self.initial)]
        began = time.process_time()
        data = torch.from_numpy(crop_and_pad_nd(cut, inner, 0)).float()
        seg = torch.from_numpy(crop_and_pad_nd(classes[None], inner, -1)).to(torch.int16)
        with torch.no_grad():
            out = self.transforms(image=data, segmentation=seg)
        assert tuple(out["image"].shape[1:]) == tuple(self.patch)
        return time.process_time() - began

    def per_sample(self, samples):
        return sum(self.sample(self.files[i % len(self.files)]) for i in range(samples)) / samples


def ours(program, cache, patch, samples, every):
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        command = [program, "loader", "--cache", cache, "--patch", ",".join(map(str, patch)), "--threads", "1",
                   "--batch", "2", "--rounds", str(samples), "--augment", EVERY if every else "nnunet",
                   "--json", out.name]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        rows = json.load(open(out.name))["rows"]
    return statistics.mean(rows[0]["processor_samples_s"])


def main():
    p = argparse.ArgumentParser()
    p.add_argument("program")
    p.add_argument("cache")
    p.add_argument("--patch", default="128")
    p.add_argument("--samples", type=int, default=16)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--every", action="store_true")
    a = p.parse_args()
    torch.set_num_threads(1)
    patch = [int(n) for n in a.patch.split(",")]
    patch = patch * 3 if len(patch) == 1 else patch
    files = sorted(map(str, Path(a.cache).glob("*.safetensors")))
    theirs = Theirs(files, patch, a.every)
    theirs.sample(files[0])  # what is made once
    epochs = max(1, a.samples // len(files))
    rows = []
    for r in range(a.rounds):
        np.random.seed(r)
        torch.manual_seed(r)
        rows.append((ours(a.program, a.cache, patch, epochs, a.every), theirs.per_sample(a.samples)))
        print(f"round {r + 1}: voxgrad {1e3 * rows[-1][0]:.1f} ms, nnU-Net {1e3 * rows[-1][1]:.1f} ms", flush=True)
    mine, other = (statistics.median(x) for x in zip(*rows))
    ratios = sorted(b / a for a, b in rows)
    print(f"median: voxgrad {1e3 * mine:.1f} ms, nnU-Net {1e3 * other:.1f} ms, {statistics.median(ratios):.2f} times as "
          f"fast ({ratios[0]:.2f} to {ratios[-1]:.2f})")


if __name__ == "__main__":
    sys.exit(main())
