# SPDX-License-Identifier: Apache-2.0
"""The files of packages: unpacked into a store of contents, and of these the chosen ones with the libraries that they need."""
import hashlib
import os
import re
import subprocess
import tarfile

import elf
from fail import Failure, environment, full_disk, program
from flavour import pattern
from tree import EMPTY, Entry, Tree

# Never of use in a guest. Licences are told in the bill of materials.
NEVER = re.compile(r"/usr/share/(doc|man|info|locale|lintian|bug|bash-completion|doc-base|menu|pixmaps|applications)(/.*)?|/usr/lib/python3(/.*)?")


class Store:
    """Contents by their sum, in a directory of the build."""

    def __init__(self, where):
        self.dir = where
        os.makedirs(where, exist_ok=True)

    def add(self, f):
        """(path, sum, size) of what a stream holds."""
        h, size = hashlib.sha256(), 0
        part = os.path.join(self.dir, "part")
        with open(part, "wb") as out:
            while block := f.read(1 << 20):
                h.update(block)
                size += len(block)
                out.write(block)
        path = os.path.join(self.dir, h.hexdigest())
        os.rename(part, path)
        return path, h.hexdigest(), size

    def text(self, content):
        """The path of a string, or of bytes."""
        data = content.encode() if isinstance(content, str) else content
        path = os.path.join(self.dir, hashlib.sha256(data).hexdigest())
        with open(path, "wb") as f:
            f.write(data)
        return path


def add_tar(tree, stream, store, origin=None, skip=lambda path: False):
    """Puts what a tar archive holds into a Tree."""
    with tarfile.open(fileobj=stream, mode="r|", errors="surrogateescape") as tar:
        for m in tar:
            path = os.path.normpath("/" + m.name.lstrip("/"))
            if path == "/" or skip(path):
                continue
            e = tar_entry(tar, m, store, tree)
            e.origin = origin
            have = tree.get(path)
            if have is None or have.kind != "dir" or e.kind != "dir":
                tree.put(path, e)


def tar_entry(tar, m, store, tree):
    mode = m.mode & 0o7777
    if m.isdir():
        return Entry("dir", mode, m.uid, m.gid)
    if m.issym():
        return Entry("slink", 0o777, target=m.linkname)
    if m.islnk():
        target = os.path.normpath("/" + m.linkname)
        file = tree.get(target)
        if file is None:
            raise Failure("%s: a further name of %s, which is not there" % (m.name, target))
        return Entry("link", target=file.target if file.kind == "link" else target)
    if m.isreg():
        if not m.size:
            return Entry("file", mode, m.uid, m.gid, sha=EMPTY)
        path, sha, size = store.add(tar.extractfile(m))
        return Entry("file", mode, m.uid, m.gid, source=path, sha=sha, size=size)
    if m.ischr() or m.isblk():
        return Entry("nod", mode, m.uid, m.gid, device=("c" if m.ischr() else "b", m.devmajor, m.devminor))
    raise Failure("%s: of a kind that an image cannot have" % m.name)


def unpack(deb, package, tree, store):
    """A package's files into a Tree; its copyright file is returned as text."""
    licence = "/usr/share/doc/%s/copyright" % package
    with subprocess.Popen([program("dpkg-deb"), "--fsys-tarfile", deb], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=environment()) as p:
        add_tar(tree, p.stdout, store, package, lambda path: NEVER.fullmatch(path) and path != licence)
        words = p.stderr.read().decode(errors="replace")
    if p.returncode:
        raise Failure(full_disk(words) or "%s: dpkg-deb cannot unpack it: %s" % (package, words.strip()))
    return take_licence(tree, licence)


def take_licence(tree, path):
    e = tree.get(path)
    if e is None or e.kind not in ("file", "link"):
        return ""
    e = tree[e.target] if e.kind == "link" else e
    if not e.source:
        return ""
    with open(e.source, encoding="utf-8", errors="replace") as f:
        return f.read()


