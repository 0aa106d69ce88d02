# SPDX-License-Identifier: Apache-2.0
"""Unpacks a file system and writes the manifest of what was in it. For opened.py, under fakeroot, which keeps owners.

usage: unlay.py squashfs|erofs|ext4 IMAGE DIR MANIFEST
"""
import os
import re
import stat
import subprocess
import sys

from ext4 import quote
from fail import Failure, environment, program, run
from tree import Entry, Tree


def unpack(kind, image, where):
    if kind == "squashfs":
        run(["unsquashfs", "-q", "-n", "-d", where, image], image)
    elif kind == "erofs":
        run(["fsck.erofs", "--extract=" + where, "--preserve", image], image)
    else:
        os.mkdir(where)
        _, err = run(["debugfs", "-R", 'rdump / "%s"' % where, image], image)
        words = [w for w in err.splitlines() if w and not w.startswith("debugfs 1.")]
        if words:
            raise Failure("%s: %s" % (image, words[0]))


def walk(where):
    tree, names = Tree(), {}
    for top, dirs, files in os.walk(where):
        for name in dirs + files:
            at = os.path.join(top, name)
            st = os.lstat(at)
            path, mode = at[len(where):], stat.S_IMODE(st.st_mode)
            if path == "/lost+found":
                continue
            if stat.S_ISDIR(st.st_mode):
                e = Entry("dir", mode, st.st_uid, st.st_gid)
            elif stat.S_ISLNK(st.st_mode):
                e = Entry("slink", target=os.readlink(at))
            elif stat.S_ISREG(st.st_mode):
                first = names.setdefault(st.st_ino, path)
                e = Entry("file", mode, st.st_uid, st.st_gid, source=at) if first == path else Entry("link", target=first)
            elif stat.S_ISCHR(st.st_mode) or stat.S_ISBLK(st.st_mode):
                e = Entry("nod", mode, st.st_uid, st.st_gid,
                          device=("c" if stat.S_ISCHR(st.st_mode) else "b", os.major(st.st_rdev), os.minor(st.st_rdev)))
            else:
                continue
            tree.put(path, e)
        dirs[:] = [d for d in dirs if not os.path.islink(os.path.join(top, d)) and os.path.join(top, d) != where + "/lost+found"]
    return tree


def debugfs(image, work, commands):
    """The output of each of debugfs' commands."""
    script = work + ".script"
    with open(script, "w", encoding="utf-8", errors="surrogateescape") as f:
        f.writelines(c + "\n" for c in commands)
    argv = [program("debugfs"), "-f", script, image]
    p = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, env=environment(), check=False)
    return p.stdout.decode(errors="surrogateescape").split("debugfs: ")[1:]


def read_inodes(tree, image, where):
    """What debugfs' rdump forgets: sticky bits, device nodes, which names are one file."""
    dirs = ["/", *sorted(p for p, e in tree.entries.items() if e.kind == "dir")]
    names, nodes = {}, []
    for d, said in zip(dirs, debugfs(image, where, ["ls -p " + quote(d) for d in dirs])):
        for line in said.splitlines()[1:]:
            words = line.split("/")
            if len(words) != 8 or words[5] in (".", ".."):
                continue
            inode, mode, path = int(words[1]), int(words[2], 8), d.rstrip("/") + "/" + words[5]
            kind = stat.S_IFMT(mode)
            if kind in (stat.S_IFCHR, stat.S_IFBLK):
                nodes.append((path, Entry("nod", stat.S_IMODE(mode), int(words[3]), int(words[4]), device=("c" if kind == stat.S_IFCHR else "b", 0, 0))))
            elif path in tree and kind != stat.S_IFLNK:
                tree[path].mode, tree[path].uid, tree[path].gid = stat.S_IMODE(mode), int(words[3]), int(words[4])
                first = names.setdefault(inode, path)
                if first != path:
                    tree.entries[path] = Entry("link", target=first)
    for (path, e), said in zip(nodes, debugfs(image, where, ["stat " + quote(p) for p, _ in nodes])):
        m = re.search(r"Device major/minor number: (\d+):(\d+)", said)
        e.device = (e.device[0], *(int(g) for g in m.groups())) if m else e.device
        tree.put(path, e)


def main():
    if len(sys.argv) != 5:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    _, kind, image, where, manifest = sys.argv
    try:
        unpack(kind, image, where)
        tree = walk(where)
        if kind == "ext4":
            read_inodes(tree, image, where)
        for path, e in tree.entries.items():
            if e.kind == "file" and e.source and not os.access(e.source, os.R_OK):
                os.chmod(e.source, 0o600)
            elif e.kind == "dir":
                os.chmod(where + path, 0o700)
        tree.write_manifest(manifest)
    except (Failure, OSError) as e:
        print(e, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
