"""The record of a disk (block_disk.py), and what the disk may hold at moments of it."""

import struct

HEADER = struct.Struct("<QQ")  # of a write: offset and length; of a flush: 0 and 0
MIB = 1 << 20
ZEROS = bytes(MIB)


class Disks:
    """What the disk may hold at moments of its record, from earlier to later ones."""

    def __init__(self, image, record, start):
        with open(image, "rb") as file:
            self.sure = bytearray(file.read())  # up to the last flush
        self.pending = []
        with open(record, "rb") as file:
            self.record = file.read()
        self.done = 0
        self.up_to(start)

    def moments(self, end):
        """Between the records, from here to there; and whether a flush comes next."""
        at, found = self.done, []
        while at < end:
            offset, length = HEADER.unpack_from(self.record, at)
            found.append((at, length == 0))
            at += HEADER.size + length
        return [*found, (end, True)]

    def up_to(self, moment):
        while self.done < moment:
            offset, length = HEADER.unpack_from(self.record, self.done)
            self.done += HEADER.size
            if length == 0:
                for at, data in self.pending:
                    self.sure[at : at + len(data)] = data
                self.pending = []
            else:
                self.pending.append((offset, self.record[self.done : self.done + length]))
                self.done += length

    def lay_out(self, path, how, chance):
        """HOW: all, none or some of what was written since the last flush."""
        with open(path, "wb") as file:
            for at in range(0, len(self.sure), MIB):
                piece = self.sure[at : at + MIB]
                if piece != ZEROS:
                    file.seek(at)
                    file.write(piece)
            file.truncate(len(self.sure))
            for at, data in self.pending if how != "none" else []:
                for block in range(0, len(data), 4096):
                    if how == "all" or chance.random() < 0.5:
                        file.seek(at + block)
                        file.write(data[block : block + 4096])
