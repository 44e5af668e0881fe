"""A disk that remembers: one file in a FUSE file system, for a loop device, whose writes and flushes are written down in order.

    block_disk.py FOLDER IMAGE RECORD

FOLDER/disk begins with the bytes of IMAGE and lives in memory. RECORD gets for each write a header (offset, length, both <Q) and
its bytes, for each flush a header (0, 0). Reading FOLDER/mark gives the length of RECORD, in text, once all of it is there. Where
IMAGE.lost is there the disk is not: whatever is asked of it fails with EIO."""

import errno
import mmap
import os
import stat
import sys

import blocks

try:
    import fusepy as fuse  # as Debian names it
except ImportError:
    import fuse


class Disk(fuse.Operations):
    def __init__(self, image, record):
        with open(image, "rb") as file:
            self.bytes = mmap.mmap(-1, file.seek(0, 2))
            file.seek(0)
            at = 0
            while piece := file.read(blocks.MIB):
                if piece != blocks.ZEROS:  # what is zero takes no memory
                    self.bytes[at : at + len(piece)] = piece
                at += len(piece)
        self.record = open(record, "wb")
        self.lost = image + ".lost"

    def check(self):
        if os.path.exists(self.lost):
            raise fuse.FuseOSError(errno.EIO)

    def getattr(self, path, fh=None):
        if path == "/":
            return {"st_mode": stat.S_IFDIR | 0o700, "st_nlink": 2}
        if path == "/disk":
            return {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1, "st_size": len(self.bytes)}
        if path == "/mark":
            return {"st_mode": stat.S_IFREG | 0o400, "st_nlink": 1, "st_size": 20}
        raise fuse.FuseOSError(errno.ENOENT)

    def readdir(self, path, fh):
        return [".", "..", "disk", "mark"]

    def open(self, path, flags):
        return 0

    def read(self, path, size, offset, fh):
        if path == "/mark":
            self.record.flush()
            return f"{self.record.tell():20d}".encode()[offset : offset + size]
        self.check()
        return self.bytes[offset : offset + size]

    def write(self, path, data, offset, fh):
        if path != "/disk" or offset + len(data) > len(self.bytes):
            raise fuse.FuseOSError(errno.ENOSPC)
        self.check()
        self.bytes[offset : offset + len(data)] = data
        self.record.write(blocks.HEADER.pack(offset, len(data)))
        self.record.write(data)
        return len(data)

    def fsync(self, path, datasync, fh):
        self.check()
        self.record.write(blocks.HEADER.pack(0, 0))
        return 0


if __name__ == "__main__":
    folder, image, record = sys.argv[1:]
    fuse.FUSE(Disk(image, record), folder, foreground=True, nothreads=True, big_writes=True)
