"""A disk that is lost in the middle of a verb: before one of its calls the disk under ext4, xfs or btrfs gives nothing but EIO any more,
the file system itself is shut down (EIO from then on), or ext4 finds an error and becomes read-only (EROFS). The verb ends with the right
exit code and words; the file system is mounted again, which is its recovery, and the verb, run again, leaves what it leaves unbroken.
Where it said that it was done, all of it is there."""

import argparse
import errno
import fcntl
import os
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

import again
import blocks
import contents
import file_systems
import trace
import verbs

SHUTDOWN, AT_ONCE = 0x8004587D, 2  # FS_IOC_SHUTDOWN; the journal is not written either
SECONDS = 60


def mount_file(*arguments):
    refused = file_systems.mount_file(*arguments)
    if refused:
        raise SystemExit(f"cannot be mounted: {refused}")


class Mounted:
    """A fresh file system in a file, below a folder."""

    def __init__(self, kind, options, work):
        self.kind, self.options = kind, options
        self.at, self.image = os.path.join(work, "mounted"), os.path.join(work, "image")
        size, make = file_systems.FORMATS[kind]
        os.makedirs(self.at, exist_ok=True)
        with open(self.image, "wb") as file:
            file.truncate(size)
        file_systems.run(*make, self.image)
        self.mount()

    def mount(self):
        mount_file(self.kind, self.image, self.at, self.options)

    def unmount(self):
        for _ in range(100):
            if subprocess.run(["umount", self.at], capture_output=True).returncode == 0:
                return
            time.sleep(0.05)
        raise SystemExit(f"{self.at} cannot be unmounted")

    def shut_down(self):
        folder = os.open(self.at, os.O_RDONLY)
        fcntl.ioctl(folder, SHUTDOWN, struct.pack("I", AT_ONCE))
        os.close(folder)

    def find_an_error(self):
        with open("/proc/self/mountinfo") as lines:
            device = next(line.split()[-2] for line in lines if line.split()[4] == self.at)
        with open(f"/sys/fs/ext4/{os.path.basename(device)}/trigger_fs_error", "w") as file:
            file.write("a test\n")


class OnDisk:
    """One on a disk that can be lost (block_disk.py). Mounted again, it is what had been written by then."""

    def __init__(self, kind, options, work):
        self.kind = kind
        self.disk = file_systems.Recorded(kind, work)
        self.at = self.disk.at
        self.lost = self.disk.image + ".lost"

    def lose(self):
        with open(self.lost, "w"):
            pass

    def mount(self):
        written = blocks.Disks(self.disk.image, self.disk.record, 0)
        written.up_to(os.path.getsize(self.disk.record))
        image = self.disk.image + ".after"
        written.lay_out(image, "all", None)
        if self.kind == "btrfs":
            subprocess.run(["btrfs", "device", "scan", "--forget"], capture_output=True)
        mount_file(self.kind, image, self.at)

    def unmount(self):
        if self.disk.server.poll() is None:
            self.disk.end()
            if os.path.exists(self.lost):
                os.remove(self.lost)
        else:
            file_systems.run("umount", self.at)


WAYS = {  # by name: what is mounted, of which kind, with which options, and what befalls it
    "ext4 shut down": (Mounted, "ext4", [], Mounted.shut_down),
    "ext4 read-only": (Mounted, "ext4", ["errors=remount-ro"], Mounted.find_an_error),
    "xfs shut down": (Mounted, "xfs", [], Mounted.shut_down),
    "ext4, its disk lost": (OnDisk, "ext4", [], OnDisk.lose),
    "xfs, its disk lost": (OnDisk, "xfs", [], OnDisk.lose),
    "btrfs, its disk lost": (OnDisk, "btrfs", [], OnDisk.lose),
}


def can_be_tried(make, kind, _, befall):
    if not shutil.which(file_systems.FORMATS[kind][1][0]) or (make is OnDisk and file_systems.missing()):
        return False
    return befall is not Mounted.find_an_error or not os.statvfs("/sys").f_flag & os.ST_RDONLY


