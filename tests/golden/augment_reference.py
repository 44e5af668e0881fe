#!/usr/bin/env python3
"""Writes augment.safetensors: what the transforms of nnU-Net v2 (batchgeneratorsv2) make of given parameters.

    pip install torch nnunetv2 safetensors scikit-image pandas
    python tests/golden/augment_reference.py tests/golden/augment.safetensors

Made with batchgeneratorsv2 0.3.6 (of nnunetv2 2.8.1) and PyTorch 2.15.0 on a CPU. The transforms' own _apply_to_image and
_apply_to_segmentation are called with the parameters below, which nnunet_reference_test.cpp repeats; the values that
training draws at random are the only thing that is left out.
"""
import sys

import numpy as np
import torch
from batchgeneratorsv2.transforms.intensity.brightness import MultiplicativeBrightnessTransform
from batchgeneratorsv2.transforms.intensity.contrast import ContrastTransform
from batchgeneratorsv2.transforms.intensity.gamma import GammaTransform
from batchgeneratorsv2.transforms.noise.gaussian_blur import blur_dimension
from batchgeneratorsv2.transforms.spatial.low_resolution import SimulateLowResolutionTransform
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from safetensors.numpy import save_file

PATCH = (9, 10, 13)
CASES = {"inside": ((24, 25, 27), (20.0, -10.0, 30.0), 0.8), "beyond": ((11, 14, 12), (-30.0, 25.0, 5.0), 1.4)}
SIGMAS = {"a": (0.5, 0.75, 1.0), "b": (0.9, 0.6, 0.55)}


def channel():
    return 3 * torch.rand(PATCH, generator=torch.Generator().manual_seed(3)) - 1


def one(transform, **params):
    index = torch.tensor([0])
    params = {"apply_to_channel": index, **params}
    return transform._apply_to_image(channel()[None].clone(), **params)[0]


def spatial(size, degrees, scale):
    generator = torch.Generator().manual_seed(4)
    image = torch.rand((1, *size), generator=generator)
    blocks = torch.randint(-1, 4, tuple((n + 2) // 3 for n in size), generator=generator)
    labels = blocks
    for axis in range(3):
        labels = labels.repeat_interleave(3, dim=axis)
    labels = labels[: size[0], : size[1], : size[2]].contiguous().to(torch.int16)
    angles = iter(np.deg2rad(degrees))
    t = SpatialTransform(PATCH, 0, False, p_rotation=1, rotation=lambda **_: next(angles), p_scaling=1,
                         scaling=(scale, scale), p_synchronize_scaling_across_axes=1, border_mode_seg="constant",
                         padding_value_seg=-1)
    params = t.get_parameters(image=image)
    return image, labels, t._apply_to_image(image, **params), t._apply_to_segmentation(labels[None], **params)[0]


def main(out):
    tensors = {"channel": channel()}
    tensors["brightness"] = one(MultiplicativeBrightnessTransform(1, False), multipliers=torch.tensor([1.2]))
    contrast = ContrastTransform(1, preserve_range=True, synchronize_channels=False)
    for name, factor in (("less", 0.8), ("more", 1.25)):
        tensors[f"contrast.{name}"] = one(contrast, multipliers=torch.tensor([factor]))
    for name, sigmas in SIGMAS.items():
        blurred = channel()[None]
        for axis, sigma in enumerate(sigmas):
            blurred = blur_dimension(blurred, sigma, axis, force_use_fft=False)
        tensors[f"blur.{name}"] = blurred[0]
    lower = SimulateLowResolutionTransform((0.5, 1), False, True, None)
    for share in (0.5, 0.62, 0.9):
        tensors[f"lowres.{share}"] = one(lower, scales=torch.tensor([[share] * 3]))
    gamma = GammaTransform(1, 0, False, 1, 1)
    for name, exponent, negated in (("low", 0.7, False), ("high", 1.5, False), ("negated", 1.3, True)):
        tensors[f"gamma.{name}"] = one(gamma, gamma=torch.tensor([exponent]), retain_stats=torch.tensor([True]),
                                       invert_image=torch.tensor([negated]))
    for name, case in CASES.items():
        image, labels, out_image, out_labels = spatial(*case)
        tensors[f"{name}.image"], tensors[f"{name}.patch"] = image, out_image
        tensors[f"{name}.marks"] = (labels + 1).to(torch.uint8)
        tensors[f"{name}.patch_marks"] = (out_labels + 1).to(torch.uint8)
    save_file({k: np.ascontiguousarray(v.numpy()) for k, v in tensors.items()}, out)


if __name__ == "__main__":
    main(sys.argv[1])
