# SPDX-License-Identifier: Apache-2.0
"""What an ELF file needs to run: a machine, its interpreter, its libraries, where it looks for them. 64 bits, little endian."""
import struct

PT_DYNAMIC, PT_INTERP, PT_LOAD = 2, 3, 1
DT_NEEDED, DT_STRTAB, DT_RPATH, DT_RUNPATH = 1, 5, 15, 29


class Elf:
    def __init__(self, machine, interp, needed, runpath):
        self.machine, self.interp, self.needed, self.runpath = machine, interp, needed, runpath


def text(data, at):
    return data[at:data.index(b"\0", at)].decode("ascii", "replace")


def read(data):
    """Of a file's bytes; None when they are no ELF of that kind, or a broken one."""
    if data[:6] != b"\x7fELF\x02\x01":
        return None
    try:
        (machine,) = struct.unpack_from("<H", data, 18)
        (phoff,) = struct.unpack_from("<Q", data, 32)
        size, count = struct.unpack_from("<HH", data, 54)
        heads = [struct.unpack_from("<IIQQQQQQ", data, phoff + i * size) for i in range(count)]
        interp, tags = None, []
        for kind, _, offset, _, _, length, *_ in heads:
            if kind == PT_INTERP:
                interp = text(data, offset)
            elif kind == PT_DYNAMIC:
                tags = [struct.unpack_from("<qQ", data, offset + i) for i in range(0, length - 15, 16)]
        names = next((v for t, v in tags if t == DT_STRTAB), 0)
        for kind, _, offset, address, _, length, *_ in heads:
            if kind == PT_LOAD and address <= names < address + length:
                names += offset - address
                break
        found = [(t, text(data, names + v)) for t, v in tags if t in (DT_NEEDED, DT_RPATH, DT_RUNPATH)]
    except (struct.error, ValueError):
        return None
    return Elf(machine, interp, [v for t, v in found if t == DT_NEEDED], [d for t, v in found if t != DT_NEEDED for d in v.split(":")])
