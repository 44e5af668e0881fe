#!/usr/bin/env python3
"""Lesion-wise scores of real cases: ours and those of the scripts that BraTS scores with, and what both cost.

  python3 benchmarks/rivals/lesion_scores.py build/voxgrad BraTS-2023-Metrics BraTS-2024-Metrics BraTS_evaluation TRUTH \
      [PREDICTION] [--whole] [--cases N] [--rules NAME,...]

TRUTH: a folder of cases with ID_seg.nii.gz; PREDICTION: a folder of ID.nii.gz; without it the truth is scored against
itself moved, with a part missing and false lesions added. Cases are cut to the tumour and 12 voxels around it, which
changes no score and makes the scripts bearable; --whole does not cut. The two run in turns; the figures are processor
time, reading included, and of ours the plain table as well. Needs what tests/golden/lesions_reference.py needs.
"""
import argparse
import contextlib
import glob
import importlib.util
import io
import json
import os
import resource
import subprocess
import tempfile
import time
import warnings

import nibabel as nib
import numpy as np

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NAMES = {"brats2026": ["lesion_dice", "lesion_hd95", "lesions_found", "lesions_false", "lesions_missed", "lesion_nsd",
                       "lesion_f1", "small_lesion_f1"]}
PUBLISHED = ["lesion_dice", "lesion_hd95", "lesions_found", "lesions_false", "lesions_missed", "lesion_nsd_0.5",
             "lesion_nsd_1"]


def reference():
    spec = importlib.util.spec_from_file_location("reference", REPOSITORY + "/tests/golden/lesions_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def spoiled(truth, random):
    """The truth moved by a voxel or two, without what lies in a box, with false lesions."""
    result = np.roll(truth, tuple(random.randint(-2, 3, 3)), (0, 1, 2))
    inside = np.argwhere(truth > 0)
    centre = inside[random.randint(len(inside))]
    result[tuple(slice(max(c - 8, 0), c + 8) for c in centre)] = 0
    for _ in range(6):
        at = inside[random.randint(len(inside))] + random.randint(-11, 12, 3)
        size = random.randint(1, 6, 3)
        if (at >= 0).all() and (at + size < truth.shape).all():
            result[tuple(slice(a, a + n) for a, n in zip(at, size))] = random.randint(1, 4)
    return result


def pairs(options):
    random = np.random.RandomState(1)
    files = sorted(glob.glob(options.truth + "/*/*_seg.nii.gz"))
    for file in files[:options.cases]:
        name = os.path.basename(file)[:-len("_seg.nii.gz")]
        image = nib.load(file)
        truth = np.asarray(image.dataobj).astype(np.uint8)
        truth[truth == 4] = 3
        if options.prediction:
            predicted = np.asarray(nib.load(f"{options.prediction}/{name}.nii.gz").dataobj).astype(np.uint8)
            predicted[predicted == 4] = 3
        else:
            predicted = spoiled(truth, random)
        if not options.whole:
            inside = np.argwhere((truth > 0) | (predicted > 0))
            part = tuple(slice(max(a - 12, 0), b + 13) for a, b in zip(inside.min(0), inside.max(0)))
            truth, predicted = truth[part], predicted[part]
        yield name, truth, predicted, tuple(float(x) for x in image.header.get_zooms()[:3])


def ours(program, rule):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([program, "evaluate", "-g", "truth.nii.gz", "-p", "predicted.nii.gz", "--labels", "brats2023", "--as",
                    rule, "-o", "ours.json", "--threads", "1"], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    with open("ours.json") as f:
        (scores,) = json.load(f)["as"][rule]["cases"].values()
    return scores, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("program", "scripts_2023", "scripts_2024", "scripts_2026", "truth"):
        parser.add_argument(name)
    parser.add_argument("prediction", nargs="?")
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--cases", type=int)
    parser.add_argument("--rules", help="brats2023-gli,...: only these")
    options = parser.parse_args()
    for name in ("program", "scripts_2023", "scripts_2024", "scripts_2026", "truth", "prediction"):
        if getattr(options, name):
            setattr(options, name, os.path.abspath(getattr(options, name)))
    warnings.simplefilter("ignore")
    golden = reference()
    from panoptica import Panoptica_Evaluator
    golden.restore_old_names()
    script_2023 = golden.load(options.scripts_2023, "metrics")
    scripts = {s: golden.load(options.scripts_2024, f"metrics_{s}") for s in ("GLI", "SSA")}
    parser_2026 = golden.load(options.scripts_2026 + "/brats_evaluation", "metrics_parser")
    with contextlib.redirect_stdout(io.StringIO()):
        evaluators = {c: Panoptica_Evaluator.load_from_config(
            f"{options.scripts_2026}/brats_evaluation/configs/config_{c}.yaml") for c in ("gli", "mets")}

    def by_2023():
        table = script_2023.get_LesionWiseResults("predicted.nii.gz", "truth.nii.gz", "BraTS-GLI")
        return {row["Labels"]: golden.brats_row(row) for _, row in table.iterrows()}

    def by_2025(script):
        table, _ = scripts[script].get_LesionWiseResults("predicted.nii.gz", "truth.nii.gz", "BraTS-" + script)
        return {row["Labels"]: golden.brats_row(row) for _, row in table.iterrows()}

    def by_2026(config):
        read = [np.asarray(nib.load(f"{n}.nii.gz").dataobj) for n in ("predicted", "truth")]
        return dict(golden.panoptica_rows(parser_2026, evaluators[config], *read, spacing, config == "mets"))

    rules = {"brats2023-gli": by_2023, "brats2025-gli": lambda: by_2025("GLI"), "brats2025-ssa": lambda: by_2025("SSA"),
             "brats2026-gli": lambda: by_2026("gli"), "brats2026-met": lambda: by_2026("mets")}
    if options.rules:
        rules = {r: rules[r] for r in options.rules.split(",")}
    worst, seconds, compared = {}, {r: [0.0, 0.0] for r in rules}, 0
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for name, truth, predicted, spacing in pairs(options):
            golden.save("truth.nii.gz", truth, spacing)
            golden.save("predicted.nii.gz", predicted, spacing)
            for rule, theirs in rules.items():
                scores, mine = ours(options.program, rule)
                start = time.process_time()
                with contextlib.redirect_stdout(io.StringIO()):
                    wanted = theirs()
                seconds[rule][0] += mine
                seconds[rule][1] += time.process_time() - start
                names = NAMES.get(rule.split("-")[0], PUBLISHED)
                for region, row in wanted.items():
                    if region == "RC":
                        continue  # these labels have none
                    for key, want in zip(names, row):
                        got = scores[region][key]
                        difference = (0 if np.isnan(want) else np.inf) if got is None else abs(got - want)
                        if difference > worst.get((rule, key), -1):
                            worst[rule, key] = difference
            compared += 1
            print(f"{name} {truth.shape} " + " ".join(f"{r} {s[0]:.2f}/{s[1]:.2f}" for r, s in seconds.items()), flush=True)
    print(f"{compared} cases; largest differences, and processor time for a case, ours and theirs")
    for rule in rules:
        differences = ", ".join(f"{k} {d:.2g}" for (r, k), d in worst.items() if r == rule)
        mine, others = (s / compared for s in seconds[rule])
        print(f"{rule}: {differences}; {mine:.2f} s, {others:.2f} s, {others / mine:.0f} times")


if __name__ == "__main__":
    main()
