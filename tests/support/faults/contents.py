"""What is in a folder, without what no two runs share: times, and names of processes."""

import json
import os
import re
import struct

TIMES = re.compile(r"(seconds|per_second|bytes)$")


def of_tree(folder, names):
    """Of each file below the names, by path: what it holds."""
    found = {}
    for name in names:
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            found[name] = of_file(path)
        for root, folders, files in os.walk(path):
            for empty in folders:
                at = os.path.join(root, empty)
                if empty.startswith("."):
                    found[os.path.relpath(at, folder)] = "folder"
            for file in files:
                at = os.path.join(root, file)
                found[os.path.relpath(at, folder)] = of_file(at)
    return found


def of_file(path):
    with open(path, "rb") as file:
        data = file.read()
    name = os.path.basename(path)
    try:
        if name.endswith(".safetensors") and not name.startswith("."):
            return tensors(data)
        if name == "log.jsonl":
            return [without_times(json.loads(line)) for line in data.decode().splitlines()]
        if name in ("env.json", "data.json", "pictures.json"):
            json.loads(data)
            return "JSON"
        if name.startswith("events.out"):
            return "events"
    except (ValueError, KeyError, struct.error) as error:
        return f"damaged: {error}"
    if name.endswith(".html"):
        return Page(b"" if name == "report.html" else data) if data.rstrip().endswith(b"</html>") else f"a page cut at {len(data)} bytes"
    return data


class Page(frozenset):
    """Long words of a whole page: no numbers, which may be times, and not what is within its pictures. None of a training's page,
    which goes on without what it cannot have."""

    def __new__(cls, data):
        return super().__new__(cls, re.findall(rb"[A-Za-z]{4,}", re.sub(rb"[A-Za-z0-9+/=]{40,}", b"", data)))


def tensors(data):
    """Names, shapes and bytes; of the metadata only what is no time."""
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    metadata = header.pop("__metadata__", {})
    if "training" in metadata:
        metadata["training"] = json.dumps(without_times(json.loads(metadata["training"])), sort_keys=True)
    end = max((t["data_offsets"][1] for t in header.values()), default=0)
    if len(data) != 8 + length + end:
        raise ValueError(f"{len(data)} bytes, wants {8 + length + end}")
    return [sorted(metadata.items()), sorted(header.items(), key=lambda item: item[0]), data[8 + length :]]


def without_times(value):
    if isinstance(value, dict):
        return {k: without_times(v) for k, v in value.items() if not TIMES.search(k) and k != "memory"}
    return value


def without_starts(held):
    """A log says each time that its run began or went on."""
    is_log = isinstance(held, list) and held and isinstance(held[0], dict)
    return [line for line in held if line.get("type") != "start"] if is_log else held
