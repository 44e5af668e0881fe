#!/usr/bin/env python3
"""predict_onnx.py MODEL.onnx CASE_FOLDER OUT.nii.gz: segments a case as `voxgrad predict` does, by the network and the
description that `voxgrad export` wrote. Needs nibabel, NumPy and ONNX Runtime. It resamples to no other spacing."""
import glob, itertools, json, sys
import nibabel as nib, nibabel.orientations as axes, numpy as np, onnxruntime
model, folder, out = sys.argv[1:]
how, session = json.load(open(model.removesuffix(".onnx") + ".json")), onnxruntime.InferenceSession(model)
case, windows, decision, files = how["preparation"], how["windows"], how["decision"], how["labels"]
ENDS = {"t1": ["_t1", "-t1n"], "t1ce": ["_t1ce", "_t1c", "_t1gd", "-t1c"], "t2": ["_t2", "-t2w"], "flair": ["_flair", "-t2f"]}
if how["postprocess"] or (windows and windows["starts"] != "nnunet"): sys.exit("no post-processing and no MONAI's windows here")
turn = lambda volume, start, end: axes.apply_orientation(volume, axes.ornt_transform(start, end))
def resize(x, size):  # [C,D,H,W], trilinear with half-pixel centres
    for axis, n in enumerate(size, 1):
        at = np.clip((np.arange(n) + 0.5) * (x.shape[axis] / n) - 0.5, 0, x.shape[axis] - 1)
        w = (at - np.floor(at)).astype(np.float32).reshape([-1] + [1] * (3 - axis))
        x = x.take(np.floor(at).astype(int), axis) * (1 - w) + x.take(np.ceil(at).astype(int), axis) * w
    return x

def probabilities(x):  # [C,D,H,W]; by windows the mean of logits, weighted by a Gaussian
    run = lambda part, output: session.run([output], {"image": np.ascontiguousarray(part[None], np.float32)})[0][0]
    if not windows: return run(x, "probabilities")
    more = [max(0, w - n) for w, n in zip(windows["size"], x.shape[1:])]
    padded = np.pad(x, [(0, 0)] + [(m // 2, m - m // 2) for m in more])
    each = [np.exp(-((np.arange(w) - w // 2) / (w / 8)) ** 2 / 2) ** (windows["blend"] == "gaussian") for w in windows["size"]]
    weight, starts = np.einsum("d,h,w->dhw", *each).astype(np.float32), []
    for n, w in zip(padded.shape[1:], windows["size"]):
        steps = int(np.ceil((n - w) / (w * (1 - windows["overlap"]))))
        starts.append(sorted({int(np.rint((n - w) / max(steps, 1) * i)) for i in range(steps + 1)}))
    total, by = (np.zeros((n, *padded.shape[1:]), np.float32) for n in (how["network"]["classes"], 1))
    for corner in itertools.product(*starts):
        part = (..., *(slice(s, s + w) for s, w in zip(corner, windows["size"])))
        total[part], by[part] = total[part] + weight * run(padded[part], "logits"), by[part] + weight
    z = (total / by)[(slice(None), *(slice(m // 2, m // 2 + n) for m, n in zip(more, x.shape[1:])))]
    return 1 / (1 + np.exp(-z)) if decision["kind"] == "regions" else np.exp(z - z.max(0)) / np.exp(z - z.max(0)).sum(0)

paths = [next(f for end in ENDS[m] for f in glob.glob(f"{folder}/*{end}.nii*")) for m in how["input"]["channels"]]
images = [nib.load(f) for f in paths]
own, lps = axes.io_orientation(images[0].affine), axes.axcodes2ornt("LPS")
x = np.stack([turn(i.get_fdata(dtype=np.float32), own, lps).transpose(2, 1, 0) for i in images])
classes, box, norm, resampling = np.zeros(x.shape[1:], np.uint8), (...,), case["normalisation"], case["resampling"]
if norm["kind"] == "minmax":
    over = (2, 3) if norm["over"] == "axial slice" else (1, 2, 3)
    low, high = x.min(over, keepdims=True).astype(float), x.max(over, keepdims=True).astype(float)
    x = ((x - low) / np.where(high - low < norm["constant_range"], 1, high - low)).astype(np.float32)
    if case["crop"]["to"] == "box": box = tuple(slice(s, s + n) for s, n in zip(case["crop"]["start"], case["crop"]["size"]))
else:
    brain = (x != 0).any(0)
    x = np.stack([(c - c[brain].mean(dtype=float)) / (c[brain].std(dtype=float) or 1) * brain for c in x]).astype(np.float32)
    box = tuple(slice(i.min(), i.max() + 1) for i in np.nonzero(brain))
x = x[(slice(None), *box)]
inside, mm = x.shape[1:], nib.affines.voxel_sizes(images[0].affine)[np.argsort(own[:, 0])][::-1]
if resampling["to"] == "spacing" and any(np.rint(inside * mm / resampling["spacing_mm"]) != inside): sys.exit("another spacing")
if resampling["to"] == "size": x = resize(x, resampling["size"])
flips = [f for n in range(len(how["mirror"]["axes"]) + 1) for f in itertools.combinations((1, 2, 3), n)]
p = resize(sum(np.flip(probabilities(np.flip(x, f)), f) for f in flips) / len(flips), inside)
if decision["kind"] == "largest": classes[box] = p.argmax(0)
for k, c in enumerate(decision.get("class_of_region", [])): classes[box][p[k] > decision["above"]] = c
by_name = files["auto"]["ID-t2f" if paths[0].split(".nii")[0].endswith(("-t1n", "-t1c", "-t2w", "-t2f")) else "ID_flair"]
labels = np.array(files["values_of_classes"][by_name if files["written"] == "auto" else files["written"]], np.uint8)[classes]
nib.save(nib.Nifti1Image(turn(labels.transpose(2, 1, 0), lps, own), images[0].affine), out)
