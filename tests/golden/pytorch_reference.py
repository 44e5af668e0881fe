#!/usr/bin/env python3
"""The network in PyTorch: makes the golden files of this folder, and checks a trained voxgrad file.

  python3 tests/golden/pytorch_reference.py make tests/golden
      writes seed.safetensors, tutorial.safetensors and nnunet.safetensors: weights, and what PyTorch computes from them
      in f64; of nnunet also the names and shapes of the whole network's parameters. A name behind the folder: that alone.
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
NNUNET_WIDTHS = [3, 5, 8, 9]
NNUNET_SHAPE = (16, 8, 24)
NNUNET_SGD = {"lr": 0.01, "momentum": 0.99, "weight_decay": 3e-5}
NNUNET_CLIP = 0.35  # nnU-Net's 12 is never reached by so small a network
NNUNET_SUPERVISION = 3  # the deepest decoder level, too, which the preset leaves out
DROPOUT_SEED = 20201102
INPUT_SEED = 7
LABEL_SEED = 8
LOGIT_STRIDE = 7  # every seventh logit is kept
ADAM_STEPS = 3
LEARNING_RATE = 1e-3
DROPOUT = [0.1, 0.1, 0.2, 0.2, 0.3, 0.3, 0.3]  # of the encoder's levels; a decoder level has its encoder level's

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


def norm_of(kind, channels):
    """PyTorch's layer: of "batch", "instance" or "none"."""
    if kind == "none":
        return nn.Identity()
    return nn.BatchNorm3d(channels) if kind == "batch" else nn.InstanceNorm3d(channels, affine=True)


class Block(nn.Module):
    def __init__(self, inputs, outputs, dropout, norm, norm_bias=False, slope=0, stride=1):
        super().__init__()
        bias = norm == "none" or norm_bias
        self.conv1 = nn.Conv3d(inputs, outputs, 3, stride, padding=1, bias=bias)
        self.conv2 = nn.Conv3d(outputs, outputs, 3, padding=1, bias=bias)
        self.norm1 = norm_of(norm, outputs)
        self.norm2 = norm_of(norm, outputs)
        self.dropout, self.slope = dropout, slope

    def forward(self, x, step, place):
        x = F.leaky_relu(self.norm1(self.conv1(x)), self.slope)
        if step is not None and self.dropout > 0:
            x = x * dropout_mask(x.shape, self.dropout, step, place) / (1 - self.dropout)
        return F.leaky_relu(self.norm2(self.conv2(x)), self.slope)


class UNet3d(nn.Module):
    """encoder, decoder: dropouts, shallow to deep with the bottleneck's last, and deep to shallow; None: DROPOUT."""

    def __init__(self, inputs, widths, norm="batch", classes=CLASSES, encoder=None, decoder=None, norm_bias=False, slope=0,
                 strided=False, supervision=1):
        super().__init__()
        encoder = DROPOUT[:len(widths)] if encoder is None else encoder
        decoder = DROPOUT[:len(widths) - 1][::-1] if decoder is None else decoder
        sizes, levels, self.strided = [inputs] + widths, len(widths), strided
        same = {"norm": norm, "norm_bias": norm_bias, "slope": slope}
        blocks = [Block(sizes[i], sizes[i + 1], encoder[i], stride=2 if strided and i else 1, **same) for i in range(levels)]
        self.encoder = nn.ModuleList(blocks[:-1])
        self.bottleneck = blocks[-1]
        down = widths[::-1]
        self.up = nn.ModuleList(nn.ConvTranspose3d(down[i], down[i + 1], 2, 2) for i in range(levels - 1))
        self.decoder = nn.ModuleList(Block(2 * down[i + 1], down[i + 1], decoder[i], **same) for i in range(levels - 1))
        self.head = nn.Conv3d(widths[0], classes, 1)
        if supervision > 1:
            self.heads = nn.ModuleDict({str(i): nn.Conv3d(widths[i], classes, 1) for i in range(1, supervision)})

    def forward(self, x, step=None):
        """step: the training step whose dropout masks to use; None drops nothing."""
        return self.forward_all(x, step)[0]

    def forward_all(self, x, step=None):
        """The logits of every head, full resolution first."""
        skips, place = [], 0
        for block in self.encoder:
            x = block(x, step, place)
            place += 1
            skips.append(x)
            if not self.strided:
                x = F.max_pool3d(x, 2)
        x = self.bottleneck(x, step, place)
        logits = {}
        for up, block in zip(self.up, self.decoder):
            place += 1
            x = block(torch.cat([up(x), skips.pop()], 1), step, place)
            level = str(len(skips))
            if level != "0" and level in getattr(self, "heads", {}):
                logits[int(level)] = self.heads[level](x)
        logits[0] = self.head(x)
        return [logits[i] for i in sorted(logits)]


