#!/usr/bin/env python3
"""PyTorch's training step and inference pass of the same network, for `voxgrad bench step|predict --against torch`.

Answers one line of JSON for each line of JSON on stdin; the protocol is in benchmarks/README.md. One process prepares
one variant, so that its peak memory is that variant's alone:
  {"do": "hello"}
  {"do": "prepare", "work": "step", "size": 64, "batch": 2, "threads": 2, "device": "cpu", "dtype": "f32",
   "variant": "channels_last compile"}
  {"do": "run", "count": 1}
Needs PyTorch >= 1.13, with g++ for torch.compile.
"""
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in (HERE, os.path.join(HERE, "..", "..", "tests", "golden")):
    sys.path.insert(0, folder)
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from pytorch_reference import UNet3d, loss_of, nnunet, supervised_loss  # noqa: E402


def with_dropout(block):
    """PyTorch's own dropout in place of the reference's masks."""
    def forward(x, _step, _place):
        x = F.dropout(F.relu(block.norm1(block.conv1(x))), block.dropout, block.training)
        return F.relu(block.norm2(block.conv2(x)))
    return forward


def network(preset, widths, trains):
    """A preset's network, and the loss of what it gives."""
    if preset == "nnunet":
        net = nnunet(4, widths, max(1, len(widths) - 2))
        if trains:
            net.forward = net.forward_all
        return net, lambda logits, labels: supervised_loss([x.float() for x in logits], labels)
    net = UNet3d(*{"seed": (4, widths, "batch"), "tutorial": (3, widths, "none")}[preset])
    for block in list(net.encoder) + [net.bottleneck] + list(net.decoder):
        block.forward = with_dropout(block)
    return net, lambda logits, labels: loss_of(logits.float(), labels)


class Lab:
    """The network with its optimiser and one batch, in one of PyTorch's ways."""

    def __init__(self, question):
        torch.set_num_threads(question["threads"])
        torch.manual_seed(1)
        words = question["variant"].split()
        self.work, self.device = question["work"], question.get("device", "cpu").split(":")[0]
        if self.device == "cuda":
            if not torch.cuda.is_available():
                raise RuntimeError("this PyTorch sees no GPU")
            torch.backends.cudnn.benchmark = True
            torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = "tf32" in words
        self.amp = question.get("dtype", "f32") == "bf16"
        self.layout = torch.channels_last_3d if "channels_last" in words else torch.contiguous_format
        preset = question.get("preset", "seed")
        net, loss = network(preset, question.get("widths", [16, 32, 64, 128, 256]), self.work == "step")
        net = net.to(self.device, memory_format=self.layout)
        net.train(self.work == "step")
        if self.work == "step":
            self.adam = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True if self.device == "cuda" else None)
        compiled = "compile" in words
        self.net = torch.compile(net) if compiled else net
        self.loss_of = torch.compile(loss) if compiled else loss
        size, batch = question["size"], question["batch"]
        self.host_images = torch.randn(batch, 3 if preset == "tutorial" else 4, size, size, size)
        self.host_labels = torch.randint(0, 4, (batch, size, size, size))
        self.loss = float("nan")

    def wait(self):
        if self.device == "cuda":
            torch.cuda.synchronize()

    def load(self):
        self.images = self.host_images.to(self.device).contiguous(memory_format=self.layout)
        self.labels = self.host_labels.to(self.device)

    def forward(self):
        with torch.autocast(self.device, torch.bfloat16, enabled=self.amp):
            self.logits = self.net(self.images)

    def evaluate(self):
        self.loss = self.loss_of(self.logits, self.labels)
        self.logits = None

    def backward(self):
        self.loss.backward()

    def update(self):
        self.adam.step()
        self.adam.zero_grad(set_to_none=True)
        self.loss = self.loss.detach()

    def infer(self):
        with torch.inference_mode():
            self.forward()
            self.logits.softmax(1)
        self.logits = None

    def run(self):
        """Wall and processor seconds of each phase: on a GPU by its events, and nobody waits between them."""
        phases = []
        if self.work == "step":
            phases += [("forward", self.forward), ("loss", self.evaluate), ("backward", self.backward),
                       ("update", self.update)]
        else:
            phases += [("forward", self.infer)]
        self.wait()
        points = [(None, time.perf_counter(), time.process_time())]
        self.load()
        self.wait()
        points.append(("data", time.perf_counter(), time.process_time()))
        events = [self.event()]
        for name, work in phases:
            work()
            points.append((name, time.perf_counter(), time.process_time()))
            events.append(self.event())
        self.wait()
        times = {p[0]: (p[1] - before[1], p[2] - before[2]) for before, p in zip(points, points[1:])}
        if self.device == "cuda":
            for (name, _), start, end in zip(phases, events, events[1:]):
                times[name] = (1e-3 * start.elapsed_time(end), times[name][1])
        return times

    def event(self):
        if self.device != "cuda":
            return None
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event


def peak_resident_bytes():
    """Of this process since it began; getrusage() would count what its parent had when it was started."""
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmHWM"))


def run(lab, count):
    if lab.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    sums = {}
    for _ in range(count):
        for name, (wall, processor) in lab.run().items():
            before = sums.get(name, (0, 0))
            sums[name] = (before[0] + wall / count, before[1] + processor / count)
    steps = [times for name, times in sums.items() if name != "data"]
    answer = {"wall_s": sum(t[0] for t in steps), "processor_s": sum(t[1] for t in steps),
              "phases_s": {name: times[0] for name, times in sums.items()},
              "peak_resident_bytes": peak_resident_bytes()}
    if lab.work == "step":
        answer["loss"] = float(lab.loss)
    if lab.device == "cuda":
        answer["peak_tensor_bytes"] = torch.cuda.max_memory_allocated()
    return answer


def main():
    lab = None
    for line in sys.stdin:
        try:
            question = json.loads(line)
            if question["do"] == "hello":
                answer = {"name": f"PyTorch {torch.__version__}"}
            elif question["do"] == "prepare":
                lab = Lab(question)
                answer = {"name": f"PyTorch {torch.__version__} {question['variant']}"}
            else:
                answer = run(lab, question.get("count", 1))
        except Exception as error:  # out of memory, a compiler that is missing: PyTorch has many kinds
            text = next((t for t in str(error).splitlines() if t.strip()), "")
            answer = {"error": f"{type(error).__name__}: {text}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
