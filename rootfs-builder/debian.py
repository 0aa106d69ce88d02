# SPDX-License-Identifier: Apache-2.0
"""A whole distribution by mmdebstrap, out of a repository that holds the locked packages and nothing else."""
import hashlib
import os
import subprocess

from fail import Failure, environment, full_disk, program, run, say
from pool import NEVER, add_tar, take_licence
from tree import Entry, Tree


def write_repository(where, rows, apt):
    """A flat repository: links to the files, and their list."""
    os.makedirs(where)
    with open(os.path.join(where, "Packages"), "w", encoding="utf-8") as f:
        for row in rows:
            name = "%s_%s_%s.deb" % (row["package"], row["version"].replace(":", "%3a"), row["architecture"])
            control, _ = run(["dpkg-deb", "-f", apt.file(row)], row["package"])
            os.symlink(apt.file(row), os.path.join(where, name))
            f.write("%s\nFilename: ./%s\nSize: %d\nSHA256: %s\n\n" % (control.rstrip("\n"), name, row["size"], row["sha256"]))


def bootstrap(where, work, epoch, tar, packages):
    """Runs mmdebstrap, as root or in a user namespace."""
    mode = "root" if os.getuid() == 0 else "unshare"
    argv = [program("mmdebstrap"), "--variant=essential", "--mode=" + mode, "--include=" + ",".join(packages), "--format=tar", "--skip=cleanup/reproducible",
            "--aptopt=Apt::Install-Recommends false", "--aptopt=Acquire::Languages none", "--dpkgopt=force-unsafe-io", "", tar,
            "deb [trusted=yes] copy://%s ./" % where]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=work,
                          env=environment(SOURCE_DATE_EPOCH=str(epoch), TMPDIR=work)) as p:
        try:
            words = p.stdout.read().decode(errors="replace")
        except BaseException:
            p.terminate()
            raise
    if p.returncode:
        raise Failure(full_disk(words) or "mmdebstrap failed (exit status %d)%s" % (p.returncode, "".join("\n  " + w for w in words.splitlines()[-12:])))


def make(rows, request, apt, work, epoch, store):
    """(Tree, {package: its copyright file})."""
    repository, tar = os.path.join(work, "repository"), os.path.join(work, "root.tar")
    write_repository(repository, rows, apt)
    say("installing %d packages by mmdebstrap" % len(rows))
    bootstrap(repository, work, epoch, tar, [w for w in request if w != "?essential"])
    tree, texts = Tree(), {}
    copyrights = {"/usr/share/doc/%s/copyright" % r["package"] for r in rows}
    with open(tar, "rb") as f:
        add_tar(tree, f, store, None, lambda path: path.startswith("/dev/") or (NEVER.fullmatch(path) and path not in copyrights and "/doc/" in path))
    os.unlink(tar)
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
