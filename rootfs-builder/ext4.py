# SPDX-License-Identifier: Apache-2.0
"""ext4: an empty file system by mke2fs, filled by one script of debugfs in the manifest's order: no mount, no root.

Two habits of debugfs that shape the script: mknod and symlink take a name with a slash in front by the letter, so that it
goes into each directory; and it ends with 0 whatever failed, so that its messages are read.
"""
import os

from fail import Failure, full_disk, run

BLOCK, INODE = 4096, 256
CONF = os.path.join(os.path.dirname(os.path.abspath(__file__)), "mke2fs.conf")
SPECIAL = 11  # inodes that the file system has for itself
TYPES = {"dir": 0o040000, "file": 0o100000, "slink": 0o120000}


def blocks_of(size):
    return -(-size // BLOCK)


def geometry(tree, free):
    """(blocks, inodes) of a file system that holds the tree and has so many bytes free."""
    room, dirs, inodes = 0, {"/": 24}, SPECIAL
    for path, e in tree.sorted():
        above = path.rsplit("/", 1)[0] or "/"
        dirs[above] += 8 + (len(os.fsencode(path)) - len(above) + 4) // 4 * 4
        if e.kind == "dir":
            dirs[path] = 24
        elif e.kind == "file":
            # more than four extents want a block of their own; a file that is written at once has few
            room += blocks_of(e.size) + (1 if e.size > 256 << 20 else 0)
        elif e.kind == "slink":
            room += len(os.fsencode(e.target)) >= 60
        inodes += e.kind != "link"
    # an entry does not cross a block: some of each is lost
    room += sum(blocks_of(size + size // 8) for size in dirs.values()) + 4  # and lost+found's
    free_blocks = blocks_of(free)
    inodes += free_blocks // 16  # as many files as mke2fs would have foreseen
    blocks = room + free_blocks
    while True:
        groups = -(-blocks // 32768)
        per_group = -(-(-(-inodes // groups)) // 16) * 16
        meta = 1 + groups * (2 + per_group * INODE // BLOCK + (2 if groups > 1 else 1)) + 8
        if room + free_blocks + meta <= blocks:
            return blocks, inodes
        blocks = room + free_blocks + meta


def quote(text):
    if "\n" in text or "\0" in text:
        raise Failure("ext4: the name %r cannot be given to debugfs" % text)
    return '"' + text.replace('"', '""') + '"'


def script(tree, epoch, empty):
    at, links = None, {}
    for _, e in tree.sorted():
        if e.kind == "link":
            links[e.target] = links.get(e.target, 1) + 1
    for path, e in tree.sorted():
        above, name = path.rsplit("/", 1)
        if above != at:
            at = above
            yield "cd " + quote(above or "/")
        q = quote(name)
        if e.kind == "dir":
            yield "mkdir " + q
        elif e.kind == "file":
            yield "write %s %s" % (quote(os.path.abspath(e.source or empty)), q)
        elif e.kind == "slink":
            yield "symlink %s %s" % (q, quote(e.target))
        elif e.kind == "link":
            yield "ln %s %s" % (quote(e.target), q)
            continue
        else:
            yield "mknod %s %s %d %d" % (q, *e.device)
        kind = TYPES.get(e.kind) or (0o020000 if e.device[0] == "c" else 0o060000)
        yield "sif %s mode 0%o" % (q, kind | e.mode)
        for field, value in (("uid", e.uid), ("gid", e.gid)):
            if value & 0xffff:
                yield "sif %s %s %d" % (q, field, value & 0xffff)
            if value >> 16:
                yield "sif %s %s_high %d" % (q, field, value >> 16)
        for field in ("atime", "ctime", "mtime", "crtime"):
            yield "sif %s %s @%d" % (q, field, epoch)
        if path in links:
            yield "sif %s links_count %d" % (q, links[path])


def make(job, out, _how):
    blocks, inodes = geometry(job.tree, job.free)
    empty = out + ".empty"
    with open(out, "xb") as f, open(empty, "xb"):
        f.truncate(blocks * BLOCK)
    env = {"MKE2FS_CONFIG": CONF, "E2FSPROGS_FAKE_TIME": str(job.epoch)}
    run(["mke2fs", "-q", "-F", "-t", "ext4", "-b", str(BLOCK), "-I", str(INODE), "-m", "0", "-N", str(inodes), "-U", job.uuid, "-L", "mote",
         "-O", "^has_journal,^resize_inode", "-E", "hash_seed=%s,root_owner=0:0,lazy_itable_init=0,nodiscard" % job.uuid, out, str(blocks)],
        "ext4", env=env)
    with open(out + ".script", "x", encoding="utf-8", errors="surrogateescape") as f:
        f.writelines(line + "\n" for line in script(job.tree, job.epoch, empty))
    _, err = run(["debugfs", "-w", "-f", out + ".script", out], "ext4", env=env)
    words = [w for w in err.splitlines() if w and not w.startswith("debugfs 1.")]
    if words:
        raise Failure(full_disk("\n".join(words)) or "ext4: debugfs: %s" % words[0])
    os.unlink(out + ".script")
    os.unlink(empty)
