"""Every verb that reads or writes files, over the smallest data: what it is given, what it writes, and the data itself."""

import dataclasses
import os
import shutil
import subprocess

SMALL = ["--threads", "1"]
TRAIN = ["-i", "cache", "--widths", "2", "2", "2", "--folds", "3", "--batch", "1", "--threads", "1", "--lr", "1e-2", "--augment", "none"]
PAIRS = ["--report", "off"] + ["2" if before == "--batch" else word for before, word in zip(["", *TRAIN], TRAIN)]  # a batch that two ranks can share


@dataclasses.dataclass
class Verb:
    """needs: folders and files that it reads. old: what stands where it writes, by the name it has among the data. new: what it
    writes. by_case: a case that fails is a line of its own and the others go on, so that the message may be on stdout."""

    name: str
    arguments: list
    needs: list = dataclasses.field(default_factory=list)
    new: list = dataclasses.field(default_factory=list)
    old: dict = dataclasses.field(default_factory=dict)
    by_case: bool = False
    same_stdout: bool = False
    gnuplot: bool = False
    rank: int = -1  # of two under mpirun, the one whose calls are counted


VERBS = [
    Verb("synth", ["synth", "-o", "out", "--cases", "1", "--seed", "7", "--size", "16", "16", "16", *SMALL], new=["out"], old={"out": "raw"}),
    Verb("check", ["check", "-i", "raw", "--json", *SMALL], needs=["raw"], by_case=True, same_stdout=True),
    *(Verb(f"check-{layout}", ["check", "-i", given, "--json", *SMALL], needs=sorted({layout, "raw"} if layout == "list" else {layout}), by_case=True, same_stdout=True)
      for layout, given in (("bids", "bids"), ("nnunet", "nnunet"), ("msd", "msd"), ("list", "list/cases.csv"))),
    Verb("convert", ["convert", "-i", "raw", "-o", "out", "--to", "nnunet", *SMALL], needs=["raw"], new=["out"]),
    Verb("prepare", ["prepare", "-i", "raw", "-o", "out", "--recipe", "zscore", "--size", "16", *SMALL], needs=["raw"], new=["out"],
         old={"out": "cache8"}, by_case=True),
    Verb("preview", ["preview", "-i", "cache", "-o", "out.png", "--samples", "2", "--folds", "3"], needs=["cache"], new=["out.png"], old={"out.png": "old"}),
    Verb("train", ["train", "-o", "out", "--epochs", "1", *TRAIN], needs=["cache"], new=["out"]),
    Verb("resume", ["train", "-o", "out", "--resume", "--epochs", "3", *TRAIN], needs=["cache"], new=["out"], old={"out": "run"}),
    Verb("predict", ["predict", "-i", "raw", "-o", "out", "-m", "run", "--save-logits", *SMALL], needs=["raw", "run"], new=["out"], old={"out": "other"},
         by_case=True),
    Verb("evaluate", ["evaluate", "-g", "raw", "-p", "predicted", "-o", "out.json", "--csv", "out.csv", "--report", "out.html", *SMALL],
         needs=["raw", "predicted"], new=["out.json", "out.csv", "out.html"], old={"out.json": "old", "out.csv": "old", "out.html": "old"}),
    Verb("compare", ["compare", "predicted", "other", "-g", "raw", "-o", "out.json", *SMALL], needs=["raw", "predicted", "other"], new=["out.json"],
         old={"out.json": "old"}, same_stdout=True),
    Verb("compare-runs", ["compare", "run", "second", "-o", "out.json"], needs=["run", "second"], new=["out.json"], old={"out.json": "old"}, same_stdout=True),
    Verb("plot", ["plot", "run", "second", "-o", "out.png"], needs=["run", "second"], new=["out.png"], old={"out.png": "old"}, gnuplot=True),
    Verb("tune", ["tune", "-g", "raw", "-p", "predicted", "-o", "out.json", *SMALL], needs=["raw", "predicted"], new=["out.json"], old={"out.json": "old"}),
    Verb("overlay", ["overlay", "-i", "raw/Synth_001", "-s", "predicted/Synth_001.nii.gz", "-o", "out.png"], needs=["raw", "predicted"], new=["out.png"],
         old={"out.png": "old"}),
    Verb("montage", ["overlay", "--montage", "-i", "raw", "-s", "predicted", "-o", "out.png"], needs=["raw", "predicted"], new=["out.png"],
         old={"out.png": "old"}),
    Verb("report", ["report", "run", "-o", "out.html"], needs=["run"], new=["out.html"], old={"out.html": "old"}),
    Verb("export", ["export", "-m", "run", "-o", "out.onnx"], needs=["run"], new=["out.onnx", "out.json"], old={"out.onnx": "old", "out.json": "old"}),
    Verb("import", ["import", "--from", "torch", "weights.safetensors", "-o", "out.safetensors", "--widths", "2", "2", "2", "--size", "16", "--recipe", "zscore"],
         needs=["weights.safetensors"], new=["out.safetensors"], old={"out.safetensors": "old"}),
    Verb("import-nnunet", ["import", "--from", "nnunet", "classes.safetensors", "--plans", "classes_plans.json", "--dataset", "classes_dataset.json", "-o", "out.safetensors"],
         needs=["classes.safetensors", "classes_plans.json", "classes_dataset.json"], new=["out.safetensors"], old={"out.safetensors": "old"}),
    Verb("import-keras", ["import", "--from", "keras", "two.h5", "--preset", "tutorial", "--widths", "2", "3", "4", "-o", "out.safetensors"],
         needs=["two.h5"], new=["out.safetensors"], old={"out.safetensors": "old"}),
    Verb("info", ["info", "-m", "run", "--size", "16"], needs=["run"], same_stdout=True),
    Verb("config", ["info", "--config", "info.toml"], needs=["info.toml"], same_stdout=True),
    Verb("man", ["man", "-o", "out"], new=["out"]),
]

