#!/usr/bin/env python3
"""The network in PyTorch: makes the golden files of this folder, and checks a trained voxgrad file.

  python3 tests/golden/pytorch_reference.py make tests/golden
      writes seed.safetensors and tutorial.safetensors: weights, and what PyTorch computes from them in f64.
  python3 tests/golden/pytorch_reference.py compare RUN/best.safetensors OUT/ID_logits.safetensors
      loads a checkpoint of voxgrad into PyTorch and compares its logits with those `voxgrad predict --save-logits` wrote.

Needs NumPy and PyTorch >= 1.13; nothing in voxgrad needs either.
"""
import json
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

WIDTHS = [2, 2, 3, 3, 4]
SHAPE = (16, 16, 32)  # D, H, W
BATCH = 2
CLASSES = 4
DROPOUT_SEED = 20201102
INPUT_SEED = 7
LABEL_SEED = 8
LOGIT_STRIDE = 7  # every seventh logit is kept
ADAM_STEPS = 3
LEARNING_RATE = 1e-3
ENCODER_DROPOUT = [0.1, 0.1, 0.2, 0.2, 0.3]
DECODER_DROPOUT = [0.2, 0.2, 0.1, 0.1]

NUMPY = {"F32": "<f4", "F64": "<f8", "U8": "u1", "I64": "<i8"}


def read_safetensors(path):
    with open(path, "rb") as f:
        size = struct.unpack("<Q", f.read(8))[0]
        header = json.loads(f.read(size))
        data = f.read()
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        tensors[name] = np.frombuffer(data[begin:end], NUMPY[entry["dtype"]]).reshape(entry["shape"])
    return tensors, metadata


