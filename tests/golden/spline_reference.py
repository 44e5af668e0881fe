#!/usr/bin/env python3
"""Volumes resized by scikit-image, as nnU-Net's default resampling calls it: makes tests/golden/spline.safetensors.

  python3 tests/golden/spline_reference.py tests/golden/spline.safetensors

Images by order 3, labels class by class by order 1 (edge values go on beyond the ends, no smoothing). Needs NumPy, SciPy
and scikit-image >= 0.19; nothing in voxgrad needs any of them.
"""
import json
import struct
import sys

import numpy as np
import scipy
import skimage
from skimage.transform import resize

SIZES = [((5, 7, 9), (8, 5, 13)), ((4, 6, 5), (9, 6, 3)), ((1, 2, 17), (3, 5, 11)), ((12, 3, 4), (7, 6, 8))]
CLASSES = 4


def write_safetensors(path, tensors, metadata):
    header, blobs, offset = {"__metadata__": metadata}, [], 0
    for name, value in tensors.items():
        blob = np.ascontiguousarray(value).tobytes()
        dtype = {"float64": "F64", "uint8": "U8"}[str(value.dtype)]
        header[name] = {"dtype": dtype, "shape": list(value.shape), "data_offsets": [offset, offset + len(blob)]}
        offset += len(blob)
        blobs.append(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def main(path):
    random = np.random.RandomState(20201102)
    images, labels = {}, {}
    for i, (size, to) in enumerate(SIZES):
        image = random.standard_normal(size).astype(np.float32).astype(np.float64)
        label = random.randint(0, CLASSES, size).astype(np.uint8)
        images[f"image.{i}"] = image
        images[f"image_resized.{i}"] = resize(image, to, order=3, mode="edge", anti_aliasing=False)
        labels[f"label.{i}"] = label
        shares = np.stack([resize((label == c).astype(np.float64), to, order=1, mode="edge", anti_aliasing=False)
                           for c in range(CLASSES)])
        images[f"shares.{i}"] = shares
    versions = f"NumPy {np.__version__}, SciPy {scipy.__version__}, scikit-image {skimage.__version__}"
    write_safetensors(path, {**images, **labels}, {"made_by": versions})


if __name__ == "__main__":
    main(sys.argv[1])
