# SPDX-License-Identifier: Apache-2.0
"""A whole distribution by mmdebstrap, out of a repository that holds the locked packages and nothing else."""
import hashlib
import json
import os
import shutil

import unshared
from fail import program, run, say, stage
from pool import NEVER, add_tar, take_licence
from tree import Entry, Tree, file_sum

KEPT = 4


def write_repository(where, rows, apt, linked):
    """A flat repository: the files, or links to them, and their list."""
    os.makedirs(where)
    with open(os.path.join(where, "Packages"), "w", encoding="utf-8") as f:
        for row in rows:
            name = "%s_%s_%s.deb" % (row["package"], row["version"].replace(":", "%3a"), row["architecture"])
            control, _ = run(["dpkg-deb", "-f", apt.file(row)], row["package"])
            (os.symlink if linked else shutil.copyfile)(apt.file(row), os.path.join(where, name))
            f.write("%s\nFilename: ./%s\nSize: %d\nSHA256: %s\n\n" % (control.rstrip("\n"), name, row["size"], row["sha256"]))


def bootstrap(where, place, epoch, tar, packages, mode, arch):
    """Runs mmdebstrap, as root or in a user namespace. arch: None: this machine's own."""
    argv = ["mmdebstrap", "--variant=essential", "--mode=" + mode, "--include=" + ",".join(packages), "--format=tar", "--skip=cleanup/reproducible",
            "--aptopt=Apt::Install-Recommends false", "--aptopt=Acquire::Languages none", "--dpkgopt=force-unsafe-io",
            *(["--architectures=" + arch] if arch else []), "", tar, "deb [trusted=yes] copy://%s ./" % where]
    run(argv, "installing the packages", env={"SOURCE_DATE_EPOCH": str(epoch), "TMPDIR": place}, cwd=place)


def install(rows, request, apt, work, epoch, tar):
    """The packages' root as an archive."""
    mode = "root"
    if os.getuid() != 0:
        mode = "unshare"
        unshared.check()
    stage("installing %d packages by mmdebstrap" % len(rows))
    with unshared.Place(work) as place:
        repository = os.path.join(place, "repository")
        write_repository(repository, rows, apt, mode == "root" or unshared.reachable(apt.debs))
        bootstrap(repository, place, epoch, tar, [w for w in request if w != "?essential"], mode, apt.arch if apt.foreign else None)


def cached(rows, request, apt, work, epoch):
    """The archive of the installed packages: a minute's work that all formats share, so that it is kept in the cache."""
    h = hashlib.sha256(json.dumps([rows, request, epoch], sort_keys=True).encode())
    for path in (__file__, unshared.__file__, program("mmdebstrap")):
        h.update(file_sum(path).encode())
    kept = os.path.join(apt.dir, "roots", h.hexdigest()[:32] + ".tar")
    if os.path.exists(kept) and os.path.exists(kept + ".sum"):
        with open(kept + ".sum", encoding="ascii") as f:
            if f.read() == file_sum(kept):
                os.utime(kept)
                return kept
        say("the cache's root of %d packages is damaged: installing them again" % len(rows))
    os.makedirs(os.path.dirname(kept), exist_ok=True)
    tar = os.path.join(work, "root.tar")
    install(rows, request, apt, work, epoch, tar)
    with open(kept + ".sum", "w", encoding="ascii") as f:
        f.write(file_sum(tar))
    shutil.move(tar, kept + ".part")
    os.rename(kept + ".part", kept)
    forget(os.path.dirname(kept))
    return kept


def forget(where):
    """Old roots are large: the ones that were used last stay."""
    kept = sorted((os.path.join(where, n) for n in os.listdir(where) if n.endswith(".tar")), key=os.path.getmtime, reverse=True)
    for path in kept[KEPT:]:
        os.unlink(path)
        if os.path.exists(path + ".sum"):
            os.unlink(path + ".sum")


def make(rows, request, apt, work, epoch, store):
    """(Tree, {package: its copyright file})."""
    tar = cached(rows, request, apt, work, epoch)
    tree, texts = Tree(), {}
    copyrights = {"/usr/share/doc/%s/copyright" % r["package"] for r in rows}
    with open(tar, "rb") as f:
        add_tar(tree, f, store, None, lambda path: path.startswith("/dev/") or (NEVER.fullmatch(path) and path not in copyrights and "/doc/" in path))
    for row in rows:
        texts[row["package"]] = take_licence(tree, "/usr/share/doc/%s/copyright" % row["package"])
    settle(tree, store)
    return tree, texts


def settle(tree, store):
    """What a machine's first boot writes is not there yet; what tells of this machine is gone."""
    tree.put("/etc/machine-id", Entry("file", 0o644, sha=hashlib.sha256(b"").hexdigest()))
    if "/var/lib/dbus/machine-id" in tree:
        tree.remove("/var/lib/dbus/machine-id")
    hostname = store.text("mote\n")
    tree.file("/etc/hostname", hostname)