class Pool:
    """All files of the packages of a flavour, and which of them go into the image."""

    def __init__(self, tree, whole):
        self.tree, self.whole = tree, whole  # whole: packages of which everything is taken
        self.wanted = set()
        self.multiarch = sorted({d for p in tree.entries for d in re.findall(r"^/(?:usr/)?lib/([^/]+-linux-gnu[^/]*)/", p)})

    def want(self, path):
        """Takes a path, what a symlink leads to, and what a program needs. True when it is there."""
        real = self.tree.resolve(path)
        if real is None:
            return False
        for p in {path, real} | self.on_the_way(path):
            if p in self.wanted or p not in self.tree:
                continue
            self.wanted.add(p)
            e = self.tree[p]
            if e.kind == "link":
                self.wanted.add(e.target)
                e = self.tree[e.target]
            if e.kind == "file" and e.source:
                self.needs(p, e)
        return True

    def on_the_way(self, path):
        """The symlinks that a path goes through."""
        found, at = set(), path
        for _ in range(40):
            parts = at.split("/")
            for i in range(2, len(parts) + 1):
                name = "/".join(parts[:i])
                e = self.tree.get(name)
                if e is not None and e.kind == "slink":
                    found.add(name)
                    base = "" if e.target.startswith("/") else name.rsplit("/", 1)[0]
                    at = os.path.normpath("/".join([base or "/", e.target, *parts[i:]]))
                    at = "/" + at.lstrip("/")
                    break
            else:
                return found
        return found

    def needs(self, path, e):
        with open(e.source, "rb") as f:
            data = f.read() if f.read(4) == b"\x7fELF" and not f.seek(0) else b""
        found = elf.read(data)
        if not found:
            return
        if found.interp and not self.want(found.interp):
            raise Failure("%s needs %s, which no package of the flavour has" % (path, found.interp))
        own = [d.replace("$ORIGIN", path.rsplit("/", 1)[0]) for d in found.runpath if d]
        usual = ["%s/%s" % (top, m) for m in self.multiarch for top in ("/lib", "/usr/lib")] + ["/lib", "/usr/lib"]
        for name in found.needed:
            if not any(self.want(os.path.normpath(d + "/" + name)) for d in own + usual):
                raise Failure("%s needs the library %s, which no package of the flavour has" % (path, name))

    def fitting(self, fits):
        """What a pattern fits; in a release whose packages have all below /usr, and /bin, /lib and /sbin as links there, through those."""
        files = [p for p, e in self.tree.entries.items() if e.kind != "dir"]
        return [p for p in files if fits.fullmatch(p)] or \
               [p[4:] for p in files if p.startswith("/usr/") and fits.fullmatch(p[4:]) and self.tree.resolve(p[4:])]

    def choose(self, keep, drop):
        """The Tree of what the patterns keep, with all it needs."""
        for text in keep:
            hits = self.fitting(pattern(text))
            if not hits:
                raise Failure("the flavour keeps '%s', and no package has such a file" % text)
            for p in hits:
                self.want(p)
        for p, e in list(self.tree.entries.items()):
            if e.origin in self.whole and not p.startswith("/usr/share/doc/") and (e.kind != "dir"):
                if not self.want(p):
                    self.wanted.add(p)  # a symlink that leads out of the image
        out = Tree()
        dropped = [pattern(t) for t in drop]
        for p in sorted(self.wanted):
            if not any(d.fullmatch(p) for d in dropped):
                self.copy(out, p)
        return out

    def copy(self, out, path):
        parts = path.split("/")
        for i in range(2, len(parts)):
            above = "/".join(parts[:i])
            have = self.tree.get(above)
            if above not in out and have is not None and have.kind == "dir":
                out.put(above, Entry("dir", have.mode, have.uid, have.gid))
        out.put(path, self.tree[path])
