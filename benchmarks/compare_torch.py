#!/usr/bin/env python3
"""The same training step and inference in voxgrad and in PyTorch, in turns, on this machine.

  python3 benchmarks/compare_torch.py build/vox_bench [--size 64] [--batch 2] [--rounds 5] [--threads 2]

One round runs one step of PyTorch in this process and one of voxgrad in its own (each after a warm-up step there), so
both see the same moods of a shared machine. The median of the ratios of the rounds is the figure to quote.
Needs PyTorch >= 1.13; voxgrad needs neither it nor Python.
"""
import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "golden"))
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from pytorch_reference import DECODER_DROPOUT, ENCODER_DROPOUT, UNet3d, loss_of  # noqa: E402


class TorchStep:
    def __init__(self, size, batch):
        self.net = UNet3d(4, [16, 32, 64, 128, 256], True)
        self.adam = torch.optim.Adam(self.net.parameters(), lr=1e-3)
        self.image = torch.randn(batch, 4, size, size, size)
        self.labels = torch.randint(0, 4, (batch, size, size, size))
        for block, p in zip(list(self.net.encoder) + [self.net.bottleneck], ENCODER_DROPOUT):
            block.forward = self.with_dropout(block, p)
        for block, p in zip(self.net.decoder, DECODER_DROPOUT):
            block.forward = self.with_dropout(block, p)

    @staticmethod
    def with_dropout(block, p):
        """PyTorch's own dropout in place of the reference's masks."""
        def forward(x, _step, _place):
            x = F.dropout(F.relu(block.norm1(block.conv1(x))), p, block.training)
            return F.relu(block.norm2(block.conv2(x)))
        return forward

    def train(self):
        self.net.train()
        start = time.perf_counter()
        self.adam.zero_grad()
        loss = loss_of(self.net(self.image), self.labels)
        loss.backward()
        self.adam.step()
        return time.perf_counter() - start

    def infer(self):
        self.net.eval()
        start = time.perf_counter()
        with torch.no_grad():
            self.net(self.image).softmax(1)
        return time.perf_counter() - start


def voxgrad(bench, name, threads):
    env = dict(os.environ)
    command = [bench, f"--benchmark_filter=^{name}$", "--benchmark_format=json", "--benchmark_min_time=0.001",
               "--benchmark_min_warmup_time=0.01"]
    if threads:
        command = ["taskset", "-c", f"0-{threads - 1}"] + command
    out = subprocess.run(command, capture_output=True, text=True, env=env, check=True)
    row = json.loads(out.stdout)["benchmarks"][0]
    return row["real_time"] / 1e3, row["peak_tensor_MiB"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench", help="the vox_bench program")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    step = TorchStep(args.size, args.batch)
    print(f"PyTorch {torch.__version__}, {args.threads} threads, {args.size}^3, batch {args.batch}, f32")
    for what, run in (("training_step", step.train), ("inference", step.infer)):
        name = f"{what}/{args.size}/{args.batch}/real_time"
        run()
        theirs, ours, ratios, peak = [], [], [], 0
        for _ in range(args.rounds):
            theirs.append(run())
            seconds, peak = voxgrad(args.bench, name, args.threads)
            ours.append(seconds)
            ratios.append(theirs[-1] / ours[-1])
        print(f"{what:14} PyTorch {statistics.median(theirs):.3f} s  voxgrad {statistics.median(ours):.3f} s  "
              f"PyTorch/voxgrad median {statistics.median(ratios):.2f} (min {min(ratios):.2f}, max {max(ratios):.2f})  "
              f"voxgrad's tensors at most {peak:.0f} MiB")
    print(f"PyTorch's process at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
