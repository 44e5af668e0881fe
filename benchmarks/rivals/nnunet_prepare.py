#!/usr/bin/env python3
"""Raw cases to prepared ones: `voxgrad prepare --recipe native` in turns with nnU-Net's own preprocessor.

    python benchmarks/rivals/nnunet_prepare.py build/voxgrad RAW OUT [--cases 3] [--rounds 3] [--threads 1]

RAW holds BraTS cases. nnU-Net's side is DefaultPreprocessor.run_case_save (nnunetv2 2.8.1), as its dataset conversion
leaves the cases: four channels, labels 0 to 3, three regions, 1 mm; it reads with SimpleITK, crops, standardises inside
the brain, finds positions of the regions and writes compressed arrays. One case after another on each side; Python's
start and imports do not count, our process's start does. Prints times and the ratios of the rounds.
"""
import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

RESAMPLE = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
PLANS = {
    "dataset_name": "BraTS", "plans_name": "plans", "image_reader_writer": "SimpleITKIO", "label_manager": "LabelManager",
    "transpose_forward": [0, 1, 2], "transpose_backward": [0, 1, 2],
    "foreground_intensity_properties_per_channel": {str(c): {} for c in range(4)},
    "configurations": {"3d_fullres": {
        "architecture": {}, "spacing": [1.0, 1.0, 1.0], "patch_size": [128, 128, 128], "preprocessor_name": "DefaultPreprocessor",
        "normalization_schemes": ["ZScoreNormalization"] * 4, "use_mask_for_norm": [True] * 4,
        "resampling_fn_data": "resample_data_or_seg_to_shape", "resampling_fn_data_kwargs": RESAMPLE,
        "resampling_fn_seg": "resample_data_or_seg_to_shape",
        "resampling_fn_seg_kwargs": RESAMPLE | {"is_seg": True, "order": 1}}}}
DATASET = {"channel_names": {str(c): c for c in "0123"}, "file_ending": ".nii.gz", "regions_class_order": [1, 2, 3],
           "labels": {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": 3}}


def converted(case, folder):
    """The four images' paths, and the labels as nnU-Net's conversion of BraTS writes them."""
    import SimpleITK as sitk
    images = [next(case.glob(f"*_{m}.nii*")) for m in ("t1", "t1ce", "t2", "flair")]
    labels = sitk.ReadImage(str(next(case.glob("*_seg.nii*"))))
    values = np.array([0, 2, 1, 0, 3], np.uint8)[sitk.GetArrayFromImage(labels)]
    out = sitk.GetImageFromArray(values)
    out.CopyInformation(labels)
    path = folder / f"{case.name}.nii.gz"
    sitk.WriteImage(out, str(path))
    return [str(p) for p in images], str(path)


def child_cpu():
    r = resource.getrusage(resource.RUSAGE_CHILDREN)
    return r.ru_utime + r.ru_stime


def main():
    p = argparse.ArgumentParser()
    p.add_argument("voxgrad")
    p.add_argument("raw", type=Path)
    p.add_argument("out", type=Path)
    p.add_argument("--cases", type=int, default=3)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--threads", type=int, default=1)
    a = p.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(a.threads)
    import SimpleITK as sitk
    from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(a.threads)
    plans = PlansManager(PLANS)
    configuration = plans.get_configuration("3d_fullres")
    preprocessor = DefaultPreprocessor(verbose=False)
    shutil.rmtree(a.out, ignore_errors=True)
    for sub in ("raw", "labels"):
        (a.out / sub).mkdir(parents=True)
    cases = sorted(d for d in a.raw.iterdir() if d.is_dir())[:a.cases]
    inputs = [converted(c, a.out / "labels") for c in cases]
    for c in cases:
        (a.out / "raw" / c.name).symlink_to(c.resolve())

    def theirs():
        for case, (images, labels) in zip(cases, inputs):
            preprocessor.run_case_save(str(a.out / "nnunet" / case.name), images, labels, plans, configuration, DATASET)

    def ours():
        subprocess.run([a.voxgrad, "prepare", "-i", str(a.out / "raw"), "-o", str(a.out / "voxgrad"), "--recipe", "native",
                        "--threads", str(a.threads)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    rows = []
    for r in range(a.rounds + 1):  # the first one warms up
        times = {}
        for side, work in ((("voxgrad", ours), ("nnunet", theirs)) if r % 2 == 0 else (("nnunet", theirs), ("voxgrad", ours))):
            shutil.rmtree(a.out / side, ignore_errors=True)
            (a.out / side).mkdir()
            wall, cpu, children = time.perf_counter(), time.process_time(), child_cpu()
            work()
            times[side] = (time.perf_counter() - wall,
                           time.process_time() - cpu if side == "nnunet" else child_cpu() - children)
        if r > 0:
            rows.append(times)
            print(f"round {r}: " + ", ".join(f"{k} {v[0] / len(cases):.2f} s a case ({v[1] / len(cases):.2f} s of processor time)"
                                             for k, v in sorted(times.items())), flush=True)
    for i, what in enumerate(("wall clock", "processor time")):
        ratios = sorted(t["nnunet"][i] / t["voxgrad"][i] for t in rows)
        print(f"{what}: {statistics.median(ratios):.2f} times as fast ({ratios[0]:.2f} to {ratios[-1]:.2f})")


if __name__ == "__main__":
    sys.exit(main())
