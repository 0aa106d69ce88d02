# SPDX-License-Identifier: Apache-2.0
"""The contents of an image as data: what every format is made from. Written as a manifest of mkinitrd and read from one.

A path begins with a slash and is no directory's but the root's child; bytes that are no UTF-8 are kept (surrogateescape).
"""
import hashlib
import os
import re

from fail import Failure


class Entry:
    """One name. kind: dir, file, link (target: another name of a file), slink (target), nod (device: 'c'|'b', major, minor)."""

    __slots__ = ("kind", "mode", "uid", "gid", "source", "target", "device", "sum", "size", "origin")

    def __init__(self, kind, mode=0o755, uid=0, gid=0, source=None, target=None, device=None, sha=None, size=0, origin=None):
        self.kind, self.mode, self.uid, self.gid = kind, mode, uid, gid
        self.source, self.target, self.device = source, target, device  # source None: an empty file
        self.sum, self.size, self.origin = sha, size, origin  # origin: the package, or None


EMPTY = hashlib.sha256(b"").hexdigest()


def file_sum(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


class Tree:
    def __init__(self):
        self.entries = {}

    def __contains__(self, path):
        return path in self.entries

    def __getitem__(self, path):
        return self.entries[path]

    def get(self, path):
        return self.entries.get(path)

    def put(self, path, entry):
        """Puts it there, and the directories above it where they are missing."""
        check(path)
        above = path.rsplit("/", 1)[0]
        if above and above not in self.entries:
            self.put(above, Entry("dir"))
        elif above and self.entries[above].kind != "dir":
            raise Failure("%s: %s above it is no directory" % (path, above))
        self.entries[path] = entry

    def file(self, path, source, mode=0o644, uid=0, gid=0, origin=None):
        """A file with the contents of another; None: empty."""
        self.put(path, Entry("file", mode, uid, gid, source=source, sha=file_sum(source) if source else EMPTY,
                             size=os.stat(source).st_size if source else 0, origin=origin))

    def remove(self, path):
        """With all that lies below it; other names of its files stay."""
        gone = {p for p in self.entries if p == path or p.startswith(path + "/")}
        heirs = {}
        for p in sorted(self.entries):
            e = self.entries[p]
            if e.kind == "link" and e.target in gone and p not in gone:
                if e.target in heirs:
                    e.target = heirs[e.target]
                else:
                    heirs[e.target] = p
                    self.entries[p] = self.entries[e.target]
        for p in gone:
            del self.entries[p]

    def sorted(self):
        """(path, entry) in one order whatever the order of making: of the names of one file the first is the file."""
        first = {}
        for path, e in self.entries.items():
            if e.kind == "link":
                first[e.target] = min(first.get(e.target, e.target), path)
        for path in sorted(self.entries):
            e = self.entries[path]
            if e.kind == "link" or path in first:
                file = e.target if e.kind == "link" else path
                e = self.entries[file] if path == first[file] else Entry("link", target=first[file])
            yield path, e

    def resolve(self, path, depth=0):
        """The path with every symlink in it followed, or None when it leads nowhere."""
        if depth > 40:
            return None
        at = ""
        parts = path.strip("/").split("/")
        for i, part in enumerate(parts):
            if part == "..":
                at = at.rsplit("/", 1)[0]
                continue
            if part in ("", "."):
                continue
            at += "/" + part
            e = self.entries.get(at)
            if e is None:
                return None
            if e.kind == "slink":
                base = "" if e.target.startswith("/") else at.rsplit("/", 1)[0]
                return self.resolve("/".join([base, e.target, *parts[i + 1:]]), depth + 1)
        return at

    def lines(self, contents=lambda e: e.source or "-"):
        """The manifest; contents: what stands for a file's."""
        for path, e in self.sorted():
            if e.kind == "dir":
                yield "dir %s %04o %d %d" % (escape(path), e.mode, e.uid, e.gid)
            elif e.kind == "file":
                yield "file %s %s %04o %d %d" % (escape(path), escape(contents(e)), e.mode, e.uid, e.gid)
            elif e.kind == "link":
                yield "link %s %s" % (escape(path), escape(e.target))
            elif e.kind == "slink":
                yield "slink %s %s" % (escape(path), escape(e.target))
            else:
                yield "nod %s %04o %d %d %s %d %d" % (escape(path), e.mode, e.uid, e.gid, *e.device)

    def sum(self):
        """The SHA-256 of all of it: same bits, same sum."""
        h = hashlib.sha256()
        for line in self.lines(lambda e: e.sum):
            h.update(line.encode() + b"\n")
        return h.hexdigest()

    def write_manifest(self, path):
        with open(path, "w", encoding="ascii") as f:
            f.writelines(line + "\n" for line in self.lines())


def check(path):
    if not re.fullmatch(r"(/(?!\.{1,2}(/|$))[^/\0]+)+", path):
        raise Failure("'%s' is no absolute path with plain components" % path)


def escape(text):
    """As mkinitrd reads it back."""
    return "".join(chr(c) if 0x21 <= c < 0x7f and c not in b"\\$" else "\\%03o" % c for c in os.fsencode(text))


def unescape(text, variables):
    def one(m):
        if m.group(1):
            return bytes([int(m.group(1), 8)])
        name = (m.group(2) or m.group(3)).decode()
        if name not in variables:
            raise Failure("$%s is not defined" % name)
        return os.fsencode(variables[name])
    return os.fsdecode(re.sub(rb"\\([0-7]{3})|\$(?:\{(\w+)\}|(\w+))", one, text.encode()))


def read_manifest(path, variables=None):
    """A Tree of what mkinitrd would write. Files' sums are not made yet."""
    tree = Tree()
    with open(path, encoding="ascii") as f:
        for number, line in enumerate(f, 1):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            try:
                kind, name, *rest = [unescape(w, variables or {}) for w in words]
                if kind == "dir":
                    tree.put(name, Entry("dir", int(rest[0], 8), int(rest[1]), int(rest[2])))
                elif kind == "file":
                    tree.put(name, Entry("file", int(rest[1], 8), int(rest[2]), int(rest[3]), None if rest[0] == "-" else rest[0]))
                elif kind == "link":
                    e = tree[rest[0]]
                    tree.put(name, Entry("link", target=e.target if e.kind == "link" else rest[0]))
                elif kind == "slink":
                    tree.put(name, Entry("slink", 0o777, target=rest[0]))
                elif kind == "nod":
                    tree.put(name, Entry("nod", int(rest[0], 8), int(rest[1]), int(rest[2]), device=(rest[3], int(rest[4]), int(rest[5]))))
                else:
                    raise ValueError(kind)
            except (ValueError, IndexError, KeyError) as e:
                raise Failure("%s:%d: not understood: %s (%s)" % (path, number, line.strip(), e)) from e
    return tree


def digest(tree):
    """Sizes and sums of files that came from a manifest."""
    for e in tree.entries.values():
        if e.kind == "file":
            e.sum = file_sum(e.source) if e.source else EMPTY
            e.size = os.stat(e.source).st_size if e.source else 0
    return tree