def nnunet(inputs, widths, supervision):
    """nnU-Net's network of these widths, with heads at so many decoder levels."""
    zeros = [0] * len(widths)
    return UNet3d(inputs, widths, "instance", 3, zeros, zeros, norm_bias=True, slope=0.01, strided=True,
                  supervision=supervision)


def loss_of(logits, labels):
    """dice + focal of segmentation_models_3D: sums over the batch, mean over all classes, smooth 1e-5."""
    p = logits.softmax(1)
    y = F.one_hot(labels, CLASSES).permute(0, 4, 1, 2, 3).to(p.dtype)
    axes = (0, 2, 3, 4)
    dice = 1 - ((2 * (y * p).sum(axes) + 1e-5) / (y.sum(axes) + p.sum(axes) + 1e-5)).mean()
    q = p.clamp(1e-7, 1 - 1e-7)
    return dice + (-y * 0.25 * (1 - q) ** 2 * q.log()).mean()


def regions_loss(logits, labels):
    """nnU-Net's DC_and_BCE_loss plus 1: regions WT, TC, ET of classes 1 to 3, Dice over the batch, smooth 1e-5."""
    y = torch.stack([labels >= 1, (labels == 1) | (labels == 3), labels == 3], 1).to(logits.dtype)
    p, axes = logits.sigmoid(), (0, 2, 3, 4)
    dice = (2 * (p * y).sum(axes) + 1e-5) / (p.sum(axes) + y.sum(axes) + 1e-5).clip(1e-8)
    return 1 - dice.mean() + F.binary_cross_entropy_with_logits(logits, y)


def supervised_loss(logits, labels):
    """Deep supervision as nnU-Net: weights 1, 1/2, 1/4, ... over their sum; labels shrunk by nearest-exact."""
    weights = np.array([0.5**i for i in range(len(logits))])
    weights /= weights.sum()
    total = 0
    for weight, x in zip(weights, logits):
        small = F.interpolate(labels[:, None].double(), x.shape[2:], mode="nearest-exact")[:, 0].long()
        total = total + weight * regions_loss(x, small)
    return total


def start_of(net):
    """Values that f32 holds exactly, so that both precisions start alike."""
    with torch.no_grad():
        for p in net.parameters():
            if p.dim() == 1:
                p.add_(0.1 * torch.rand_like(p))
            p.copy_(p.float().double())
    return {k: v.clone() for k, v in net.state_dict().items() if "num_batches" not in k}


def image_of(shape):
    """12 bits, so that f32 holds them exactly."""
    bits = stream(int(np.prod(shape)), INPUT_SEED) >> np.uint64(20)
    return torch.from_numpy((bits.astype(np.float64) / 1024 - 2).reshape(shape))


def labels_of(shape):
    labels = (stream(int(np.prod(shape)), LABEL_SEED) % np.uint64(CLASSES)).astype(np.int64)
    return torch.from_numpy(labels).reshape(shape)


def some_of(logits):
    return logits.detach().numpy().reshape(-1)[::LOGIT_STRIDE]


def note_gradients(out, prefix, net):
    for k, p in net.named_parameters():
        out[f"{prefix}.grad.{k}"] = p.grad.numpy().copy()
    for k, b in net.named_buffers():
        if "running" in k:
            out[f"{prefix}.buffer.{k}"] = b.numpy().copy()


def write_golden(path, out, widths, shape, more):
    meta = {"widths": json.dumps(widths), "shape": json.dumps(shape), "torch": torch.__version__,
            "learning_rate": repr(LEARNING_RATE), "adam_steps": str(ADAM_STEPS), "logit_stride": str(LOGIT_STRIDE),
            "input_seed": str(INPUT_SEED), "label_seed": str(LABEL_SEED)} | more
    write_safetensors(path, out, meta)
    print(f"{path}: {len(out)} tensors")


