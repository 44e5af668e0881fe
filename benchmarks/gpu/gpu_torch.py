#!/usr/bin/env python3
"""Whole training steps of the same network in voxgrad and in PyTorch on one GPU, in turns.

  python3 benchmarks/gpu/gpu_torch.py build/vox_step_bench [--size 128] [--batch 1,2,16] [--rounds 5] [--json FILE]

PyTorch runs as its makers advise: channels_last_3d, cudnn.benchmark, fused Adam; bf16 by autocast, f32 with TF32 off and
on; eager and, where --compile is given, through torch.compile. Both programs are warm and stay loaded; a round is a few
steps of the one and then of the other, and the figure to quote is the median of the rounds' ratios. A shape that does not
fit one of them is said to and the rest goes on. Needs PyTorch >= 2.0 with CUDA for PyTorch's side (--ours-only for none).
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

STEPS = 3  # of each program in a round


class Ours:
    """vox_step_bench, asked line by line."""

    def __init__(self, program, arguments):
        self.process = subprocess.Popen([program, "--serve"] + arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.about = self.read()

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(self.process.stderr.read().strip() or f"exit {self.process.wait()}")
        return json.loads(line)

    def run(self, what, count):
        self.process.stdin.write(f"{what} {count}\n")
        self.process.stdin.flush()
        return self.read()

    def close(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait()


class Theirs:
    """PyTorch's step: the network and loss of tests/golden/pytorch_reference.py with PyTorch's own dropout."""

    def __init__(self, torch, device, size, batch, mode, compiled):
        import torch.nn.functional as F
        from pytorch_reference import DECODER_DROPOUT, ENCODER_DROPOUT, UNet3d, loss_of
        self.torch, self.device = torch, device
        self.amp = mode == "bf16"
        torch.backends.cudnn.benchmark = True
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = mode == "tf32"
        net = UNet3d(4, [16, 32, 64, 128, 256], True).to(device, memory_format=torch.channels_last_3d)

        def with_dropout(block, p):
            def forward(x, _step, _place):
                x = F.dropout(F.relu(block.norm1(block.conv1(x))), p, block.training)
                return F.relu(block.norm2(block.conv2(x)))
            return forward
        for block, p in zip(list(net.encoder) + [net.bottleneck], ENCODER_DROPOUT):
            block.forward = with_dropout(block, p)
        for block, p in zip(net.decoder, DECODER_DROPOUT):
            block.forward = with_dropout(block, p)
        self.net = net
        self.adam = torch.optim.Adam(net.parameters(), lr=1e-3, fused=device == "cuda")
        shape = (batch, 4, size, size, size)
        self.image = torch.randn(shape, device=device).contiguous(memory_format=torch.channels_last_3d)
        self.labels = torch.randint(0, 4, (batch, size, size, size), device=device)

        def loss(image, labels):
            with torch.autocast(device, torch.bfloat16, enabled=self.amp):
                logits = net(image)
            return loss_of(logits.float(), labels)
        self.loss = torch.compile(loss) if compiled else loss

    def wait(self):
        if self.device == "cuda":
            self.torch.cuda.synchronize()

    def train(self):
        self.net.train()
        self.adam.zero_grad(set_to_none=True)
        self.loss(self.image, self.labels).backward()
        self.adam.step()

    def run(self, count):
        times = []
        for _ in range(count):
            self.wait()
            start = time.perf_counter()
            self.train()
            self.wait()
            times.append(1e3 * (time.perf_counter() - start))
        return times


def figures(ours, theirs):
    ratios = [b / a for a, b in zip(ours, theirs)]
    return {"ours_ms": statistics.median(ours), "theirs_ms": statistics.median(theirs),
            "ratio": statistics.median(ratios), "ratio_lowest": min(ratios), "ratio_highest": max(ratios)}


def compare(args, torch, batch, mode, compiled):
    """One line of the table: our bf16 or f32 step against one way of PyTorch's."""
    row = {"batch": batch, "mode": mode, "compiled": compiled}
    ours = theirs = None
    try:
        ours = Ours(args.program, ["--device", args.device, "--size", str(args.size), "--batch", str(batch),
                                   "--dtype", "bf16" if mode == "bf16" else "f32"])
        row["device"] = ours.about["device"]
        row["ours_loss"] = ours.run("train", 2)["loss"]
    except (OSError, RuntimeError) as error:
        row["ours_error"] = str(error)
        ours = None
    try:
        if torch:
            theirs = Theirs(torch, args.torch_device, args.size, batch, mode, compiled)
            if theirs.device == "cuda":
                torch.cuda.reset_peak_memory_stats()
            row["theirs_first_ms"] = max(theirs.run(3))
    except Exception as error:  # out of memory, a compiler that is missing: PyTorch has many kinds
        row["theirs_error"] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        theirs = None
    ours_ms, theirs_ms = [], []
    for _ in range(args.rounds):
        if ours:
            answer = ours.run("train", STEPS)
            ours_ms.append(statistics.median(answer["ms"]))
            row["ours_peak_mib"] = answer["peak_mib"]
        if theirs:
            theirs_ms.append(statistics.median(theirs.run(STEPS)))
    if ours_ms and theirs_ms:
        row.update(figures(ours_ms, theirs_ms))
    elif ours_ms:
        row["ours_ms"] = statistics.median(ours_ms)
    elif theirs_ms:
        row["theirs_ms"] = statistics.median(theirs_ms)
    if theirs and theirs.device == "cuda":
        row["theirs_peak_mib"] = torch.cuda.max_memory_allocated() / 2**20
    if ours:
        ours.close()
    del theirs
    if torch and args.torch_device == "cuda":
        torch.cuda.empty_cache()
    return row


