#!/usr/bin/env python3
"""Lesion-wise scores by BraTS' own scripts on made-up masks: makes tests/golden/lesions.safetensors.

  python3 tests/golden/lesions_reference.py BraTS-2023-Metrics BraTS-2024-Metrics BraTS_evaluation \
      tests/golden/lesions.safetensors

The first three are checkouts of github.com/rachitsaluja/BraTS-2023-Metrics, .../BraTS-2024-Metrics and BraTS/
BraTS_evaluation, run as they are. Needs NumPy, SciPy, pandas, nibabel, medpy, cc3d and panoptica; nothing in voxgrad
needs any of them. Masks hold classes: 1 necrotic, 2 oedema, 3 enhancing, 4 cavity, 5 cyst.
"""
import contextlib
import importlib.metadata
import importlib.util
import io
import json
import os
import sys
import tempfile
import warnings

import nibabel as nib
import numpy as np
import pandas as pd
import scipy.ndimage
from safetensors.numpy import save_file

SIZE = (36, 40, 32)
PLAIN = {1: 1, 2: 2, 3: 3, 4: 4}
NO_CAVITY = {1: 1, 2: 2, 3: 3}
PED_2024 = {3: 1, 1: 2, 5: 3, 2: 4}
RULES_2023 = [("gli", "BraTS-GLI"), ("ssa", "BraTS-SSA"), ("men", "BraTS-MEN"), ("met", "BraTS-MET")]
RULES_2025 = [("gli", "GLI", PLAIN), ("ssa", "SSA", PLAIN), ("ped", "PED", PED_2024), ("met", "MET", PLAIN),
              ("men-rt", "MEN_RT", PLAIN), ("men", "MEN", PLAIN)]
RULES_2026 = [("gli", "gli", PLAIN), ("ped", "ped", PED_2024), ("met", "mets", PLAIN), ("men", "MenPre", NO_CAVITY)]


# What the scripts were written for and newer libraries took away.
def restore_old_names():
    np.Inf = np.inf
    pd.DataFrame.append = lambda self, other: pd.concat([self, other])

    def replace(self, old, new, inplace=False):
        result = self.map(lambda x: new if np.ndim(x) == 0 and not isinstance(x, str) and x == old else x)
        if inplace:
            self[:] = result
            return None
        return result

    pd.DataFrame.replace = replace
    for name in ("filters", "morphology"):
        with contextlib.suppress(Exception):
            setattr(scipy.ndimage, name, scipy.ndimage)


