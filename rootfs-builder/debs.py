# SPDX-License-Identifier: Apache-2.0
"""Packages of the distribution: which ones, in which versions (the lock), and their files in the cache.

The machine's own package client resolves and fetches, with its sites, proxies and keys; its state is read, and written only
below the cache. An empty list of installed packages makes it name everything that is needed. For another architecture than the
machine's it has lists of its own, from the same sites.
"""
import fcntl
import json
import os
import pwd
import re
import urllib.parse

import arch
from fail import Failure, full_disk, run, say, stage
from tree import file_sum

LISTS = "/var/lib/apt/lists"


def cache():
    where = os.environ.get("MOTE_CACHE")
    if not where:
        home = os.environ.get("HOME") or pwd.getpwuid(os.getuid()).pw_dir
        where = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.join(home, ".cache"), "mote")
    return os.path.abspath(where)


class Apt:
    """The client with private state; one user of it at a time."""

    def __init__(self, name=os.uname().machine):
        """name: the architecture that packages are for."""
        self.name, self.arch, self.foreign = name, arch.find(name).debian, name != os.uname().machine
        self.dir = os.path.join(cache(), "rootfs")
        self.debs = os.path.join(self.dir, "debs")
        self.state = os.path.join(self.dir, "state-" + self.arch if self.foreign else "state")
        for d in (self.state + "/lists/partial", "cache/archives/partial", "debs"):
            os.makedirs(os.path.join(self.dir, d), exist_ok=True)
        with open(os.path.join(self.dir, "status"), "w", encoding="ascii"):
            pass
        self.lists = LISTS if has_lists(LISTS) and not self.foreign else self.state + "/lists"
        self.lock = open(os.path.join(self.dir, "lock"), "w", encoding="ascii")  # pylint: disable=consider-using-with
        fcntl.flock(self.lock, fcntl.LOCK_EX)

    def close(self):
        self.lock.close()

    def run(self, tool, *args, status=(0,)):
        user = pwd.getpwuid(os.getuid()).pw_name
        options = ["Dir::State=" + self.state, "Dir::State::lists=" + self.lists, "Dir::State::status=" + self.dir + "/status",
                   "Dir::Cache=" + self.dir + "/cache", "Acquire::ForceHash=SHA256", "Acquire::Retries=2", "APT::Sandbox::User=" + user,
                   "Debug::NoLocking=1"]
        if self.foreign:
            options += ["APT::Architecture=" + self.arch, "APT::Architectures=" + self.arch]
        return run([tool, *[w for o in options for w in ("-o", o)], *args], "packages", status=status)

    def update(self):
        """Our own lists, where the machine has none, or old ones that name what is no longer there."""
        self.lists = self.state + "/lists"
        stage("fetching the lists of packages" + (" for " + self.arch if self.foreign else ""))
        self.run("apt-get", "-q", "update")
        if self.foreign and not has_lists(self.lists):
            raise Failure("the distribution's release that this machine takes its packages from has none for %s (its name: %s).\n"
                          "  bare and minimal take no packages; a release that has them is named by a file of apt.conf(5) in APT_CONFIG, whose\n"
                          "  Dir::Etc::sourcelist and Dir::Etc::sourceparts lead to it" % (self.name, self.arch))

    def essential(self):
        """The packages that a whole distribution cannot be without."""
        out, _ = self.run("apt-cache", "dumpavail")
        return sorted({m.group(1) for p in out.split("\n\n") if "\nEssential: yes" in p for m in [re.search(r"^Package: (\S+)", p, re.M)] if m})

    def resolve(self, packages):
        """Rows of the lock for these and all they depend on."""
        if not has_lists(self.lists):
            self.update()
        for again in (False, True):
            out, err = self.run("apt-get", "install", "--print-uris", "-qq", "--no-install-recommends", *packages, status=(0, 100))
            rows = [row for row in map(self.row, out.splitlines()) if row]
            if rows:
                return sorted(rows, key=lambda r: r["package"])
            if again:
                break
            if self.lists == LISTS or self.foreign:  # lists of our own have no one else who keeps them new
                self.update()
        missing = re.findall(r"(?:Unable to locate package|Package '?)\s*(\S+?)'?(?: has no installation candidate|$)", err, re.M)
        missing += ["%s=%s" % (m[1], m[0]) for m in re.findall(r"Version '(\S+)' for '(\S+)' was not found", err)]
        raise Failure("the distribution has no package %s%s: see that the name is right, and the lists of packages (apt-get update)"
                      % (", ".join("'%s'" % m for m in missing), " for " + self.arch if self.foreign else "") if missing else
                      "the packages %s cannot be had together:\n  %s" % (" ".join(packages), (out + err).strip().replace("\n", "\n  ")))

    @staticmethod
    def row(line):
        m = re.fullmatch(r"'(\S+)' (\S+)_(\S+)_(\S+)\.deb (\d+) SHA256:([0-9a-f]{64})", line)
        if not m:
            return None
        url, name, version, of, size, sha = m.groups()
        path = url[url.index("/pool/") + 1:] if "/pool/" in url else url
        return {"package": name, "version": urllib.parse.unquote(version), "architecture": of, "size": int(size), "sha256": sha, "path": path}

    def sites(self):
        out, _ = self.run("apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages")
        return list(dict.fromkeys(out.split()))

    def file(self, row):
        return os.path.join(self.debs, row["sha256"] + ".deb")

    def fetch(self, rows):
        """Each row's file is in the cache with the right contents, or a Failure names the first that cannot be had."""
        wanted = []
        for row in rows:
            if not os.path.exists(self.file(row)):
                wanted.append(row)
            elif file_sum(self.file(row)) != row["sha256"]:
                say("the cache's copy of %s is damaged: fetching it again" % row["package"])
                os.unlink(self.file(row))
                wanted.append(row)
        if not wanted:
            return
        stage("fetching %d packages (%.1f MB)" % (len(wanted), sum(r["size"] for r in wanted) / 1e6))
        sites = self.sites() or [""]
        for site in sites:
            words = [w for r in wanted for w in (self.url(site, r), self.file(r) + ".part", "SHA256:" + r["sha256"])]
            _, err = self.run("/usr/lib/apt/apt-helper", "download-file", *words, status=(0, 100))
            wanted = [r for r in wanted if not self.take(r)]
            if not wanted:
                return
        if full_disk(err):
            raise Failure(full_disk(err))
        row = wanted[0]
        why = [w for w in err.splitlines() if w.startswith(("E:", "W:"))]
        raise Failure("%s %s cannot be had: %s\n  see that the network is there; a version that the archive no longer has is replaced by "
                      "UPDATE=1 (--update), or its file is put there by hand:\n  %s" %
                      (row["package"], row["version"], why[0][2:].strip() if why else "no site has it", self.file(row)))

    @staticmethod
    def url(site, row):
        return row["path"] if re.match(r"[a-z]+:/", row["path"]) else site.rstrip("/") + "/" + row["path"]

    def take(self, row):
        """What was fetched, once it is known to be right."""
        part = self.file(row) + ".part"
        if not os.path.exists(part):
            return False
        if file_sum(part) != row["sha256"]:
            os.unlink(part)
            return False
        os.rename(part, self.file(row))
        return True


