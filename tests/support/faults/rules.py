"""What a call can fail with, and what may rightly come of it."""

import dataclasses
import os

# What a call can fail with. EINTR and a short transfer are no errors: the result is that of a run without them.
FAULTS = {
    "open": ["EIO", "EACCES", "EMFILE", "vanish"],
    "create": ["ENOSPC", "EACCES"],
    "read": ["EIO", "EINTR", "short"],
    "write": ["ENOSPC", "EIO", "EINTR", "short"],
    "fwrite": ["ENOSPC"],
    "fsync": ["EIO", "EROFS", "EINTR"],
    "rename": ["EACCES", "ENOSPC"],
    "truncate": ["EIO"],
    "unlink": ["EACCES"],
    "rmdir": ["EACCES"],
    "mkdir": ["ENOSPC", "EACCES"],
    "symlink": ["EACCES"],
    "mmap": ["ENOMEM", "truncate"],
    "close": ["EIO"],
    "opendir": ["EACCES"],
    "readdir": ["EIO"],
    "stat": ["EIO", "EACCES"],
    "fstat": ["EIO"],
    "access": ["EACCES"],
    "flock": ["ENOLCK"],
}
HARMLESS = {"EINTR", "short"}
WRITES = {"create", "write", "fwrite", "rename", "truncate", "fsync", "mkdir", "symlink"}


def writes(call, calls):
    """Whether what the call was to do is missing on disk where it failed; calls: those of a run without a fault. A folder may be
    opened to be synced, or to be listed."""
    if call.name == "open" and os.path.isdir(call.path):
        behind = next((c for c in calls if c.number > call.number and c.path == call.path), call)
        return behind.name == "fsync"
    return call.name in WRITES


def swallowed(call, fault, path):
    """Faults after which a verb rightly goes on as if nothing had been: each with its rule."""
    if fault in HARMLESS:
        return "is tried again"
    if call == "close":
        return "what was written has been synced before, and of what is read nothing is lost"
    if call == "flock":
        return "a file system without locks: the run says so and goes on"
    if call in ("unlink", "rmdir"):
        return "what cannot be removed stays"
    if path.endswith("/.lock"):
        return "who holds a lock is told as far as it can be"
    if call == "open" and fault == "EACCES" and os.path.isdir(path):
        return "a folder that may not be read cannot be synced"
    return ""


def leaves(call):
    """Whether a temporary file or a lock rightly stays where the call fails: who cannot tell whose lock stands there does not remove it."""
    return call.name in ("unlink", "rmdir") or (call.path.endswith("/.lock") and call.name in ("stat", "fstat"))


@dataclasses.dataclass
class Excuse:
    """What may be otherwise behind a fault. leaves: temporary files stay. gone: a file that somebody else took away or cut.
    passed_over: the verb rightly goes on. writes: a call that writes failed."""

    leaves: bool = False
    gone: str = ""
    passed_over: bool = False
    writes: bool = False