def load(folder, name):
    for module in [m for m in sys.modules if m.split(".")[0] == "surface_distance"]:
        del sys.modules[module]
    sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(f"{os.path.basename(folder)}_{name}", f"{folder}/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.path.pop(0)
    return module


def ball(mask, centre, radii, value):
    grid = np.indices(mask.shape).reshape(3, -1).T
    inside = (((grid - centre) / np.asarray(radii, float)) ** 2).sum(1) <= 1
    mask.reshape(-1)[inside] = value


def box(mask, low, size, value):
    mask[tuple(slice(a, a + n) for a, n in zip(low, size))] = value


def many(random, lesions, values, largest):
    truth, predicted = np.zeros(SIZE, np.uint8), np.zeros(SIZE, np.uint8)
    for _ in range(lesions):
        centre = np.array([random.randint(1, n - 1) for n in SIZE])
        radii = random.uniform(0.5, largest, 3)
        value = values[random.randint(len(values))]
        kind = random.uniform()
        if kind < 0.8:
            ball(truth, centre, radii, value)
        if kind > 0.2:
            ball(predicted, centre + random.randint(-1, 2, 3), radii * random.uniform(0.6, 1.3), value)
    return truth, predicted


def cases():
    random = np.random.RandomState(20231012)
    empty = np.zeros(SIZE, np.uint8)
    ones = (1.0, 1.0, 1.0)
    yield "empty", empty, empty, ones
    one = empty.copy()
    ball(one, (12, 16, 15), (5, 6, 4), 2)
    ball(one, (12, 16, 15), (3, 3, 3), 3)
    ball(one, (12, 17, 15), (1.5, 1.5, 1.5), 1)
    yield "missed", one, empty, ones
    yield "false", empty, one, ones
    # Lesions of 1 to 50 voxels, each too small for some rule and found or not, and one false lesion.
    truth, predicted = empty.copy(), empty.copy()
    for k, n in enumerate([(1, 1, 1), (2, 1, 1), (3, 3, 1), (2, 5, 2), (5, 2, 5), (3, 3, 3)]):
        at = (1 + 12 * (k % 2), 1 + 11 * (k // 2), 2)
        box(truth, at, n, 3)
        if k % 3 == 1:
            box(predicted, at, (1, 1, 1), 3)
    box(predicted, (20, 30, 26), (2, 2, 2), 3)
    yield "small", truth, predicted, ones
    # One predicted lesion over two true ones, and two true ones that touch only when dilated.
    truth, predicted = empty.copy(), empty.copy()
    for low in (2, 21):
        box(truth, (4, low, 4), (6, 6, 6), 3)
    box(predicted, (5, 2, 5), (4, 26, 3), 3)
    for low in (4, 14):
        box(truth, (17, low, 18), (5, 6, 6), 1)
    box(predicted, (16, 4, 18), (5, 5, 6), 1)
    yield "spanned", truth, predicted, ones
    # Enhancing lesions tied by necrotic ones: a long one touches two of them, and the other one only the second. Which of
    # the two begins first decides, and beside the box of all that is there it is another one than within it.
    truth = empty.copy()
    box(truth, (10, 4, 10), (2, 27, 2), 3)
    box(truth, (25, 28, 10), (3, 3, 4), 3)
    box(truth, (8, 28, 12), (17, 3, 1), 1)
    box(truth, (10, 4, 9), (3, 3, 1), 1)
    predicted = truth.copy()
    box(predicted, (25, 28, 10), (3, 3, 2), 0)
    yield "chain", truth, predicted, ones
    yield "chain_mirrored", truth[::-1], predicted[::-1], ones
    # Tissues that touch one another: what ties the lesions of one is the other.
    for k in range(3):
        yield f"tied{k}", *many(random, 30, [1, 2, 3, 4], 3.0), ones
    for k in range(2):
        yield f"many{k}", *many(random, 25, [1, 2, 3, 3], 4.5), ones
    yield "cysts", *many(random, 30, [1, 2, 3, 5], 3.5), ones
    # The spacing is that of x, y, z; 0.5 and 2 are exact in the float32 of a header.
    yield "flat", *many(random, 30, [1, 2, 3, 3], 4.0), (0.5, 1.0, 2.0)
    yield "flat_cavity", *many(random, 25, [1, 3, 4], 3.5), (1.5, 0.75, 1.25)


def renumbered(mask, numbers):
    result = np.zeros_like(mask)
    for old, new in numbers.items():
        result[mask == old] = new
    return result


def runs(mask):
    """Memory order [z,y,x]; pairs of a value and a length of at most 255."""
    flat, out = np.ascontiguousarray(mask.transpose(2, 1, 0)).reshape(-1), []
    ends = np.append(np.flatnonzero(np.diff(flat)) + 1, flat.size)
    start = 0
    for end in ends:
        while start < end:
            n = min(255, end - start)
            out += [flat[start], n]
            start += n
    return np.array(out, np.uint8)


def save(path, mask, spacing):
    nib.save(nib.Nifti1Image(mask, np.diag([*spacing, 1.0])), path)


def brats_row(row):
    """dice, hd95, tp, fp, fn, and where the script has it surface Dice at 0.5 and 1 mm."""
    names = ["LesionWise_Score_Dice", "LesionWise_Score_HD95", "Num_TP", "Num_FP", "Num_FN",
             "LesionWise_Score_NSD @ 0.5", "LesionWise_Score_NSD @ 1.0"]
    return np.array([float(row[n]) for n in names if n in row])


def panoptica_rows(parser, evaluator, predicted, truth, spacing, met):
    groups = evaluator.evaluate(predicted.astype(np.uint8), truth.astype(np.uint8), voxelspacing=spacing)
    result = {name: r.to_dict(True) for name, r in groups.items()}
    result["subject_name"] = "case"
    with open("summary.json", "w") as f:
        json.dump({"metrics": [result], "missings": []}, f, default=float)
    if met:
        parser.parse_mets_results("summary.json", 27.0, 0.2, "out.csv")
    else:
        parser.parse_seg_results("summary.json", "out.csv")
    row = pd.read_csv("out.csv").iloc[0]
    for name in groups:
        value = [row[f"lesionwise_{m}_mean_{name}"] for m in ("dsc", "hd95")]
        value += [row[f"all_instance_{m}_{name}"] for m in ("tp", "fp", "fn")]
        value += [row[f"lesionwise_nsd_mean_{name}"], row[f"all_instance_f1_{name}"]]
        if met:
            value.append(row[f"small_instance_f1_{name}"])
        yield name.upper(), np.array(value, float)


def main(folder_2023, folder_2024, folder_2026, path):
    from panoptica import Panoptica_Evaluator
    restore_old_names()
    warnings.simplefilter("ignore")
    script_2023 = load(os.path.abspath(folder_2023), "metrics")
    scripts_2025 = {s: load(os.path.abspath(folder_2024), f"metrics_{s}") for _, s, _ in RULES_2025}
    configs = os.path.abspath(folder_2026) + "/brats_evaluation"
    parser = load(configs, "metrics_parser")
    evaluators = {c: Panoptica_Evaluator.load_from_config(f"{configs}/configs/config_{c}.yaml")
                  for _, c, _ in RULES_2026}
    path, tensors = os.path.abspath(path), {}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for name, truth, predicted, spacing in cases():
            tensors[f"{name}.truth"], tensors[f"{name}.predicted"] = runs(truth), runs(predicted)
            tensors[f"{name}.spacing"] = np.array(spacing[::-1])
            with contextlib.redirect_stdout(io.StringIO()):
                save("truth.nii.gz", renumbered(truth, PLAIN), spacing)
                save("predicted.nii.gz", renumbered(predicted, PLAIN), spacing)
                for rule, challenge in RULES_2023:
                    table = script_2023.get_LesionWiseResults("predicted.nii.gz", "truth.nii.gz", challenge)
                    for _, row in table.iterrows():
                        tensors[f"{name}.brats2023-{rule}.{row['Labels']}"] = brats_row(row)
                for rule, script, numbers in RULES_2025:
                    save("truth.nii.gz", renumbered(truth, numbers), spacing)
                    save("predicted.nii.gz", renumbered(predicted, numbers), spacing)
                    table, _ = scripts_2025[script].get_LesionWiseResults(
                        "predicted.nii.gz", "truth.nii.gz", "BraTS-" + script.replace("_", "-"))
                    for _, row in table.iterrows():
                        tensors[f"{name}.brats2025-{rule}.{row['Labels']}"] = brats_row(row)
                for rule, config, numbers in RULES_2026:
                    for region, row in panoptica_rows(parser, evaluators[config], renumbered(predicted, numbers),
                                                      renumbered(truth, numbers), spacing, config == "mets"):
                        tensors[f"{name}.brats2026-{rule}.{region}"] = row
            print(name)
    versions = ", ".join(f"{p} {importlib.metadata.version(p)}" for p in
                         ("numpy", "scipy", "medpy", "connected-components-3d", "panoptica"))
    tensors = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
    save_file(tensors, path, {"made_by": versions, "size": "x".join(map(str, SIZE[::-1]))})


if __name__ == "__main__":
    main(*sys.argv[1:])