def check(name):
    """Failure when no packages are to be had for another architecture than this machine's; the others' lists are the machine's affair."""
    apt = Apt(name)
    try:
        if apt.foreign and not has_lists(apt.lists):
            apt.update()
    finally:
        apt.close()


def has_lists(where):
    try:
        return any("_Packages" in f for f in os.listdir(where))
    except OSError:
        return False


# --- the lock ---

FORM = 1


def read_lock(path):
    try:
        with open(path, encoding="utf-8") as f:
            lock = json.load(f)
        rows = lock["packages"]
        if lock["form"] != FORM or not all(re.fullmatch(r"[0-9a-f]{64}", r["sha256"]) and r["package"] and r["version"] and r["path"] and
                                           isinstance(r["size"], int) for r in rows):
            raise ValueError("not of form %d" % FORM)
        return lock
    except (ValueError, KeyError, TypeError) as e:
        raise Failure("%s: no lock of packages (%s): remove it, it is made again" % (path, e)) from e


def lock_text(request, rows):
    """request: the words that were resolved."""
    return json.dumps({"form": FORM, "request": request, "packages": rows}, indent=1, sort_keys=True) + "\n"


def for_machine(apt, rows, path):
    """The rows of a lock, which are for the architecture that is built."""
    other = next((r for r in rows if r.get("architecture") not in (apt.arch, "all")), None)
    if other:
        raise Failure("%s: its package %s is for %s, and the image for %s: each architecture has a lock of its own" %
                      (path, other["package"], other.get("architecture"), apt.arch))
    return rows


def locked(apt, request, path, given, update):
    """(rows, text of the lock): as the lock at path says, else resolved now. given: the user named that file."""
    if given and not os.path.exists(path):
        raise Failure("LOCK=%s: there is no such file" % path)
    if os.path.exists(path) and not update:
        lock = read_lock(path)
        if lock["request"] == request:
            return for_machine(apt, lock["packages"], path), lock_text(request, lock["packages"])
        if given:
            raise Failure("LOCK=%s was made for the packages '%s', and '%s' are wanted: leave LOCK away, or make the file anew (UPDATE=1)" %
                          (path, " ".join(lock["request"]), " ".join(request)))
    stage("choosing versions of packages")
    if update:
        apt.update()
    words = request
    if "?essential" in request:
        if not has_lists(apt.lists):
            apt.update()
        words = apt.essential() + [w for w in request if w != "?essential"]
    rows = apt.resolve(words)
    return rows, lock_text(request, rows)
