# SPDX-License-Identifier: Apache-2.0
"""What an image was made from, as one sum: with nothing changed nothing is made."""
import hashlib
import json
import os
import shutil

from fail import PACKAGES


class Inputs:
    def __init__(self):
        self.h = hashlib.sha256()

    def word(self, *words):
        for w in words:
            self.h.update(repr(w).encode() + b"\n")

    def file(self, path):
        self.word(os.path.basename(path))
        try:
            with open(path, "rb") as f:
                self.h.update(hashlib.file_digest(f, "sha256").digest())
        except FileNotFoundError:
            self.word("none")

    def directory(self, where):
        for top, dirs, files in os.walk(where):
            dirs.sort()
            for name in sorted(dirs + files):
                at = os.path.join(top, name)
                self.word(os.path.relpath(at, where), os.lstat(at).st_mode & 0o170100)
                if os.path.islink(at):
                    self.word(os.readlink(at))
                elif os.path.isfile(at):
                    self.file(at)

    def tools(self):
        """Another version of a program may write other bits."""
        for name in sorted(PACKAGES):
            path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
            if path:
                st = os.stat(path)
                self.word(name, st.st_size, int(st.st_mtime))

    def sum(self):
        return self.h.hexdigest()


def path_of(out):
    return os.path.join(os.path.dirname(out), "." + os.path.basename(out) + ".stamp")


def outputs(paths):
    return {os.path.basename(p): [os.stat(p).st_size, os.stat(p).st_mtime_ns] for p in paths}


def is_fresh(out, total):
    try:
        with open(path_of(out), encoding="utf-8") as f:
            stamp = json.load(f)
        where = os.path.dirname(out)
        return stamp["inputs"] == total and outputs([os.path.join(where, n) for n in stamp["outputs"]]) == stamp["outputs"]
    except (OSError, ValueError, KeyError, TypeError):
        return False


def write(out, total, paths):
    part = path_of(out) + ".part"
    with open(part, "w", encoding="utf-8") as f:
        json.dump({"inputs": total, "outputs": outputs(paths)}, f)
    os.rename(part, path_of(out))
