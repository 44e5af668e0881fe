#!/usr/bin/env python3
"""What MONAI and nnU-Net make of windows over a volume, for tests/tools/sliding_window_test.cpp.

  python3 tests/golden/sliding_window.py OUT.safetensors

Needs monai, nnunetv2 and what nnunetv2.inference.sliding_window_prediction imports, safetensors. The "network" is a
formula of a window's values and of the place in the window; a voxel of the image is 1 + its index modulo 13.
"""
import sys

import numpy as np
import torch
from monai.inferers import sliding_window_inference
from nnunetv2.inference.sliding_window_prediction import compute_gaussian, compute_steps_for_sliding_window
from safetensors.numpy import save_file

CHANNELS, CLASSES = 2, 3
CASES = {"whole": ((9, 13, 11), (4, 5, 6)), "padded": ((5, 3, 10), (4, 8, 4))}


def network(x):  # [B,C,w...]
    place = torch.arange(x[0, 0].numel()).reshape(x.shape[2:]) % 97
    return torch.stack([x[:, k % CHANNELS] * (k + 1) + 0.01 * place for k in range(CLASSES)], dim=1)


def nnunet(image, window):
    """_internal_predict_sliding_window_return_logits in f32, with the pad of pad_nd_image."""
    size = image.shape[2:]
    before = [max(0, w - n) // 2 for n, w in zip(size, window)]
    after = [max(0, w - n) - b for n, w, b in zip(size, window, before)]
    padded = torch.nn.functional.pad(image, [v for b, a in zip(before[::-1], after[::-1]) for v in (b, a)])
    gaussian = compute_gaussian(tuple(window), sigma_scale=1 / 8, value_scaling_factor=10, dtype=torch.float32,
                                device=torch.device("cpu"))
    total = torch.zeros((CLASSES, *padded.shape[2:]))
    weights = torch.zeros(padded.shape[2:])
    steps = compute_steps_for_sliding_window(tuple(padded.shape[2:]), tuple(window), 0.5)
    for d in steps[0]:
        for h in steps[1]:
            for w in steps[2]:
                at = (slice(d, d + window[0]), slice(h, h + window[1]), slice(w, w + window[2]))
                total[(slice(None), *at)] += network(padded[(slice(None), slice(None), *at)])[0] * gaussian
                weights[at] += gaussian
    mean = total / weights
    return mean[(slice(None), *(slice(b, b + n) for b, n in zip(before, size)))]


def main(out):
    tensors = {}
    for name, (size, window) in CASES.items():
        image = (1.0 + torch.arange(CHANNELS * int(np.prod(size))) % 13).reshape(1, CHANNELS, *size)
        for mode in ("gaussian", "constant"):
            mean = sliding_window_inference(image, window, 1, network, overlap=0.5, mode=mode)
            tensors[f"{name}.monai.{mode}"] = mean[0].numpy()
        tensors[f"{name}.nnunet.gaussian"] = nnunet(image, window).numpy()
    save_file({k: np.ascontiguousarray(v, dtype=np.float32) for k, v in tensors.items()}, out)


if __name__ == "__main__":
    main(sys.argv[1])
