# SPDX-License-Identifier: Apache-2.0
"""Lays a manifest out as a directory, then becomes another program. For erofs.py, under fakeroot.

usage: lay.py MANIFEST DIR -- PROGRAM [ARGUMENT...]
"""
import os
import shutil
import stat
import sys

from fail import Failure
from tree import read_manifest


def lay(tree, where):
    os.mkdir(where, 0o755)
    late = []
    for path, e in tree.sorted():
        at = where + path
        if e.kind == "dir":
            os.mkdir(at, 0o700)
            late.append((at, e))
            continue
        if e.kind == "file":
            with open(at, "xb") as out:
                if e.source:
                    with open(e.source, "rb") as f:
                        shutil.copyfileobj(f, out, 1 << 20)
        elif e.kind == "link":
            os.link(where + e.target, at)
        elif e.kind == "slink":
            os.symlink(e.target, at)
        else:
            kind, major, minor = e.device
            os.mknod(at, e.mode | (stat.S_IFCHR if kind == "c" else stat.S_IFBLK), os.makedev(major, minor))
        if e.kind != "link":
            os.lchown(at, e.uid, e.gid)
        if e.kind in ("file", "nod"):
            os.chmod(at, e.mode)
    for at, e in reversed(late):
        os.chown(at, e.uid, e.gid)
        os.chmod(at, e.mode)
    os.chown(where, 0, 0)


def main():
    if len(sys.argv) < 5 or sys.argv[3] != "--":
        print(__doc__.strip(), file=sys.stderr)
        return 2
    os.umask(0o022)
    try:
        lay(read_manifest(sys.argv[1]), sys.argv[2])
    except (Failure, OSError) as e:
        print(e, file=sys.stderr)
        return 1
    os.execv(sys.argv[4], sys.argv[4:])


if __name__ == "__main__":
    sys.exit(main())
