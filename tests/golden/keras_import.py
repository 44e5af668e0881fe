#!/usr/bin/env python3
"""The tutorial's network as Keras stores it, and what it computes: for tests/tools/import_test.cpp.

  KERAS_BACKEND=torch python3 tests/golden/keras_import.py tests/golden/keras_import
      writes full.h5 (model.save()), three.weights.h5 (model.save_weights() of Keras 3), two.h5 (the layout of Keras 2's
      save_weights(): the same groups as in full.h5, at the root), norm.h5 (batch norm behind every 3x3x3 convolution,
      model.save()) and logits.safetensors: what both models compute in f64, in front of their softmax

Layers are called, in the order, of the tutorial's simple_3d_unet. Needs Keras 3 (3.15.1 made the files), PyTorch, h5py.
"""
import json
import sys
from pathlib import Path

import h5py
import keras
import numpy as np
from keras import layers

sys.path.insert(0, str(Path(__file__).parent))
from pytorch_reference import INPUT_SEED, LOGIT_STRIDE, image_of, write_safetensors  # noqa: E402

WIDTHS = [2, 3, 4]
SHAPE = (2, 3, 16, 8, 24)


def unet(norm, dtype="float32"):
    keras.backend.clear_session()
    keras.config.set_floatx(dtype)

    def conv(x, width):
        x = layers.Conv3D(width, 3, activation=None if norm else "relu", kernel_initializer="he_uniform", padding="same",
                          bias_initializer="normal")(x)
        return layers.Activation("relu")(layers.BatchNormalization()(x)) if norm else x

    def block(x, width, dropout):
        return conv(layers.Dropout(dropout)(conv(x, width)), width)

    image = layers.Input((*SHAPE[2:], SHAPE[1]))
    x, skips = image, []
    for width in WIDTHS[:-1]:
        skips.append(block(x, width, 0.1))
        x = layers.MaxPooling3D(2)(skips[-1])
    x = block(x, WIDTHS[-1], 0.3)
    for width in WIDTHS[-2::-1]:
        x = layers.Conv3DTranspose(width, 2, strides=2, padding="same", bias_initializer="normal")(x)
        x = block(layers.concatenate([x, skips.pop()]), width, 0.2)
    last = keras.Model(image, x)
    return keras.Model(image, layers.Conv3D(4, 1, activation="softmax", bias_initializer="normal")(x)), last


def logits_of(norm, weights):
    """In f64, as a vector of every seventh logit of [N,4,D,H,W]."""
    model, last = unet(norm, "float64")
    model.set_weights([w.astype(np.float64) for w in weights])
    x = np.asarray(last(image_of(SHAPE).numpy().transpose(0, 2, 3, 4, 1), training=False).detach().cpu())
    kernel, bias = model.layers[-1].get_weights()
    return (x @ kernel[0, 0, 0] + bias).transpose(0, 4, 1, 2, 3).reshape(-1)[::LOGIT_STRIDE]


def copy_as_version_2(weights, to):
    """As Keras 2 wrote it: names are strings of one length, and weights are called kernel:0."""
    names = list(weights.attrs["layer_names"])
    to.attrs["layer_names"] = np.array([name.encode() for name in names])
    to.attrs["backend"] = np.bytes_("tensorflow")
    for layer in names:
        group = to.create_group(layer)
        of_layer = list(weights[layer].attrs["weight_names"])
        group.attrs["weight_names"] = np.array([f"{name}:0".encode() for name in of_layer])
        for name in of_layer:
            group[f"{name}:0"] = weights[layer][name][...]


def make(folder):
    Path(folder).mkdir(exist_ok=True)
    keras.utils.set_random_seed(4)
    plain, _ = unet(False)
    plain.save(f"{folder}/full.h5", include_optimizer=False)
    plain.save_weights(f"{folder}/three.weights.h5")
    with h5py.File(f"{folder}/full.h5") as full, h5py.File(f"{folder}/two.h5", "w") as two:
        copy_as_version_2(full["model_weights"], two)
    out = {"plain": logits_of(False, plain.get_weights())}
    normed, _ = unet(True)
    rng = np.random.default_rng(5)
    for layer in normed.layers:
        if isinstance(layer, layers.BatchNormalization):
            width = layer.gamma.shape[0]
            layer.set_weights([rng.uniform(0.5, 1.5, width), rng.normal(0, 0.1, width), rng.normal(0, 0.1, width),
                               rng.uniform(0.5, 1.5, width)])
    normed.save(f"{folder}/old.h5", include_optimizer=False)
    with h5py.File(f"{folder}/old.h5") as old, h5py.File(f"{folder}/norm.h5", "w", libver="latest") as new:
        for name, value in old.attrs.items():
            new.attrs[name] = value
        copy_as_version_2(old["model_weights"], new.create_group("model_weights"))  # in a third of the room
    Path(f"{folder}/old.h5").unlink()
    out["norm"] = logits_of(True, normed.get_weights())
    write_safetensors(f"{folder}/logits.safetensors", out,
                      {"shape": json.dumps(SHAPE), "logit_stride": str(LOGIT_STRIDE), "input_seed": str(INPUT_SEED),
                       "keras": keras.__version__})


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    make(sys.argv[1])
