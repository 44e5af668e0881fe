#!/usr/bin/env bash
# TensorBoard's own reader finds in a run's event file what the run's log says, step by step, each step once, after a
# kill and a resume, too, and a picture of each validation that can be decoded.
program="$1"
python="build/python/bin/python"
[ -x "$python" ] || python="${VOXGRAD_TEST_PYTHON:-}"
if [ -z "$python" ] || ! "$python" -c 'import tensorboard, numpy' 2>/dev/null; then
  echo "skipped: no Python with tensorboard (bash tools/setup.sh --tests, or VOXGRAD_TEST_PYTHON)"
  exit 77
fi
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
"$program" synth -o "$work/cases" --cases 4 --size 48 48 40 --threads 1 >/dev/null &&
  "$program" prepare -i "$work/cases" -o "$work/cache" --recipe zscore --size 32 --threads 1 >/dev/null 2>&1 || exit 1
train=("$program" train -i "$work/cache" --widths 2 2 2 --folds 2 --steps-per-epoch 8 --batch 1 --threads 1)
"${train[@]}" -o "$work/run" --epochs 100000 --save-every 0.00001 >/dev/null 2>&1 &
process=$!
for _ in $(seq 600); do
  steps=$(grep -c '"type":"step"' "$work/run/log.jsonl" 2>/dev/null)
  [ "${steps:-0}" -ge 12 ] && break
  sleep 0.05
done
kill -9 "$process"
wait "$process" 2>/dev/null
cp "$work/run/events.out.tfevents.voxgrad" "$work/killed.tfevents"
mkdir "$work/killed" && mv "$work/killed.tfevents" "$work/killed/events.out.tfevents.voxgrad"
done=$(grep -c '"type":"epoch"' "$work/run/log.jsonl")
"${train[@]}" -o "$work/run" --epochs $((done + 2)) --resume >/dev/null 2>&1 || exit 1
printf 'half a record' >>"$work/run/events.out.tfevents.voxgrad" # which goes when the run goes on
"${train[@]}" -o "$work/run" --epochs $((done + 3)) --resume >/dev/null 2>&1 || exit 1
"${train[@]}" -o "$work/off" --epochs 1 --tensorboard off >/dev/null 2>&1 || exit 1
if ls "$work"/off/*tfevents* 2>/dev/null; then
  echo "--tensorboard off wrote an event file"
  exit 1
fi
"$python" - "$work" <<'END' 2>"$work/python.log" || { cat "$work/python.log"; exit 1; }
import json, sys, zlib
import numpy
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

def read(folder):
    events = EventAccumulator(folder, size_guidance={"scalars": 0, "images": 0})
    events.Reload()
    return events

def rows(png):  # a decoder of its own: what png_file() writes
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, data, head = 8, b"", None
    while at < len(png):
        size, kind = int.from_bytes(png[at:at + 4], "big"), png[at + 4:at + 8]
        body = png[at + 8:at + 8 + size]
        assert zlib.crc32(kind + body) == int.from_bytes(png[at + 8 + size:at + 12 + size], "big"), kind
        if kind == b"IHDR": head = body
        if kind == b"IDAT": data += body
        at += 12 + size
    width, height = int.from_bytes(head[:4], "big"), int.from_bytes(head[4:8], "big")
    assert head[8:] == b"\x08\x02\x00\x00\x00"
    flat = numpy.frombuffer(zlib.decompress(data), numpy.uint8).reshape(height, 1 + 3 * width)
    assert (flat[:, 0] == 2).all()
    return numpy.cumsum(flat[:, 1:], axis=0, dtype=numpy.uint8).reshape(height, width, 3)

work = sys.argv[1]
log = [json.loads(line) for line in open(work + "/run/log.jsonl")]
steps = [line for line in log if line["type"] == "step"]
epochs = [line for line in log if line["type"] == "epoch"]
assert len(read(work + "/killed").Scalars("loss/step")) >= 12  # what a killed run leaves can be read
events = read(work + "/run")

def check(tag, lines, value):
    got = [(e.step, e.value) for e in events.Scalars(tag)]
    want = [(line["step"], float(numpy.float32(value(line)))) for line in lines]
    assert got == want, (tag, got[:3], want[:3], len(got), len(want))

assert [line["step"] for line in steps] == list(range(1, len(steps) + 1))
check("loss/step", steps, lambda l: l["loss"])
check("gradient_norm", steps, lambda l: l["gradient_norm"])
check("lr", steps, lambda l: l["lr"])
check("loss/train", epochs, lambda l: l["train_loss"])
check("loss/validation", epochs, lambda l: l["val_loss"])
check("epoch", epochs, lambda l: l["epoch"])
check("time/epoch_seconds", epochs, lambda l: l["seconds"])
for region in ("WT", "TC", "ET"):
    check("dice/" + region, epochs, lambda l: l["dice"][region])
    check("all_background/dice/" + region, epochs, lambda l: l["all_background"]["dice"][region])
check("scores/iou", epochs, lambda l: l["scores"]["iou"])
for case in epochs[0]["cases"]:
    check("cases/" + case["id"], epochs, lambda l: {c["id"]: c for c in l["cases"]}[case["id"]]["mean_dice"])

# Everything that is a number in the log has a scalar.
def numbers(value):
    if isinstance(value, dict): return sum(numbers(v) for v in value.values())
    return isinstance(value, (int, float)) and not isinstance(value, bool)
def count(line, leave):
    return sum(numbers(v) for k, v in line.items() if k not in leave)
tags = events.Tags()["scalars"]
last = epochs[-1]["step"]
here = [tag for tag in tags if any(e.step == last for e in events.Scalars(tag))]
assert len(here) == count(steps[-1], {"step", "epoch"}) + count(epochs[-1], {"step"}) + len(epochs[-1]["cases"]), here

pictures = events.Images("validation/prediction beside truth")
assert [p.step for p in pictures] == [line["step"] for line in epochs]
for picture in pictures:
    image = rows(picture.encoded_image_string)
    assert image.shape == (picture.height, picture.width, 3) == (32, 64, 3)
    truth = image[:, 32:]
    assert (truth != truth[:, :, :1]).any(), "the truth is not coloured"
    coloured = (truth != truth[:, :, :1]).any(axis=2)
    same = (image[:, :32] == truth).all(axis=2)
    assert same[~coloured].mean() > 0.2  # one slice on both sides
print("steps", len(steps), "epochs", len(epochs), file=sys.stderr)
END
