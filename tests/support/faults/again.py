"""A verb that was ended is run again on what is there: its files are then those of a run that was not."""

import os

import contents

# Behind the last checkpoint: `--resume` finds nothing left to do, and `report` draws them.
DRAWN = (".png", ".html", "pictures.json")


def arguments_of(verb, now):
    """As given; a training goes on where there is something to go on from."""
    arguments = list(verb.arguments)
    if verb.name == "train" and os.path.exists(os.path.join(now, "out", "last.safetensors")):
        arguments.append("--resume")
    return arguments


def findings(verb, now, code, said, wanted):
    """What is wrong with the second run: its exit code, and what it said on stderr. wanted: files of an unbroken run, by name."""
    complete = verb.name in ("train", "resume") and "epochs are done" in said  # ended behind the last checkpoint
    complete = complete or (verb.name == "convert" and "is there already" in said)
    if code != 0 and not complete:
        yield f"exit {code}: {said[-200:]}"
        return
    left = contents.of_tree(now, verb.new)
    for name, held in wanted.items():
        if complete and name.endswith(DRAWN):
            continue
        if contents.without_starts(left.get(name)) != contents.without_starts(held):
            yield f"{name} is not that of an unbroken run"
    if verb.name in ("prepare", "train", "resume") and not complete:  # who holds the lock removes what is left
        for name in left:
            if ".tmp-" in name or name.endswith(".lock"):
                yield f"{name} is still there"