def line(row):
    def number(key, form):
        return format(row[key], form) if key in row else "-"
    text = (f"{row['batch']:>5} {row['mode']:>5} {'compile' if row['compiled'] else 'eager':>8} {number('ours_ms', '.2f'):>10}"
            f" {number('theirs_ms', '.2f'):>10} {number('ratio', '.2f'):>6} {number('ratio_lowest', '.2f'):>6}"
            f" {number('ratio_highest', '.2f'):>6} {number('ours_peak_mib', '.0f'):>9} {number('theirs_peak_mib', '.0f'):>9}")
    for key in ("ours_error", "theirs_error"):
        if key in row:
            text += f"  {key}: {row[key]}"
    return text


def load_torch(args):
    if args.ours_only:
        return None
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "golden"))
    import torch
    if args.torch_device == "cuda" and not torch.cuda.is_available():
        sys.exit("gpu_torch: this PyTorch sees no GPU")
    torch.manual_seed(0)
    return torch


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="vox_step_bench")
    parser.add_argument("--device", default="cuda", help="ours: cuda, cuda:N, cpu or simt")
    parser.add_argument("--torch-device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--batch", default="1,2,16")
    parser.add_argument("--modes", default="bf16,f32,tf32")
    parser.add_argument("--compile", action="store_true", help="through torch.compile, too")
    parser.add_argument("--ours-only", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0, help="start no line after so long; 0: no limit")
    parser.add_argument("--json")
    args = parser.parse_args()
    start = time.perf_counter()
    torch = load_torch(args)
    report = {"size": args.size, "rounds": args.rounds, "steps_per_round": STEPS, "rows": []}
    if torch:
        report.update(torch=torch.__version__, cuda=torch.version.cuda, cudnn=torch.backends.cudnn.version())
        print(f"# PyTorch {report['torch']}, CUDA {report['cuda']}, cuDNN {report['cudnn']}")
    print(f"# training step at {args.size}^3; ratio = PyTorch / voxgrad, above 1 voxgrad is faster; tf32: PyTorch may round"
          " f32 to TF32, voxgrad does not")
    print("batch  mode  PyTorch    ours ms  theirs ms  ratio lowest highest ours MiB theirs MiB")
    lines = [(int(b), mode, False) for b in args.batch.split(",") for mode in args.modes.split(",")]
    if args.compile:
        lines += [(int(b), "bf16", True) for b in args.batch.split(",")]
    for batch, mode, compiled in lines:
        if args.seconds and time.perf_counter() - start > args.seconds:
            print(f"{batch:>5} {mode:>5} {'compile' if compiled else 'eager':>8} not measured: the time was up")
            continue
        report["rows"].append(compare(args, torch, batch, mode, compiled))
        print(line(report["rows"][-1]), flush=True)
        if args.json:  # after every line: a run that is stopped keeps what it has
            with open(args.json, "w") as f:
                json.dump(report, f, indent=1)
    failed = [r for r in report["rows"] if "ours_error" in r and "out of memory" not in r["ours_error"]]
    sys.exit(1 if failed or not report["rows"] else 0)


if __name__ == "__main__":
    main()