def write_safetensors(path, tensors, metadata):
    header, blobs, offset = {"__metadata__": metadata}, [], 0
    for name, value in tensors.items():
        blob = np.ascontiguousarray(value, "<f8").tobytes()
        header[name] = {"dtype": "F64", "shape": list(value.shape), "data_offsets": [offset, offset + len(blob)]}
        offset += len(blob)
        blobs.append(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def philox(groups, seed, step, place):
    """Philox4x32-10 (Salmon et al., SC 2011) of counters (group low, group high, step, place), key seed: [len(groups), 4]."""
    mask = np.uint64(0xFFFFFFFF)
    low = groups.astype(np.uint64) & mask
    high = groups.astype(np.uint64) >> np.uint64(32)
    c = [low, high, np.full_like(low, step), np.full_like(low, place)]
    key = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        a = np.uint64(0xD2511F53) * c[0]
        b = np.uint64(0xCD9E8D57) * c[2]
        c = [(b >> np.uint64(32)) ^ c[1] ^ np.uint64(key[0]), b & mask,
             (a >> np.uint64(32)) ^ c[3] ^ np.uint64(key[1]), a & mask]
        key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return np.stack(c, axis=1)


def stream(count, seed, step=0, place=0):
    return philox(np.arange((count + 3) // 4), seed, step, place).reshape(-1)[:count]


def dropout_mask(shape, p, step, place):
    """1 where an element of [N,C,D,H,W] stays. Element numbers count memory [N, ceil(C/8), D, H, W, 8]."""
    n, c, d, h, w = shape
    blocks = (c + 7) // 8
    bits = stream(n * blocks * d * h * w * 8, DROPOUT_SEED, step, place).reshape(n, blocks, d, h, w, 8)
    bits = bits.transpose(0, 1, 5, 2, 3, 4).reshape(n, blocks * 8, d, h, w)[:, :c]
    return torch.from_numpy((bits.astype(np.float64) >= p * 2.0**32).astype(np.float64))


class Block(nn.Module):
    def __init__(self, inputs, outputs, dropout, norm):
        super().__init__()
        self.conv1 = nn.Conv3d(inputs, outputs, 3, padding=1, bias=not norm)
        self.conv2 = nn.Conv3d(outputs, outputs, 3, padding=1, bias=not norm)
        self.norm1 = nn.BatchNorm3d(outputs) if norm else nn.Identity()
        self.norm2 = nn.BatchNorm3d(outputs) if norm else nn.Identity()
        self.dropout = dropout

    def forward(self, x, step, place):
        x = F.relu(self.norm1(self.conv1(x)))
        if step is not None:
            x = x * dropout_mask(x.shape, self.dropout, step, place) / (1 - self.dropout)
        return F.relu(self.norm2(self.conv2(x)))


class UNet3d(nn.Module):
    def __init__(self, inputs, widths, norm, classes=CLASSES, encoder=ENCODER_DROPOUT, decoder=DECODER_DROPOUT):
        super().__init__()
        sizes = [inputs] + widths
        blocks = [Block(sizes[i], sizes[i + 1], encoder[i], norm) for i in range(5)]
        self.encoder = nn.ModuleList(blocks[:4])
        self.bottleneck = blocks[4]
        down = widths[::-1]
        self.up = nn.ModuleList(nn.ConvTranspose3d(down[i], down[i + 1], 2, 2) for i in range(4))
        self.decoder = nn.ModuleList(Block(2 * down[i + 1], down[i + 1], decoder[i], norm) for i in range(4))
        self.head = nn.Conv3d(widths[0], classes, 1)

    def forward(self, x, step=None):
        """step: the training step whose dropout masks to use; None drops nothing."""
        skips, place = [], 0
        for block in self.encoder:
            x = block(x, step, place)
            place += 1
            skips.append(x)
            x = F.max_pool3d(x, 2)
        x = self.bottleneck(x, step, place)
        for up, block in zip(self.up, self.decoder):
            place += 1
            x = block(torch.cat([up(x), skips.pop()], 1), step, place)
        return self.head(x)


def loss_of(logits, labels):
    """dice + focal of segmentation_models_3D: sums over the batch, mean over all classes, smooth 1e-5."""
    p = logits.softmax(1)
    y = F.one_hot(labels, CLASSES).permute(0, 4, 1, 2, 3).to(p.dtype)
    axes = (0, 2, 3, 4)
    dice = 1 - ((2 * (y * p).sum(axes) + 1e-5) / (y.sum(axes) + p.sum(axes) + 1e-5)).mean()
    q = p.clamp(1e-7, 1 - 1e-7)
    return dice + (-y * 0.25 * (1 - q) ** 2 * q.log()).mean()


def make(folder):
    torch.set_default_dtype(torch.float64)
    for preset, inputs, norm in (("seed", 4, True), ("tutorial", 3, False)):
        torch.manual_seed(1)
        net = UNet3d(inputs, WIDTHS, norm)
        with torch.no_grad():  # values that f32 holds exactly, so that both precisions start alike
            for p in net.parameters():
                if p.dim() == 1:
                    p.add_(0.1 * torch.rand_like(p))
                p.copy_(p.float().double())
        start = {k: v.clone() for k, v in net.state_dict().items() if "num_batches" not in k}
        shape = (BATCH, inputs) + SHAPE
        count = int(np.prod(shape))
        # 12 bits, so that f32 holds the inputs exactly
        x = torch.from_numpy(((stream(count, INPUT_SEED) >> np.uint64(20)).astype(np.float64) / 1024 - 2).reshape(shape))
        labels = torch.from_numpy((stream(BATCH * int(np.prod(SHAPE)), LABEL_SEED) % np.uint64(CLASSES)).astype(np.int64))
        labels = labels.reshape((BATCH,) + SHAPE)
        out = {"start." + k: v.numpy() for k, v in start.items()}
        for dropout in ("off", "on"):
            net.load_state_dict(start, strict=False)
            net.train()
            adam = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE)
            for step in range(ADAM_STEPS):
                adam.zero_grad()
                logits = net(x, step if dropout == "on" else None)
                loss = loss_of(logits, labels)
                loss.backward()
                if step == 0:
                    out[f"{dropout}.logits"] = logits.detach().numpy().reshape(-1)[::LOGIT_STRIDE]
                    out[f"{dropout}.loss"] = loss.detach().numpy().reshape(1)
                    for k, p in net.named_parameters():
                        out[f"{dropout}.grad.{k}"] = p.grad.numpy().copy()
                    for k, b in net.named_buffers():
                        if "running" in k:
                            out[f"{dropout}.buffer.{k}"] = b.numpy().copy()
                adam.step()
            for k, p in net.named_parameters():
                out[f"{dropout}.after.{k}"] = p.detach().numpy().copy()
            net.eval()
            with torch.no_grad():
                out[f"{dropout}.inference"] = net(x).numpy().reshape(-1)[::LOGIT_STRIDE]
        meta = {"widths": json.dumps(WIDTHS), "shape": json.dumps(shape), "torch": torch.__version__,
                "learning_rate": repr(LEARNING_RATE), "adam_steps": str(ADAM_STEPS), "logit_stride": str(LOGIT_STRIDE),
                "dropout_seed": str(DROPOUT_SEED), "input_seed": str(INPUT_SEED), "label_seed": str(LABEL_SEED)}
        write_safetensors(f"{folder}/{preset}.safetensors", out, meta)
        print(f"{folder}/{preset}.safetensors: {len(out)} tensors")


def compare(checkpoint, logits_file):
    tensors, metadata = read_safetensors(checkpoint)
    config = json.loads(metadata["unet"])
    net = UNet3d(config["in_channels"], config["widths"], config["norm"] == "batch", config["classes"])
    state = {k: torch.from_numpy(v.copy()) for k, v in tensors.items() if not k.startswith("adam.")}
    net.load_state_dict(state)
    net.eval()
    ours, _ = read_safetensors(logits_file)
    with torch.no_grad():
        theirs = net(torch.from_numpy(ours["image"].copy()[None]))[0].numpy()
    error = np.abs(theirs - ours["logits"]).max()
    scale = np.abs(theirs).max()
    same = (theirs.argmax(0) == ours["logits"].argmax(0)).mean()
    print(f"largest logit {scale:.6g}, largest difference {error:.3g} ({error / scale:.3g} of it), same class at {100 * same:.4f} %")
    return 0 if error <= 1e-4 * scale else 1


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "make":
        make(sys.argv[2])
    elif len(sys.argv) == 4 and sys.argv[1] == "compare":
        sys.exit(compare(sys.argv[2], sys.argv[3]))
    else:
        sys.exit(__doc__)
