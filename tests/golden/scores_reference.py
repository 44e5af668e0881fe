#!/usr/bin/env python3
"""What other programs score made-up pairs of masks: makes tests/golden/scores.safetensors.

  python3 tests/golden/scores_reference.py tests/golden/scores.safetensors
  python3 tests/golden/scores_reference.py compare CASES.csv TRUTH PREDICTION

The second form compares `voxgrad evaluate --as full,monai --csv CASES.csv` of two folders of label files of one name
per case (0, 1, 2, 4) with the same programs and prints the largest difference of every score.

Needs medpy, MONAI, surface-distance, SciPy, NumPy, safetensors, and nibabel for the second form; nothing in voxgrad needs any.
"""
import csv
import glob
import sys
import warnings
from importlib.metadata import version

import numpy as np
import torch
from medpy.metric import binary as medpy
from monai.metrics import DiceMetric, HausdorffDistanceMetric, SurfaceDiceMetric
from safetensors.numpy import save_file
from scipy import ndimage

warnings.simplefilter("ignore")
np.Inf, np.NaN = np.inf, np.nan  # surface-distance 0.1 is older than NumPy 2
import surface_distance  # noqa: E402
from surface_distance.lookup_tables import create_table_neighbour_code_to_surface_area  # noqa: E402

TOLERANCES = (1.0, 2.0)
SPACINGS = ((1, 1, 1), (3, 0.9375, 0.5), (0.5, 1, 2), (0.7, 1.1, 1.3))
NAMES = ("dice", "hd95_pooled", "assd", "monai_dice", "monai_hd95", "monai_nsd_1", "monai_nsd_2", "surfel_hd95",
         "surfel_nsd_1", "surfel_nsd_2")


def or_nan(call, *arguments, **named):
    try:
        return float(call(*arguments, **named))
    except (RuntimeError, ZeroDivisionError):  # medpy of an empty mask
        return float("nan")


def scores(truth, predicted, spacing):
    def of_monai(metric, **named):
        as_tensor = [torch.from_numpy(m[None, None].astype(np.float32)) for m in (predicted, truth)]
        return float(metric(y_pred=as_tensor[0], y=as_tensor[1], **named))

    spacing = [float(s) for s in spacing]
    surfels = surface_distance.compute_surface_distances(truth, predicted, spacing)
    total = truth.sum() + predicted.sum()
    monai_nsd = [of_monai(SurfaceDiceMetric([t], include_background=True), spacing=spacing) for t in TOLERANCES]
    return np.array([
        2 * (truth & predicted).sum() / total if total else np.nan,
        or_nan(medpy.hd95, predicted, truth, voxelspacing=spacing),
        or_nan(medpy.assd, predicted, truth, voxelspacing=spacing),
        of_monai(DiceMetric()),
        of_monai(HausdorffDistanceMetric(include_background=True, percentile=95), spacing=spacing),
        *monai_nsd,
        surface_distance.compute_robust_hausdorff(surfels, 95),
        *[surface_distance.compute_surface_dice_at_tolerance(surfels, t) for t in TOLERANCES],
    ], np.float64)


def made_up_pairs():
    random = np.random.RandomState(20230915)

    def box(size, start, shape):
        mask = np.zeros(size, bool)
        mask[tuple(slice(s, s + n) for s, n in zip(start, shape))] = True
        return mask

    def blobs(size, share, sigma):
        noise = ndimage.gaussian_filter(random.standard_normal(size), sigma)
        return noise > np.quantile(noise, 1 - share)

    size = (9, 11, 13)
    empty, one = np.zeros(size, bool), box(size, (4, 5, 6), (1, 1, 1))
    cube, border = box(size, (2, 3, 3), (4, 5, 6)), box(size, (0, 0, 0), (3, 11, 4))
    pairs = [(empty, empty), (one, empty), (empty, cube), (one, one), (one, box(size, (8, 0, 12), (1, 1, 1))),
             (cube, one), (cube, np.roll(cube, 2, 2)), (border, cube), (np.ones(size, bool), cube),
             (cube | box(size, (8, 9, 11), (1, 2, 2)), cube)]
    for i, shape in enumerate([(7, 12, 15), (1, 14, 17), (16, 15, 14), (11, 1, 19), (13, 17, 12), (18, 9, 16)]):
        truth = blobs(shape, 0.08 + 0.05 * i, 1.0)
        pairs.append((truth, blobs(shape, 0.1, 1.0)))
        moved = ndimage.binary_dilation(np.roll(truth, 1, i % 3)) if i % 2 else np.roll(truth, 1, i % 3)
        pairs.append((truth, moved))
    return [(t, p, SPACINGS[i % len(SPACINGS)]) for i, (t, p) in enumerate(pairs)]


def make(path):
    doubles, bytes_ = {}, {}
    for i, (truth, predicted, spacing) in enumerate(made_up_pairs()):
        bytes_[f"truth.{i}"], bytes_[f"predicted.{i}"] = truth.astype(np.uint8), predicted.astype(np.uint8)
        doubles[f"spacing.{i}"] = np.array(spacing, np.float64)
        doubles[f"scores.{i}"] = scores(truth, predicted, spacing)
    for i, spacing in enumerate(SPACINGS):
        doubles[f"areas.{i}"] = create_table_neighbour_code_to_surface_area(spacing)
        doubles[f"area_spacing.{i}"] = np.array(spacing, np.float64)
    made_by = ", ".join(f"{p} {version(p)}" for p in ("medpy", "monai", "surface-distance", "scipy", "numpy"))
    save_file({**doubles, **bytes_}, path, {"made_by": made_by, "scores": ", ".join(NAMES)})


OURS = {"dice": "full", "hd95_pooled": "full:hd95", "assd": "full", "monai_dice": "monai:dice",
        "monai_hd95": "monai:hd95", "monai_nsd_1": "monai:nsd", "surfel_hd95": "full:hd95_surfel",
        "surfel_nsd_1": "full:nsd_surfel"}


def compare(table, truth, predicted):
    import nibabel

    def labels(folder, case):
        found = [f for e in ("", "_seg", "-seg") for f in glob.glob(f"{folder}/**/{case}{e}.nii*", recursive=True)]
        image = nibabel.load(found[0])
        return np.asarray(image.dataobj).astype(np.uint8), image.header.get_zooms()[:3]

    worst, count, none = {name: 0.0 for name in OURS}, {name: 0 for name in OURS}, {name: 0 for name in OURS}
    for row in csv.DictReader(open(table)):
        (t, spacing), (p, _) = labels(truth, row["case"]), labels(predicted, row["case"])
        for region, of in (("WT", (1, 2, 4)), ("TC", (1, 4)), ("ET", (4,))):
            theirs = dict(zip(NAMES, scores(np.isin(t, of), np.isin(p, of), spacing)))
            for name, column in OURS.items():
                by, _, key = column.partition(":")
                text = row[f"{by}:{region}_{key or name}"]
                if not np.isfinite(theirs[name]) or text == "":
                    assert text == "" and not np.isfinite(theirs[name]), (row["case"], region, name, text)
                    none[name] += 1
                    continue
                count[name] += 1
                worst[name] = max(worst[name], abs(float(text) - theirs[name]) / max(1.0, abs(theirs[name])))
    for name in OURS:
        print(f"{name}: largest difference {worst[name]:.1e} of {count[name]}, {none[name]} undefined in both")


if __name__ == "__main__":
    if sys.argv[1] == "compare":
        compare(*sys.argv[2:])
    else:
        make(sys.argv[1])
