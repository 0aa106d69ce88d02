# SPDX-License-Identifier: Apache-2.0
"""squashfs: made of a tar archive in one order, with fixed owners and times, so that nothing is laid out on the disk."""
import os
import tarfile

from fail import program, run

KINDS = {"dir": tarfile.DIRTYPE, "file": tarfile.REGTYPE, "link": tarfile.LNKTYPE, "slink": tarfile.SYMTYPE}


def write_tar(tree, epoch, out):
    with tarfile.open(out, "w", format=tarfile.GNU_FORMAT, errors="surrogateescape", encoding="utf-8") as tar:
        for path, e in tree.sorted():
            m = tarfile.TarInfo(path[1:])
            m.mode, m.uid, m.gid, m.mtime = e.mode, e.uid, e.gid, epoch
            if e.kind == "nod":
                kind, m.devmajor, m.devminor = e.device
                m.type = tarfile.CHRTYPE if kind == "c" else tarfile.BLKTYPE
            else:
                m.type = KINDS[e.kind]
            if e.kind == "slink":
                m.linkname = e.target
            elif e.kind == "link":
                m.linkname = e.target[1:]
            if e.kind == "file" and e.source:
                m.size = e.size
                with open(e.source, "rb") as f:
                    tar.addfile(m, f)
            else:
                tar.addfile(m)


def make(job, out, how):
    """how: zstd. sqfstar 4.5 takes no level of it."""
    tar = out + ".tar"
    write_tar(job.tree, job.epoch, tar)
    epoch = str(job.epoch)
    with open(tar, "rb") as f:
        # sqfstar 4.5 forgets -root-uid: whoever runs it owns the root directory
        run(["fakeroot", "--", program("sqfstar"), "-quiet", "-no-progress", "-comp", how, "-mkfs-time", epoch,
             "-all-time", epoch, "-root-mode", "755", "-root-uid", "0", "-root-gid", "0", "-root-time", epoch, "-no-xattrs", "-reproducible", out],
            "squashfs", stdin=f)
    os.unlink(tar)