class LostDisks:
    def __init__(self, options, work):
        self.options, self.work = options, work
        self.data, self.trace = os.path.join(work, "data"), os.path.join(work, "trace")
        os.mkdir(self.data)
        verbs.make_data(options.program, self.data)
        self.chance = random.Random(options.seed)
        self.tried, self.ends, self.more = 0, {}, {}

    def environment(self, verb, now, **more):
        return {**verbs.environment(verb.gnuplot), "LD_PRELOAD": self.options.injector, "VOX_FAULTS_UNDER": now, **self.more, **more}

    def check_that_it_can_fail(self, way, verb):
        """Nothing if a verb whose fsync does nothing is found wanting."""
        no_fsync = os.path.join(self.work, "preload.so")
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "preload.c")
        file_systems.run("cc", "-shared", "-fPIC", "-O1", "-o", no_fsync, source)
        self.more = {"LD_PRELOAD": f"{self.options.injector}:{no_fsync}", "VOXGRAD_TEST_FSYNC": "none"}
        found = self.examine(way, verb)
        self.more = {}
        return [] if any("when the disk is back" in text for text in found) else [f"{verb.name}, {way}: without fsync nothing is lost"]

    def examine(self, way, verb):
        make, kind, options, befall = WAYS[way]
        disk = make(kind, options, self.work)
        now = os.path.join(disk.at, "now")
        if os.path.exists(self.trace):
            os.remove(self.trace)
        verbs.lay_out(verb, self.data, now)
        done = subprocess.run([self.options.program, *verb.arguments], cwd=now, capture_output=True, env=self.environment(verb, now, VOX_FAULTS_TRACE=self.trace))
        usual = contents.of_tree(now, verb.new)
        trail = trace.read(self.trace)
        of_folders = [c.number for c in trail if c.name == "fsync" and os.path.isdir(c.path)]
        disk.unmount()
        calls = [c.number for c in trail]
        if done.returncode != 0 or not calls:
            raise SystemExit(f"{verb.name} on {kind}: exit {done.returncode}, {len(calls)} calls: {done.stderr.decode()}")
        most = self.options.most
        if most and len(calls) > most:
            calls = {of_folders[-1], *self.chance.sample(calls, most)}  # the last rename, and its sync: nothing comes behind
        found = []
        for number in sorted(calls):
            where = f"{verb.name}, {way} before call {number}"
            disk = make(kind, options, self.work)
            try:
                found += [f"{where}: {text}" for text in self.lose(disk, befall, verb, now, number, usual)]
            finally:
                if os.path.ismount(disk.at):
                    disk.unmount()
        if most == 0:
            print(f"{verb.name}, {way}: {len(calls)} calls, {len(found)} findings", flush=True)
        return found

    def lose(self, disk, befall, verb, now, number, usual):
        verbs.lay_out(verb, self.data, now)
        os.sync()
        running = subprocess.Popen([self.options.program, *verb.arguments], cwd=now, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
                                   env=self.environment(verb, now, VOX_FAULTS_FAIL=f"file:{number}:stopped"))
        _, status = os.waitpid(running.pid, os.WUNTRACED)
        if os.WIFSTOPPED(status):
            befall(disk)
            os.kill(running.pid, signal.SIGCONT)
        else:
            running.returncode = os.waitstatus_to_exitcode(status)
        try:
            out, err = (text.decode(errors="replace") for text in running.communicate(timeout=SECONDS))
        except subprocess.TimeoutExpired:
            running.kill()
            running.communicate()
            yield f"hangs for {SECONDS} s"
            return
        code = running.returncode
        self.tried += 1
        self.ends[code] = self.ends.get(code, 0) + 1
        said = err + (out if verb.by_case else "")
        if code not in (0, 2, 3):
            yield f"{'ended by signal' if code < 0 else 'exit'} {abs(code)}: {said.strip()[-200:]}"
        elif code != 0:
            if "voxgrad: " not in err and not verb.by_case:
                yield f"exit {code} and no message"
            if not any(os.strerror(n) in said for n in (errno.EIO, errno.EROFS)):
                yield f"exit {code}, and the message gives no reason: {said.strip()[-200:]}"
        disk.unmount()
        disk.mount()
        if code == 0:
            left = contents.of_tree(now, verb.new)
            for name, held in usual.items():
                if contents.without_starts(left.get(name)) != contents.without_starts(held):
                    yield f"exit 0, and {name} is not there, or not whole, when the disk is back"
        done = subprocess.run([self.options.program, *again.arguments_of(verb, now)], cwd=now, capture_output=True, env=verbs.environment(verb.gnuplot))
        for text in again.findings(verb, now, done.returncode, done.stderr.decode(errors="replace"), usual):
            yield f"run again: {text}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--injector", required=True)
    parser.add_argument("--most", type=int, default=1, help="moments of each verb in each way, beside the last rename; 0: before every call")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ways", default="", help="those whose name begins so")
    parser.add_argument("--verbs", default="prepare,train,resume,predict")
    options = parser.parse_args()
    ways = [way for way in WAYS if way.startswith(options.ways) and can_be_tried(*WAYS[way])]
    lacks = file_systems.cannot_mount()
    if lacks or not ways:
        print(f"skipped: {lacks or 'mkfs of ext4, xfs and btrfs'} is not here")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as work:
        disks = LostDisks(options, os.path.realpath(work))
        chosen = [verb for verb in verbs.VERBS if verb.name in options.verbs.split(",")]
        wrong = [text for way in ways for verb in chosen for text in disks.examine(way, verb)]
        tried, ends = disks.tried, dict(sorted(disks.ends.items()))
        if ways[0] == "ext4 shut down" and shutil.which("cc"):
            options.most = 1
            wrong += disks.check_that_it_can_fail(ways[0], chosen[0])
    for text in wrong:
        print(text)
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{tried} disks lost, {len(wrong)} findings; exit codes {ends}; {spent.ru_utime + spent.ru_stime:.0f} s of processor time")
    sys.exit(bool(wrong) or not tried)


if __name__ == "__main__":
    main()
