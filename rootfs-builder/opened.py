# SPDX-License-Identifier: Apache-2.0
"""An image read back, whoever made it: its layout, and its contents as a Tree. No root, no mount."""
import os
import struct
import subprocess
import sys

import disk
from fail import Failure, environment, program, run
from pool import Store
from tree import EMPTY, Entry, Tree, digest, read_manifest

UNLAY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "unlay.py")
PACKED = {b"\x28\xb5\x2f\xfd": ("initrd", ["zstd", "-q", "-d", "-c"]), b"\x1f\x8b": ("initrd-gzip", ["gzip", "-d", "-c"])}
NEWC = b"070701"


def kind_of(head):
    """By the first 4 KiB: the format's name, or None."""
    for magic, (name, _) in PACKED.items():
        if head.startswith(magic):
            return name
    if head.startswith(NEWC):
        return "initrd-none"
    if head.startswith(b"hsqs"):
        return "squashfs"
    if len(head) >= 2048 and head[1024:1028] == b"\xe2\xe1\xf5\xe0":
        return "erofs"
    if len(head) >= 2048 and head[1080:1082] == b"\x53\xef":
        return "ext4"
    return None


class Image:
    """kind, layout ('plain' or 'kata' or 'partitions'), dax (of read_dax_header, or None), partitions, start and size of the
    file system; boot: what the builder wrote beside it, key by key."""

    def __init__(self, path):
        self.path = path
        if not os.path.isfile(path):
            raise Failure("%s: there is no such file" % path)
        self.size = os.stat(path).st_size
        with open(path, "rb") as f:
            self.read(f)
        self.boot = {}
        try:
            with open(path + ".boot", encoding="utf-8") as f:
                self.boot = dict(line.rstrip("\n").split(": ", 1) for line in f if ": " in line)
        except FileNotFoundError:
            pass

    def read(self, f):
        head = f.read(8192)
        self.kind, self.layout, self.dax, self.partitions = kind_of(head), "plain", None, []
        self.start, self.length = 0, self.size
        if self.kind:
            return
        self.partitions = disk.read_mbr(head[:512])
        self.dax = disk.read_dax_header(head[4096:8192].ljust(4096, b"\0"))
        self.layout = "kata" if self.dax else "partitions"
        if not self.partitions:
            raise Failure("%s: neither an initrd, nor squashfs, erofs or ext4, nor a disk with partitions" % self.path)
        self.start, self.length = self.partitions[0]
        f.seek(self.start)
        self.kind = kind_of(f.read(4096))
        f.seek(disk.DAX)
        self.inner = disk.read_mbr(f.read(512)) if self.dax else []
        if not self.kind:
            raise Failure("%s: the first partition is neither squashfs, erofs nor ext4" % self.path)

    def contents(self, work):
        """The Tree; sizes and sums are filled in. Files lie in the work directory."""
        if self.kind.startswith("initrd"):
            return self.unpack(work)
        file = self.path
        if self.start:
            file = os.path.join(work, "filesystem")
            cut(self.path, self.start, self.length, file)
        manifest = os.path.join(work, "manifest")
        run(["fakeroot", "--", sys.executable, "-B", UNLAY, self.kind, file, os.path.join(work, "root"), manifest], self.path)
        return digest(read_manifest(manifest))

    def unpack(self, work):
        tool = [t for name, t in PACKED.values() if name == self.kind]
        if not tool:
            with open(self.path, "rb") as f:
                return read_cpio(f, Store(os.path.join(work, "store")), self.path)
        with subprocess.Popen([program(tool[0][0]), *tool[0][1:], self.path], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=environment()) as p:
            tree = read_cpio(p.stdout, Store(os.path.join(work, "store")), self.path)
            p.stdout.read()
            words = p.stderr.read().decode(errors="replace").strip()
        if p.returncode:
            raise Failure("%s: damaged: %s" % (self.path, words))
        return tree

    def verity(self, work):
        """Do the hashes beside it hold? None: there are none. A Failure tells what does not."""
        root, params = self.boot.get("root_hash"), dict(w.split("=", 1) for w in self.boot.get("kernel_verity_params", "").split(",") if "=" in w)
        if not root or "salt" not in params:
            return None
        blocks = int(params["data_blocks"])
        data, hashes, offset = self.path, self.path, blocks * 4096
        if self.layout == "kata":
            data, hashes, offset = os.path.join(work, "verity.data"), os.path.join(work, "verity.hashes"), 0
            for (start, length), to in zip(self.partitions, (data, hashes)):
                cut(self.path, start, length, to)
        run(["veritysetup", "verify", "--no-superblock", "--hash=sha256", "--salt=" + params["salt"], "--data-block-size=4096",
             "--hash-block-size=4096", "--data-blocks=%d" % blocks, "--hash-offset=%d" % offset, data, hashes, root], "dm-verity: the hashes do not hold")
        return root


def cut(path, start, length, to):
    """A part of a file as a file, with holes."""
    with open(path, "rb") as f, open(to, "xb") as out:
        out.truncate(length)
        f.seek(start)
        at = 0
        while at < length and (block := f.read(min(1 << 20, length - at))):
            if block.count(0) != len(block):
                out.seek(at)
                out.write(block)
            at += len(block)


def read_cpio(f, store, name):
    """A newc archive as a Tree."""
    tree, names = Tree(), {}

    def take(n):
        data = f.read(n)
        if len(data) != n:
            raise Failure("%s: the archive ends in the middle" % name)
        return data

    while True:
        head = take(110)
        if head[:6] != NEWC:
            raise Failure("%s: no archive of the form newc" % name)
        try:
            ino, mode, uid, gid, links, _, size, _, _, major, minor, length, _ = struct.unpack(">13I", bytes.fromhex(head[6:].decode()))
        except ValueError as e:
            raise Failure("%s: no archive of the form newc" % name) from e
        path = take(length)[:-1]
        take(-(110 + length) % 4)
        if path == b"TRAILER!!!":
            return tree
        data = take(size)
        take(-size % 4)
        path = "/" + os.fsdecode(path).removeprefix("./").strip("/")
        if path in ("/", "/."):
            continue
        e = cpio_entry(mode, uid, gid, data, (major, minor), store)
        if e.kind == "file" and links > 1 and ino in names:
            if size:
                first = tree[names[ino]]
                first.source, first.sum, first.size = e.source, e.sum, e.size
            e = Entry("link", target=names[ino])
        elif e.kind == "file":
            names[ino] = path
        tree.put(path, e)


def cpio_entry(mode, uid, gid, data, device, store):
    kind, mode = mode & 0o170000, mode & 0o7777
    if kind == 0o040000:
        return Entry("dir", mode, uid, gid)
    if kind == 0o120000:
        return Entry("slink", 0o777, uid, gid, target=os.fsdecode(data))
    if kind in (0o020000, 0o060000):
        return Entry("nod", mode, uid, gid, device=("c" if kind == 0o020000 else "b", *device))
    if kind != 0o100000:
        raise Failure("an entry of a kind that an image cannot have")
    if not data:
        return Entry("file", mode, uid, gid, sha=EMPTY)
    path = store.text(data)
    return Entry("file", mode, uid, gid, source=path, sha=os.path.basename(path), size=len(data))
