#!/usr/bin/env python3
"""Whole cases from files to files: `voxgrad predict` in turns with MONAI's sliding windows and the same weights in PyTorch.

    python benchmarks/rivals/monai_case.py build/voxgrad RUN CASE OUT [--window 128] [--overlap 0.5] [--threads 2]
        [--rounds 3] [--variants contiguous,channels_last] [--compile] [--device cpu]

RUN: a run of `voxgrad train` on cases of recipe native; CASE: one BraTS case's folder, 1 mm. MONAI's side loads the four
images (nibabel), crops to what is not 0 and standardises it there per image, slides with Gaussian weights over windows
that start where MONAI has them (ours is told --window-rule monai), decides, puts the crop back and writes a .nii.gz.
Of PyTorch's ways the fastest is taken by timing one window of each beforehand. Python's start and imports do not count;
our process's start does. Prints each side's times, the ratios of the rounds, and on how many voxels both agree.
"""
import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "tests" / "golden"))
import nibabel  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from monai.inferers import sliding_window_inference  # noqa: E402
from monai.transforms import NormalizeIntensity  # noqa: E402
from pytorch_reference import network_of  # noqa: E402

NAMES = {"t1": ("_t1", "-t1n"), "t1ce": ("_t1ce", "-t1c"), "t2": ("_t2", "-t2w"), "flair": ("_flair", "-t2f")}
NUMBERS = np.array([0, 1, 2, 4], np.uint8)


def file_of(case, modality):
    for ending in NAMES[modality]:
        for suffix in (".nii.gz", ".nii"):
            found = sorted(case.glob(f"*{ending}{suffix}"))
            if found:
                return found[0]
    raise FileNotFoundError(f"{case}: no image of {modality}")


class Monai:
    def __init__(self, args, checkpoint):
        self.args = args
        self.net, metadata = network_of(checkpoint)
        self.regions = metadata["unet"].get("targets") == "regions"
        self.modalities = metadata["recipe_modalities"].split(",")
        self.normalise = NormalizeIntensity(nonzero=True, channel_wise=True)
        self.way = self.fastest()

    def ways(self):
        for layout in self.args.variants.split(","):
            net = self.net.to(self.args.device)
            memory = torch.channels_last_3d if layout == "channels_last" else torch.contiguous_format
            yield layout, net.to(memory_format=memory), memory
            if self.args.compile:
                yield f"{layout} compile", torch.compile(net), memory

    def fastest(self):
        times = {}
        x = torch.randn(1, len(self.modalities), *self.args.window, device=self.args.device)
        with torch.inference_mode():
            for name, net, memory in self.ways():
                window = x.contiguous(memory_format=memory)
                net(window)
                start = time.perf_counter()
                net(window)
                times[name] = (time.perf_counter() - start, net, memory)
        best = min(times, key=lambda n: times[n][0])
        print("PyTorch, one window: " + ", ".join(f"{n} {t[0]:.2f} s" for n, t in times.items()) + f"; taken: {best}")
        self.net = self.net.to(memory_format=times[best][2])
        return times[best]

    def run(self, case, out):
        _, net, memory = self.way
        files = [nibabel.load(file_of(case, m)) for m in self.modalities]
        image = np.stack([np.asarray(f.dataobj, np.float32) for f in files])
        inside = np.argwhere(image.any(axis=0))
        box = tuple(slice(a, b + 1) for a, b in zip(inside.min(axis=0), inside.max(axis=0)))
        cut = torch.as_tensor(np.asarray(self.normalise(image[(slice(None), *box)])))
        with torch.inference_mode():
            # Files are i,j,k with k along the axis; the network's D,H,W is k,j,i, as voxgrad prepares a case.
            x = cut.permute(0, 3, 2, 1)[None].contiguous(memory_format=memory).to(self.args.device)
            logits = sliding_window_inference(x, self.args.window, 1, net, overlap=self.args.overlap, mode="gaussian")
            logits = logits[0].cpu()
            if self.regions:
                classes = torch.zeros(logits.shape[1:], dtype=torch.long)
                for channel, label in enumerate((2, 1, 3)):
                    classes[logits[channel].sigmoid() > 0.5] = label
            else:
                classes = logits.argmax(0)
        labels = np.zeros(image.shape[1:], np.uint8)
        labels[box] = NUMBERS[classes.permute(2, 1, 0).numpy()]
        nibabel.save(nibabel.Nifti1Image(labels, files[0].affine), out)
        return labels


def child_cpu():
    r = resource.getrusage(resource.RUSAGE_CHILDREN)
    return r.ru_utime + r.ru_stime


def ours(args, case, folder):
    command = [args.voxgrad, "predict", "-i", str(case), "-o", str(folder), "-m", args.run, "--window",
               ",".join(map(str, args.window)), "--overlap", str(args.overlap), "--window-rule", "monai", "--labels",
               "brats2020", "--threads", str(args.threads), "--device", args.device]
    wall, cpu = time.perf_counter(), child_cpu()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - wall, child_cpu() - cpu


def theirs(monai, case, out):
    wall, cpu = time.perf_counter(), time.process_time()
    monai.run(case, out)
    return time.perf_counter() - wall, time.process_time() - cpu


def main():
    p = argparse.ArgumentParser()
    p.add_argument("voxgrad")
    p.add_argument("run")
    p.add_argument("case", type=Path)
    p.add_argument("out", type=Path)
    p.add_argument("--window", default="128")
    p.add_argument("--overlap", type=float, default=0.5)
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--variants", default="contiguous,channels_last")
    p.add_argument("--compile", action="store_true")
    p.add_argument("--device", default="cpu")
    args = p.parse_args()
    window = [int(n) for n in args.window.split(",")]
    args.window = window * 3 if len(window) == 1 else window
    torch.set_num_threads(args.threads)
    run = Path(args.run)
    checkpoint = next(f for f in (run / "best.safetensors", run / "last.safetensors", run) if f.is_file())
    args.out.mkdir(parents=True, exist_ok=True)
    monai = Monai(args, checkpoint)
    rows = []
    for r in range(args.rounds):
        sides = {}
        for side in (("voxgrad", "monai") if r % 2 == 0 else ("monai", "voxgrad")):
            sides[side] = (ours(args, args.case, args.out / "voxgrad") if side == "voxgrad"
                           else theirs(monai, args.case, args.out / "monai.nii.gz"))
        rows.append(sides)
        print(f"round {r + 1}: " + ", ".join(f"{k} {v[0]:.2f} s ({v[1]:.2f} s of processor time)"
                                             for k, v in sorted(sides.items())), flush=True)
    for i, what in enumerate(("wall clock", "processor time")):
        ratios = sorted(s["monai"][i] / s["voxgrad"][i] for s in rows)
        print(f"{what}: {statistics.median(ratios):.2f} times as fast ({ratios[0]:.2f} to {ratios[-1]:.2f})")
    mine = np.asarray(nibabel.load(next((args.out / "voxgrad").glob("*.nii.gz"))).dataobj)
    other = np.asarray(nibabel.load(args.out / "monai.nii.gz").dataobj)
    different = int((mine != other).sum())
    print(f"labels: {different} of {mine.size} voxels differ; foreground {int((mine > 0).sum())} and {int((other > 0).sum())}")
    print(json.dumps({"window": args.window, "overlap": args.overlap, "threads": args.threads, "rounds": rows,
                      "different": different}))


if __name__ == "__main__":
    sys.exit(main())
