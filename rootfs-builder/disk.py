# SPDX-License-Identifier: Apache-2.0
"""Disk layouts around a file system: the file system alone, or the disk that Kata's hosts know.

Kata's: two MBRs. The first describes the disk as a whole (virtio-blk). Between it and the second, at 2 MiB, stands the
information block of an nd_pfn device: Linux' NVDIMM driver then shows the rest as /dev/pmem0, with the second MBR as its first
sector, and direct access (DAX). Written as `struct nd_pfn_sb` of the kernel's drivers/nvdimm/pfn.h is laid out.
"""
import os
import struct

from fail import Failure, run

MIB = 1 << 20
SECTOR = 512
DAX = 2 * MIB  # what the header takes, and where its second MBR stands
FIRST = MIB  # of a partition, behind its MBR
HEADER_AT, HEADER_SIZE = 4096, 4096
ALIGN = 128 * MIB  # of the whole: persistent memory comes in memory sections
SIGNATURE = b"NVDIMM_PFN_INFO\0"
MODE_RAM = 1  # the kernel's page structures lie in ordinary memory
LABEL = 0x65746f6d


def fletcher64(data):
    low = high = 0
    for (word,) in struct.iter_unpack("<I", data):
        low = (low + word) & 0xffffffff
        high = (high + low) & 0xffffffff
    return high << 32 | low


def dax_header(uuid):
    """uuid: 16 bytes. No parent, since a namespace without labels has none."""
    head = struct.pack("<16s16s16sIHHQQIIII", SIGNATURE, uuid, bytes(16), 0, 1, 2, DAX, 0, MODE_RAM, 0, 0, DAX)
    head = head.ljust(HEADER_SIZE - 8, b"\0")
    return head + struct.pack("<Q", fletcher64(head + bytes(8)))


def read_dax_header(data):
    """A dict, or None: not one. Wrong sums are told."""
    if data[:16] != SIGNATURE:
        return None
    major, minor, dataoff, _, mode, _, _, align = struct.unpack_from("<HHQQIIII", data, 52)
    (checksum,) = struct.unpack_from("<Q", data, HEADER_SIZE - 8)
    return {"version": "%d.%d" % (major, minor), "offset": dataoff, "mode": mode, "align": align,
            "checksum": "good" if checksum == fletcher64(data[:HEADER_SIZE - 8] + bytes(8)) else "wrong"}


def mbr(work, size, parts):
    """The first sector for a disk of so many bytes; parts: (start, size) in bytes."""
    path = os.path.join(work, "mbr")
    with open(path, "wb") as f:
        f.truncate(size)
    text = "label: dos\nlabel-id: 0x%08x\nunit: sectors\n" % LABEL
    text += "".join("start=%d, size=%d, type=83\n" % (start // SECTOR, length // SECTOR) for start, length in parts)
    with open(path + ".in", "w", encoding="ascii") as f:
        f.write(text)
    with open(path + ".in", "rb") as f:
        run(["sfdisk", "-q", "--no-reread", "--no-tell-kernel", "-w", "never", path], "partition table", stdin=f)
    with open(path, "rb") as f:
        sector = f.read(SECTOR)
    os.unlink(path)
    os.unlink(path + ".in")
    return sector


def read_mbr(sector):
    """[(start, size)] in bytes; empty: no partition table."""
    if len(sector) < SECTOR or sector[510:512] != b"\x55\xaa":
        return []
    rows = [struct.unpack_from("<B3sB3sII", sector, 446 + 16 * i) for i in range(4)]
    return [(r[4] * SECTOR, r[5] * SECTOR) for r in rows if r[2] and r[5]]


def up(value, to):
    return -(-value // to) * to


def copy_at(out, at, path):
    """A file's bytes into another; what is zero stays a hole."""
    with open(path, "rb") as f:
        while block := f.read(MIB):
            if block.count(0) != len(block):
                out.seek(at)
                out.write(block)
            at += len(block)


def kata(job, out, filesystem, hashes=None):
    """The whole disk; hashes: dm-verity's tree, the second partition."""
    parts, at = [], FIRST
    for path in [filesystem, *([hashes] if hashes else [])]:
        size = up(os.stat(path).st_size, MIB)
        parts.append((at, size))
        at += size
    total = up(DAX + at, ALIGN)
    if total // SECTOR > 0xffffffff:
        raise Failure("an image of %d MiB is more than a partition table of this kind can tell" % (total // MIB))
    if not hashes:  # the partition goes to the end, as the file system may grow
        parts[0] = (FIRST, total - DAX - FIRST)
    with open(out, "xb") as f:
        f.truncate(total)
        f.write(mbr(job.work, total, [(DAX + start, size) for start, size in parts]))
        f.seek(HEADER_AT)
        f.write(dax_header(bytes.fromhex(job.uuid.replace("-", ""))))
        f.seek(DAX)
        f.write(mbr(job.work, total - DAX, parts))
        for path, (start, _) in zip([filesystem, hashes], parts):
            copy_at(f, DAX + start, path)
