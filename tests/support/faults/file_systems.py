"""A loss of power under real file systems: ext4, xfs and btrfs on a disk that writes down what it is given (block_disk.py).

At moments between the start of a run and its end the disk is made as it may be then: all that was written before its last
flush, and of what came after everything, nothing, or some blocks of 4 KiB. The kernel mounts it, which is its recovery. Judged is
what power.py judges of its model's states; at the run's end, before anything else was flushed, all that it has promised must be
there. From each state the run goes on to the bits of an unbroken one. The same run without its fsyncs must be found wanting."""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

import blocks
import contents
import power
import trace
import verbs

MIB = blocks.MIB
FORMATS = {  # the smallest that mkfs makes
    "ext4": (32 * MIB, ["mkfs.ext4", "-q", "-F"]),
    "xfs": (300 * MIB, ["mkfs.xfs", "-q", "-f"]),
    "btrfs": (128 * MIB, ["mkfs.btrfs", "-q", "-f"]),
}


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout.strip()


def mount_file(kind, image, at, options=()):
    """The words of mount where it fails. Another process may take the same free loop device at the same time: it is tried again."""
    for _ in range(5):
        done = subprocess.run(["mount", "-t", kind, "-o", ",".join(["loop", *options]), image, at], capture_output=True, text=True)
        if done.returncode == 0:
            return ""
        time.sleep(0.1)
    return done.stderr.strip()


def fuse_python():
    """An interpreter that has fusepy: this one, or the distribution's."""
    for python in (sys.executable, "/usr/bin/python3"):
        if os.path.exists(python) and subprocess.run([python, "-c", "try: import fusepy\nexcept ImportError: import fuse"], capture_output=True).returncode == 0:
            return python
    return None


class Recorded:
    """A mounted file system whose disk writes everything down."""

    def __init__(self, kind, work):
        self.at, self.image, self.record = (os.path.join(work, name) for name in ("mounted", "image", "record"))
        folder = os.path.join(work, "fuse")
        size, make = FORMATS[kind]
        for name in (self.at, folder):
            os.makedirs(name, exist_ok=True)
        with open(self.image, "wb") as file:
            file.truncate(size)
        run(*make, self.image)
        self.server = subprocess.Popen([fuse_python(), "-B", os.path.join(os.path.dirname(os.path.abspath(__file__)), "block_disk.py"), folder, self.image, self.record])
        self.folder = folder
        until = time.monotonic() + 20
        while not os.path.exists(os.path.join(folder, "disk")):
            if self.server.poll() is not None or time.monotonic() > until:
                raise SystemExit("block_disk.py did not start")
            time.sleep(0.02)
        self.loop = run("losetup", "-f", "--show", os.path.join(folder, "disk"))
        run("mount", "-t", kind, self.loop, self.at)

    def mark(self):
        """How much of the record there is."""
        with open(os.path.join(self.folder, "mark"), "rb", buffering=0) as file:
            return int(file.read(20))

    def end(self):
        subprocess.run(["umount", self.at], capture_output=True)
        if getattr(self, "loop", None):
            subprocess.run(["losetup", "-d", self.loop], capture_output=True)
        for _ in range(100):
            if subprocess.run(["umount", self.folder], capture_output=True).returncode == 0:
                break
            time.sleep(0.05)
        self.server.wait(20)