def make_preset(folder, preset):
    inputs, norm = {"seed": (4, "batch"), "tutorial": (3, "none")}[preset]
    net = UNet3d(inputs, WIDTHS, norm)
    start = start_of(net)
    shape = (BATCH, inputs) + SHAPE
    x, labels = image_of(shape), labels_of((BATCH,) + SHAPE)
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
                out[f"{dropout}.logits"] = some_of(logits)
                out[f"{dropout}.loss"] = loss.detach().numpy().reshape(1)
                note_gradients(out, dropout, net)
            adam.step()
        for k, p in net.named_parameters():
            out[f"{dropout}.after.{k}"] = p.detach().numpy().copy()
        net.eval()
        with torch.no_grad():
            out[f"{dropout}.inference"] = some_of(net(x))
    write_golden(f"{folder}/{preset}.safetensors", out, WIDTHS, shape, {"dropout_seed": str(DROPOUT_SEED)})


def make_nnunet(folder):
    net = nnunet(4, NNUNET_WIDTHS, NNUNET_SUPERVISION)
    shape = (BATCH, 4) + NNUNET_SHAPE
    x, labels = image_of(shape), labels_of((BATCH,) + NNUNET_SHAPE)
    out = {"start." + k: v.numpy() for k, v in start_of(net).items()}
    sgd = torch.optim.SGD(net.parameters(), **NNUNET_SGD, nesterov=True)
    for step in range(ADAM_STEPS):
        sgd.zero_grad()
        logits = net.forward_all(x)
        loss = supervised_loss(logits, labels)
        loss.backward()
        if step == 0:
            for i, head in enumerate(logits):
                out[f"off.logits.{i}"] = some_of(head)
            out["off.loss"] = loss.detach().numpy().reshape(1)
            note_gradients(out, "off", net)
        # clip_grad_norm_ divides by norm + 1e-6, which would be all that differs; here the norm becomes NNUNET_CLIP.
        norm = torch.cat([p.grad.flatten() for p in net.parameters()]).norm()
        for p in net.parameters():
            p.grad *= min(1, NNUNET_CLIP / norm)
        sgd.step()
    for k, p in net.named_parameters():
        out[f"off.after.{k}"] = p.detach().numpy().copy()
    with torch.no_grad():
        out["off.inference"] = some_of(net(x))
    whole = nnunet(4, [32, 64, 128, 256, 320, 320], 4)
    parameters = {k: list(p.shape) for k, p in whole.named_parameters()}
    write_golden(f"{folder}/nnunet.safetensors", out, NNUNET_WIDTHS, shape,
                 {"supervision": str(NNUNET_SUPERVISION), "parameters": json.dumps(parameters), "clip_norm": repr(NNUNET_CLIP)}
                 | {k: repr(v) for k, v in NNUNET_SGD.items()})


def make(folder, presets):
    torch.set_default_dtype(torch.float64)
    for preset in presets:
        torch.manual_seed(1)
        make_nnunet(folder) if preset == "nnunet" else make_preset(folder, preset)


def network_of(checkpoint):
    """A checkpoint's network for inference, and what its metadata says."""
    tensors, metadata = read_safetensors(checkpoint)
    config = json.loads(metadata["unet"])
    net = UNet3d(config["in_channels"], config["widths"], config["norm"], config["classes"], config["encoder_dropout"],
                 config["decoder_dropout"], config.get("norm_bias", False), config.get("negative_slope", 0),
                 config.get("down") == "strided_conv", config.get("supervision", 1))
    net.load_state_dict({k: torch.from_numpy(tensors[k].copy()) for k in net.state_dict() if k in tensors}, strict=False)
    missing = [k for k in net.state_dict() if k not in tensors and not k.endswith("num_batches_tracked")]
    if missing:
        raise ValueError(f"{checkpoint} lacks {', '.join(missing)}")
    return net.eval(), {**metadata, "unet": config}


def compare(checkpoint, logits_file):
    net, _ = network_of(checkpoint)
    ours, _ = read_safetensors(logits_file)
    with torch.no_grad():
        theirs = net(torch.from_numpy(ours["image"].copy()[None]))[0].numpy()
    error = np.abs(theirs - ours["logits"]).max()
    scale = np.abs(theirs).max()
    same = (theirs.argmax(0) == ours["logits"].argmax(0)).mean()
    print(f"largest logit {scale:.6g}, largest difference {error:.3g} ({error / scale:.3g} of it), same class at {100 * same:.4f} %")
    return 0 if error <= 1e-4 * scale else 1


if __name__ == "__main__":
    if len(sys.argv) >= 3 and sys.argv[1] == "make":
        make(sys.argv[2], sys.argv[3:] or ["seed", "tutorial", "nnunet"])
    elif len(sys.argv) == 4 and sys.argv[1] == "compare":
        sys.exit(compare(sys.argv[2], sys.argv[3]))
    else:
        sys.exit(__doc__)