# Not among those of every run: a start of mpirun takes a second. Of calls on files alone: Open MPI itself ends by SIGSEGV
# where it is refused a small allocation.
TWO_RANKS = [
    Verb(f"train-rank{rank}", ["train", "-o", "out", "--epochs", "1", *PAIRS], needs=["cache"], new=["out"], rank=rank) for rank in (0, 1)
] + [
    Verb(f"resume-rank{rank}", ["train", "-o", "out", "--resume", "--epochs", "3", *PAIRS], needs=["cache"], new=["out"], old={"out": "pairs"}, rank=rank)
    for rank in (0, 1)
]


def make_data(program, folder):
    """What the verbs need, made by the program itself."""

    def run(*arguments):
        done = subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True, env=environment(False))
        if done.returncode != 0:
            raise SystemExit(f"voxgrad {' '.join(arguments)}: exit {done.returncode}: {done.stderr}")

    run("synth", "-o", "raw", "--cases", "3", "--seed", "5", "--size", "16", "16", "16", *SMALL)
    run("prepare", "-i", "raw", "-o", "cache", "--recipe", "zscore", "--size", "16", *SMALL)
    run("prepare", "-i", "raw", "-o", "cache8", "--recipe", "zscore", "--size", "8", *SMALL)
    run("train", "-o", "run", "--epochs", "2", *TRAIN)
    run("train", "-o", "pairs", "--epochs", "2", *PAIRS)
    run("train", "-o", "second", "--epochs", "2", "--seed", "3", *TRAIN)
    run("predict", "-i", "raw", "-o", "predicted", "-m", "run", *SMALL)
    run("predict", "-i", "raw", "-o", "other", "-m", "second", "--save-logits", *SMALL)
    run("export", "-m", "run", "-o", "weights.safetensors", "--to", "safetensors")
    run("convert", "-i", "raw", "-o", "nnunet", "--to", "nnunet", *SMALL)
    run("convert", "-i", "raw", "-o", "msd", "--to", "msd", *SMALL)
    other_layouts(folder)
    golden = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "golden")
    for name in ("nnunet_import/classes.safetensors", "nnunet_import/classes_plans.json", "nnunet_import/classes_dataset.json", "keras_import/two.h5"):
        copy(os.path.join(golden, name), os.path.join(folder, os.path.basename(name)))
    with open(os.path.join(folder, "old"), "w") as file:
        file.write("what stood there before\n")
    with open(os.path.join(folder, "info.toml"), "w") as file:
        file.write("size = 16\nwidths = [2, 2, 2]\n")


def other_layouts(folder):
    """The cases of raw as BIDS, with labels among the derivatives, and as a list of paths."""
    os.mkdir(os.path.join(folder, "list"))
    with open(os.path.join(folder, "list", "cases.csv"), "w") as cases:
        cases.write("id,t1,t1ce,t2,flair,seg\n")
        for number, name in enumerate(sorted(os.listdir(os.path.join(folder, "raw"))), 1):
            subject = f"sub-{number}"
            for kind, suffix in (("t1", "T1w"), ("t1ce", "ce-gd_T1w"), ("t2", "T2w"), ("flair", "FLAIR"), ("seg", "dseg")):
                anat = os.path.join(folder, "bids", *(["derivatives", "experts"] if kind == "seg" else []), subject, "anat")
                os.makedirs(anat, exist_ok=True)
                copy(os.path.join(folder, "raw", name, f"{name}_{kind}.nii.gz"), os.path.join(anat, f"{subject}_{suffix}.nii.gz"))
            cases.write(",".join([f"p{number}", *(f"../raw/{name}/{name}_{kind}.nii.gz" for kind in ("t1", "t1ce", "t2", "flair", "seg"))]) + "\n")
    for name in ("dataset_description.json", "derivatives/experts/dataset_description.json"):
        with open(os.path.join(folder, "bids", name), "w") as file:
            file.write('{"Name": "a test", "BIDSVersion": "1.8.0"}\n')
    with open(os.path.join(folder, "bids", "derivatives", "experts", "dseg.tsv"), "w") as file:
        file.write("index\tname\n1\tnecrosis\n2\toedema\n4\tenhancing\n")


def lay_out(verb, data, now):
    """A fresh folder with what the verb needs and what stands where it writes."""
    shutil.rmtree(now, ignore_errors=True)
    os.mkdir(now)
    for name in verb.needs:
        copy(os.path.join(data, name), os.path.join(now, name))
    for name, source in verb.old.items():
        copy(os.path.join(data, source), os.path.join(now, name))


def copy(source, to):
    if os.path.isdir(source):
        shutil.copytree(source, to)
    else:
        shutil.copyfile(source, to)


def under_mpirun(verb, command, settings):
    """Two ranks of a command, of which one has these variables."""
    watched = ["-n", "1", "env", *(f"{name}={value}" for name, value in settings.items()), *command]
    ranks = [watched, ["-n", "1", *command]]
    mpirun = shutil.which("mpirun")
    return [mpirun, "--allow-run-as-root", "--oversubscribe", *ranks[verb.rank], ":", *ranks[1 - verb.rank]]


def environment(gnuplot):
    """Without gnuplot where it is not wanted: it is most of the time of a small run."""
    keep = {name: value for name, value in os.environ.items() if not name.startswith(("VOX", "LD_PRELOAD"))}
    return keep if gnuplot else {**keep, "PATH": "/nowhere"}
