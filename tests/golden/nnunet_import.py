#!/usr/bin/env python3
"""Small networks of nnU-Net as nnU-Net itself builds them, and what they compute: for tests/tools/import_test.cpp.

  python3 tests/golden/nnunet_import.py tests/golden/nnunet_import
      writes regions_plans.json, regions_dataset.json, regions.safetensors (the state dict with all its names) and
      regions_logits.safetensors, and the same of `classes`: batch norm, and labels as nnU-Net's converters number them

Needs NumPy, PyTorch, safetensors and nnunetv2 (2.8.1 made the files).
"""
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).parent))
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans  # noqa: E402
from pytorch_reference import INPUT_SEED, LOGIT_STRIDE, image_of, write_safetensors  # noqa: E402

SHAPE = (2, 4, 16, 8, 24)


def architecture(widths, norm):
    levels = len(widths)
    return {"network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
            "arch_kwargs": {"n_stages": levels, "features_per_stage": widths, "conv_op": "torch.nn.modules.conv.Conv3d",
                            "kernel_sizes": [[3, 3, 3]] * levels, "strides": [[1, 1, 1]] + [[2, 2, 2]] * (levels - 1),
                            "n_conv_per_stage": [2] * levels, "n_conv_per_stage_decoder": [2] * (levels - 1),
                            "conv_bias": True, "norm_op": f"torch.nn.modules.{norm}",
                            "norm_op_kwargs": {"eps": 1e-05, "affine": True}, "dropout_op": None,
                            "dropout_op_kwargs": None, "nonlin": "torch.nn.LeakyReLU", "nonlin_kwargs": {"inplace": True}},
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"]}


def plans_of(arch):
    return {"dataset_name": "Dataset137_BraTS2021", "plans_name": "nnUNetPlans", "transpose_forward": [0, 1, 2],
            "transpose_backward": [0, 1, 2], "image_reader_writer": "SimpleITKIO",
            "configurations": {"3d_fullres": {
                "data_identifier": "nnUNetPlans_3d_fullres", "preprocessor_name": "DefaultPreprocessor", "batch_size": 2,
                "patch_size": [16, 8, 24], "spacing": [1.0, 1.0, 1.0],
                "normalization_schemes": ["ZScoreNormalization"] * 4, "use_mask_for_norm": [True] * 4,
                "architecture": arch, "batch_dice": False}}}


def make(folder, name, arch, labels, heads):
    torch.manual_seed(3)
    kwargs = arch["arch_kwargs"]
    net = get_network_from_plans(arch["network_class_name"], kwargs, arch["_kw_requires_import"], 4, heads,
                                 deep_supervision=False).double()
    with torch.no_grad():
        for p in net.parameters():
            if p.dim() == 1:
                p.add_(0.1 * torch.randn_like(p))
            p.copy_(p.float().double())
        for key, b in net.named_buffers():
            if key.endswith("running_mean"):
                b.copy_((0.1 * torch.randn_like(b)).float().double())
            if key.endswith("running_var"):
                b.copy_((0.5 + torch.rand_like(b)).float().double())
        logits = net.eval()(image_of(SHAPE)).numpy().reshape(-1)[::LOGIT_STRIDE]
    Path(folder).mkdir(exist_ok=True)
    start = f"{folder}/{name}"
    weights = {k: v.float() if v.is_floating_point() else v for k, v in net.state_dict().items()}
    save_file({k: v.clone().contiguous() for k, v in weights.items()}, f"{start}.safetensors")
    write_safetensors(f"{start}_logits.safetensors", {"logits": logits},
                      {"shape": json.dumps(SHAPE), "logit_stride": str(LOGIT_STRIDE), "input_seed": str(INPUT_SEED),
                       "torch": torch.__version__})
    dataset = {"channel_names": {"0": "T1", "1": "T1ce", "2": "T2", "3": "Flair"}, "labels": labels, "numTraining": 1251,
               "file_ending": ".nii.gz"} | ({"regions_class_order": [1, 2, 3]} if heads == 3 else {})
    for what, value in (("plans", plans_of(arch)), ("dataset", dataset)):
        Path(f"{start}_{what}.json").write_text(json.dumps(value, indent=1) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    make(sys.argv[1], "regions", architecture([2, 4, 4, 4], "instancenorm.InstanceNorm3d"),
         {"background": 0, "whole tumor": [1, 2, 3], "tumor core": [2, 3], "enhancing tumor": [3]}, 3)
    make(sys.argv[1], "classes", architecture([2, 3, 4], "batchnorm.BatchNorm3d"),
         {"background": 0, "edema": 1, "non-enhancing": 2, "enhancing": 3}, 4)