class FileSystems(power.Power):
    def __init__(self, options, work, no_fsync):
        super().__init__(options, work)
        self.work, self.no_fsync = work, no_fsync
        self.chance = random.Random(options.seed)

    def record(self, kind, verb, **more):
        """A run on a recorded disk: its first and last mark, and what it has promised by then."""
        disk = Recorded(kind, self.work)
        try:
            now = os.path.join(disk.at, "now")
            verbs.lay_out(verb, self.data, now)
            os.sync()
            model = power.Disk(now)
            model.load(now)
            promises = power.Promises(model)
            for path in (self.trace, self.bytes):
                if os.path.exists(path):
                    os.remove(path)
            start = disk.mark()
            env = {**verbs.environment(False), "LD_PRELOAD": self.options.injector, "VOX_FAULTS_UNDER": now, "VOX_FAULTS_TRACE": self.trace,
                   "VOX_FAULTS_DATA": self.bytes, **more}
            done = subprocess.run([self.options.program, *verb.arguments], cwd=now, capture_output=True, env=env)
            end = disk.mark()
            if done.returncode != 0:
                raise SystemExit(f"{verb.name} on {kind}: exit {done.returncode}: {done.stderr.decode()}")
            unbroken = contents.of_tree(now, verb.new)
        finally:
            disk.end()
        with open(self.bytes, "rb") as file:
            data = file.read()
        for call in trace.read(self.trace):
            if call.kind == "file" and model.apply(call, data):
                promises.see(call, model)
        return disk, start, end, promises, unbroken

    def found(self, kind, disk, image):
        """What is below the folder of the run once the kernel has mounted the disk."""
        if kind == "btrfs":
            subprocess.run(["btrfs", "device", "scan", "--forget"], capture_output=True)
        if mount_file(kind, image, disk.at):
            return None
        try:
            state = {}
            for root, _, files in os.walk(os.path.join(disk.at, "now")):
                for name in files:
                    path = os.path.join(root, name)
                    if power.is_read(path):
                        with open(path, "rb") as file:
                            state[path] = file.read()
            return state
        finally:
            run("umount", disk.at)

    def examine_on(self, kind, verb):
        disk, start, end, promises, unbroken = self.record(kind, verb)
        disks = blocks.Disks(disk.image, disk.record, start)
        moments = disks.moments(end)
        most = self.options.most or len(moments)
        before_flush, all_moments = [at for at, flush in moments if flush], [at for at, _ in moments]
        chosen = {end, *self.chance.sample(before_flush, min(len(before_flush), (most + 1) // 2))}
        chosen.update(all_moments if not self.options.most else self.chance.sample(all_moments, min(len(moments), most // 2)))
        image, at_end, states = os.path.join(self.work, "crashed"), promises.least, set()
        for moment in sorted(chosen):
            disks.up_to(moment)
            promises.least = at_end if moment == end else {}
            for how in ("none", "some", "all"):
                disks.lay_out(image, how, self.chance)
                state = self.found(kind, disk, image)
                if state is None:
                    self.wrong.append(f"{verb.name} on {kind}: cannot be mounted after a loss of power with {how} of {len(disks.pending)} writes")
                    continue
                self.wrong += [f"{verb.name} on {kind}: {text}{' at its end' if moment == end else ''}" for text in promises.broken_by(state)]
                key = hash(tuple(sorted((path, hash(held)) for path, held in state.items())))
                if key not in states:
                    states.add(key)
                    here = os.path.join(disk.at, "now")
                    self.go_on(verb, {self.now + path[len(here) :]: held for path, held in state.items()}, unbroken, os.path.join(self.now, "out"))
        print(f"{verb.name} on {kind}: {len(moments) - 1} writes and flushes, {3 * len(chosen)} losses of power at {len(chosen)} moments, "
              f"{len(states)} different states gone on from", flush=True)

    def check_that_it_can_fail(self, kind, verb):
        disk, start, end, promises, _ = self.record(kind, verb, LD_PRELOAD=f"{self.options.injector}:{self.no_fsync}", VOXGRAD_TEST_FSYNC="none")
        disks = blocks.Disks(disk.image, disk.record, start)
        disks.up_to(end)
        image = os.path.join(self.work, "crashed")
        disks.lay_out(image, "none", self.chance)
        state = self.found(kind, disk, image)
        lost = list(promises.broken_by(state)) if state is not None else []
        if not lost:
            self.wrong.append(f"{verb.name} on {kind}: without fsync nothing is lost")
        print(f"{verb.name} on {kind} without fsync: {len(lost)} promises broken", flush=True)


def cannot_mount(*programs):
    """What this machine lacks to mount a file system of a file, or nothing."""
    if os.geteuid() != 0:
        return "root"
    for program in ("losetup", "mount", *programs):
        if not shutil.which(program):
            return program
    if not os.path.exists("/dev/loop-control"):
        return "/dev/loop-control"
    with tempfile.TemporaryDirectory() as folder:  # a container may have root and not this
        if subprocess.run(["mount", "-t", "tmpfs", "none", folder], capture_output=True).returncode != 0:
            return "the right to mount"
        run("umount", folder)
    return None if subprocess.run(["losetup", "-f"], capture_output=True).returncode == 0 else "a free loop device"


def missing():
    """What this machine lacks for it, or nothing."""
    if not os.path.exists("/dev/fuse"):
        return "/dev/fuse"
    return cannot_mount("cc") or (None if fuse_python() else "python3-fusepy")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--injector", required=True)
    parser.add_argument("--most", type=int, default=4, help="moments of each run, beside its end; 0: all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--verbs", default="prepare,train,resume")
    parser.add_argument("--on", default=",".join(FORMATS), help="file systems; those whose mkfs is not installed are left out")
    options = parser.parse_args()
    lacks = missing()
    kinds = [kind for kind in options.on.split(",") if shutil.which(FORMATS[kind][1][0])]
    if lacks or not kinds:
        print(f"skipped: {lacks or 'mkfs of ' + options.on} is not here")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as work:
        work = os.path.realpath(work)
        no_fsync = os.path.join(work, "preload.so")
        run("cc", "-shared", "-fPIC", "-O1", "-o", no_fsync, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "preload.c"))
        power_of_all = FileSystems(options, work, no_fsync)
        chosen = [verb for verb in verbs.VERBS if verb.name in options.verbs.split(",")]
        for kind in kinds:
            power_of_all.check_that_it_can_fail(kind, chosen[0])
            for verb in chosen:
                power_of_all.examine_on(kind, verb)
    power.conclude(sorted(set(power_of_all.wrong)))


if __name__ == "__main__":
    main()
