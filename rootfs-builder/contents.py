# SPDX-License-Identifier: Apache-2.0
"""From a flavour and the user's wishes to the Tree of an image and its bill of materials."""
import json
import os
import re
import stat

import debian
import hooks
import sbom
from debs import Apt, locked
from fail import Failure, stage
from flavour import pattern
from pool import Pool, Store, unpack
from tree import Entry, Tree, digest, file_sum, read_manifest

UNITS = "/usr/lib/systemd/system"
ABOUT = "/usr/share/mote"


def overlay(tree, other):
    """Puts another Tree over this one, through its symlinks of directories."""
    moved = {}
    for path, e in other.sorted():
        above, name = path.rsplit("/", 1)
        at = (tree.resolve(above) or above) + "/" + name if above else path
        have = tree.get(at)
        if e.kind == "dir" and have is not None and tree.resolve(at) and tree[tree.resolve(at)].kind == "dir":
            continue
        if have is not None and have.kind == "dir" and e.kind != "dir":
            raise Failure("%s is a directory in the image" % path)
        if e.kind == "link":
            e = Entry("link", target=moved[e.target])
        elif have is not None:
            tree.remove(at)
        moved[path] = at
        tree.put(at, e)


def add_directory(tree, where, prefix="", mode=None):
    """A directory of the user's: root owns everything, and modes say executable or not, whatever the umask was."""
    extra = Tree()
    for top, dirs, files in os.walk(where):
        dirs.sort()
        for name in sorted(dirs + files):
            at = os.path.join(top, name)
            path = prefix + "/" + os.path.relpath(at, where)
            st = os.lstat(at)
            if stat.S_ISLNK(st.st_mode):
                extra.put(path, Entry("slink", 0o777, target=os.readlink(at)))
            elif stat.S_ISDIR(st.st_mode):
                extra.put(path, Entry("dir"))
            elif stat.S_ISREG(st.st_mode):
                extra.file(path, os.path.abspath(at), mode or (0o755 if st.st_mode & 0o100 else 0o644))
            else:
                raise Failure("%s: neither file, directory nor symbolic link" % at)
    overlay(tree, extra)


def add_modules(tree, where):
    """where: holds lib/modules/RELEASE, as kernel-config/build leaves it, or is such a RELEASE directory."""
    for below in ("lib/modules", "modules", ""):
        base = os.path.join(where, below)
        releases = [d for d in sorted(os.listdir(base)) if os.path.exists(os.path.join(base, d, "modules.dep"))] if os.path.isdir(base) else []
        if releases:
            break
    else:
        raise Failure("MODULES=%s: no lib/modules/RELEASE with a modules.dep in it" % where)
    for r in releases:
        skipped = Tree()
        add_directory(skipped, os.path.join(base, r), "/lib/modules/" + r, 0o644)
        for link in ("build", "source"):
            if "/lib/modules/%s/%s" % (r, link) in skipped:
                skipped.remove("/lib/modules/%s/%s" % (r, link))
        overlay(tree, skipped)


def under_systemd(base, units):
    """The agent is a service: init is the distribution's, also in an initrd."""
    base.remove("/sbin/init")
    base.remove("/init")
    base.put("/init", Entry("slink", 0o777, target="sbin/init"))
    for name in sorted(os.listdir(units)):
        base.file(UNITS + "/" + name, os.path.join(units, name))


class Contents:
    """tree, and what is told of it: rows (of the lock), texts (licences), lock (its text), lock_path."""

    def __init__(self, o, flavour, work):
        self.o, self.flavour = o, flavour
        self.store = Store(os.path.join(work, "store"))
        self.rows, self.texts, self.lock = [], {}, None
        self.tree = Tree()
        request = self.request()
        if request:
            apt = Apt(o.arch)
            try:
                self.rows, self.lock = locked(apt, request, o.lock_path, o.lock is not None, o.update)
                apt.fetch(self.rows)
                self.fill(apt, request, work)
            finally:
                apt.close()
        self.finish()

    def request(self):
        words = sorted(set(self.flavour["packages"]) | set(self.o.extra_pkgs))
        for w in words:
            if not re.fullmatch(r"[a-z0-9][a-z0-9.+-]+(=[A-Za-z0-9.+:~-]+)?", w):
                raise Failure("'%s' is no name of a package" % w)
        return (["?essential"] if self.flavour["root"] == "mmdebstrap" else []) + words

    def fill(self, apt, request, work):
        f = self.flavour
        if f["root"] == "mmdebstrap":
            self.tree, self.texts = debian.make(self.rows, request, apt, work, self.o.epoch, self.store)
            dropped = [pattern(t) for t in f["drop"]]
            for p in [p for p in self.tree.entries if any(d.fullmatch(p) for d in dropped)]:
                if p in self.tree:
                    self.tree.remove(p)
            return
        stage("unpacking %d packages" % len(self.rows))
        everything = Tree()
        for row in self.rows:
            self.texts[row["package"]] = unpack(apt.file(row), row["package"], everything, self.store)
        whole = {w.split("=")[0] for w in self.o.extra_pkgs}
        self.tree = Pool(everything, whole).choose(f["keep"], f["drop"])
        used = {e.origin for e in self.tree.entries.values()}
        self.rows = [r for r in self.rows if r["package"] in used | whole]

    def finish(self):
        o, f = self.o, self.flavour
        base = digest(read_manifest(o.base, {"AGENT": os.path.abspath(o.agent)}))
        if f["init"] == "systemd":
            under_systemd(base, o.units)
        overlay(self.tree, base)
        if o.programs:
            overlay(self.tree, o.programs.tree(f["built"], self.tree))
        extra = Tree()
        for path, target in f["links"].items():
            extra.put(path, Entry("slink", 0o777, target=target))
        for program, paths in f["programs"].items():
            for path in paths:
                extra.put(path, Entry("slink", 0o777, target=program))
        for path, text in f["files"].items():
            extra.file(path, self.store.text(text))
        overlay(self.tree, extra)
        if "/etc/machine-id" not in self.tree:
            self.tree.file("/etc/machine-id", None)
        if o.modules:
            add_modules(self.tree, o.modules)
        for stage in hooks.stages(o.hooks):
            add_directory(self.tree, os.path.join(o.hooks, stage), hooks.PLACE + "/" + stage)
        for where in o.extra_files:
            if not os.path.isdir(where):
                raise Failure("EXTRA_FILES=%s: there is no such directory" % where)
            add_directory(self.tree, where)
        hooks.check(self.tree, o.arch)
        self.tell()

    def tell(self):
        """The bill of materials, and a few words of the image on itself."""
        o = self.o
        agent = (o.version, file_sum(o.agent))
        libs = list(sbom.archives(o.versions, o.sources, sbom.LIBRARIES))
        built = list(sbom.archives(o.programs.versions, o.programs.sources, sbom.PROGRAMS)) if o.programs else []
        self.sbom = sbom.document("mote-" + self.flavour["name"], o.epoch, self.tree.sum(), agent, libs, built, self.rows, self.texts)
        about = {"flavour": self.flavour["name"], "init": self.flavour["init"], "version": o.version, "agent_sha256": agent[1], "architecture": o.arch,
                 "packages": {r["package"]: r["version"] for r in self.rows},
                 "programs": {name: version for name, version, _ in built}}
        extra = Tree()
        extra.file(ABOUT + "/sbom.spdx.json", self.store.text(self.sbom))
        extra.file(ABOUT + "/image.json", self.store.text(json.dumps(about, indent=1, sort_keys=True) + "\n"))
        overlay(self.tree, extra)
