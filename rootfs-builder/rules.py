# SPDX-License-Identifier: Apache-2.0
"""What an image must and must not have. Each rule is a function of the Tree and the Image that yields what is wrong."""
import json
import os
import re

import arch
import disk
import elf
from contents import ABOUT
from debs import cache
from tree import EMPTY

AGENT, INIT = "/usr/bin/kata-agent", "/sbin/init"
UNITS = "/usr/lib/systemd/system/"
SERVICE, TARGET = "kata-agent.service", "kata-containers.target"
# Programs of the distribution's smallest root that change who one is.
KNOWN = {"su", "mount", "umount", "passwd", "chsh", "chfn", "newgrp", "gpasswd", "chage", "expiry", "unix_chkpwd", "wall", "write"}
OPEN_DEVICES = {"null", "zero", "full", "random", "urandom", "tty", "ptmx", "fuse"}
TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def look(tree, path):
    """The entry that a path leads to, of whatever name."""
    real = tree.resolve(path)
    e = tree[real] if real else None
    return tree[e.target] if e is not None and e.kind == "link" else e


def data_of(e):
    if not e.source:
        return b""
    with open(e.source, "rb") as f:
        return f.read()


def agent(tree, _image):
    e = look(tree, AGENT)
    if e is None or e.kind != "file" or not e.mode & 0o111:
        yield "%s: there is no such program" % AGENT
        return
    found = elf.read(data_of(e))
    if found is None:
        yield "%s: no program for machines of 64 bits" % AGENT
    elif found.interp or found.needed:
        yield "%s: not static: it wants %s" % (AGENT, ", ".join(filter(None, [found.interp, *found.needed])))


def machines(tree, image):
    """All that the agent runs, its libraries, and modules of its kernel are of its own kind. Firmware may be of any."""
    e = look(tree, AGENT)
    own = arch.of_program(data_of(e)) if e is not None and e.kind == "file" else None
    if own is None:
        return  # which agent() has told
    if image.boot.get("architecture", own) != own:
        yield "%s is for %s, and %s.boot says %s" % (AGENT, own, image.path, image.boot["architecture"])
    for path, f in tree.entries.items():
        if f.kind == "file" and (f.mode & 0o111 or re.search(r"\.(ko|so[.0-9]*)$", path)):
            other = arch.of_program(data_of(f))
            if other and other != own:
                yield "%s: a program for %s, and the agent is for %s" % (path, other, own)


def init(tree, image):
    e, a = look(tree, INIT), look(tree, AGENT)
    if e is None or e.kind != "file":
        yield "%s: there is no such program" % INIT
    elif a is not None and e.sum != a.sum:
        yield from systemd(tree)
    if image.kind.startswith("initrd") and look(tree, "/init") is None:
        yield "/init: the kernel starts it from an initrd, and it is not there"


def systemd(tree):
    """Init is not the agent: it is systemd, and has the agent started by the target that Kata's hosts boot to."""
    if not tree.resolve(INIT).endswith("/systemd/systemd"):
        yield "%s is neither the agent nor systemd" % INIT
        return
    units = {name: look(tree, UNITS + name) for name in (SERVICE, TARGET)}
    for name, e in units.items():
        if e is None or e.kind != "file":
            yield "%s%s: %s is not the agent, and there is no such unit" % (UNITS, name, INIT)
            return
    if not re.search(rb"^ExecStart=[-@:+!]*%s(\s|$)" % AGENT.encode(), data_of(units[SERVICE]), re.M):
        yield "%s%s does not start %s" % (UNITS, SERVICE, AGENT)
    wanted = re.search(rb"^(Requires|Wants)=(.* )?%s( |$)" % re.escape(SERVICE).encode(), data_of(units[TARGET]), re.M)
    links = [top + TARGET + how + SERVICE for top in (UNITS, "/etc/systemd/system/") for how in (".wants/", ".requires/")]
    if not wanted and not any(tree.resolve(p) for p in links):
        yield "%s is not enabled: %s does not ask for it" % (SERVICE, TARGET)
    for name in (SERVICE, TARGET):
        e = tree.get("/etc/systemd/system/" + name)
        if e is not None and e.kind == "slink" and e.target == "/dev/null":
            yield "%s is masked" % name
    if ABOUT + "/image.json" in tree and tree.resolve("/etc/systemd/system/default.target") != UNITS + TARGET:
        yield "default.target does not lead to %s: a host that names no unit would not get it" % TARGET
    e = tree.get("/etc/machine-id")
    if e is None or e.kind != "file":
        yield "/etc/machine-id: must be an empty file: in a root that is read only systemd binds the guest's own over it"


def places(tree, _image):
    for path in ("/dev", "/proc", "/run", "/sys", "/tmp"):
        e = look(tree, path)
        if e is None or e.kind != "dir":
            yield "%s: there is no such directory to mount on" % path
    e = tree.get("/etc/resolv.conf")
    if e is None or e.kind not in ("file", "link") or (e.kind == "file" and e.sum != EMPTY):
        yield "/etc/resolv.conf: must be an empty file: the sandbox's is bound over it"


def identity(tree, _image):
    for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        e = tree.get(path)
        if e is not None and e.kind == "file" and e.sum != EMPTY:
            yield "%s: every guest would have the same" % path
    for path in tree.entries:
        if path.startswith("/etc/ssh/ssh_host_"):
            yield "%s: every guest would have the same" % path


def rights(tree, _image):
    for path, e in tree.entries.items():
        name = path.rsplit("/", 1)[1]
        if e.kind == "file" and e.mode & 0o6000 and name not in KNOWN:
            yield "%s: set-uid or set-gid (%04o), and not one of those that are known" % (path, e.mode)
        if e.kind in ("file", "nod") and e.mode & 0o002 and not (e.kind == "nod" and name in OPEN_DEVICES):
            yield "%s: everybody may write it (%04o)" % (path, e.mode)
        if e.kind == "dir" and e.mode & 0o002 and not e.mode & 0o1000:
            yield "%s: everybody may write in it, and there is no sticky bit (%04o)" % (path, e.mode)
        if e.kind == "nod" and not path.startswith("/dev/"):
            yield "%s: a device node outside of /dev" % path


def traces(tree, _image):
    """Paths and times of the build. /tmp and / are nobody's own."""
    here = {os.fsencode(p) + b"/" for p in (TOP, cache()) if p.count("/") > 1}
    for path, e in tree.entries.items():
        if e.kind != "file" or not e.source:
            continue
        data = data_of(e)
        for p in here:
            if p in data:
                yield "%s: the path %s of the machine that built it stands in it" % (path, os.fsdecode(p))
        if data[:3] == b"\x1f\x8b\x08" and data[4:8] != bytes(4):
            yield "%s: a time stamp of gzip in it" % path
        if path.endswith(".pyc") and len(data) > 16 and data[4:8] == bytes(4):
            yield "%s: a time stamp of Python in it" % path


def bill(tree, _image):
    e = tree.get(ABOUT + "/sbom.spdx.json")
    if e is None:
        return  # another's image
    try:
        doc = json.loads(data_of(e))
        names = {p["name"]: p for p in doc["packages"]}
        a = look(tree, AGENT)
        if a is not None and names["mote-agent"]["checksums"][0]["checksumValue"] != a.sum:
            yield "the bill of materials tells of another agent"
    except (ValueError, KeyError, TypeError):
        yield "the bill of materials is none"


def layout(_tree, image):
    if image.layout != "kata":
        return
    d = image.dax
    if d["checksum"] != "good":
        yield "the DAX header's checksum is wrong"
    if d["mode"] != disk.MODE_RAM or d["offset"] != disk.DAX or d["align"] != disk.DAX:
        yield "the DAX header: mode %d, offset %d, alignment %d; want %d, %d, %d" % (d["mode"], d["offset"], d["align"], disk.MODE_RAM, disk.DAX, disk.DAX)
    if image.size % disk.ALIGN:
        yield "the disk's size %d is no multiple of %d: it would not be mapped whole" % (image.size, disk.ALIGN)
    if [(a + disk.DAX, n) for a, n in image.inner] != image.partitions:
        yield "the two partition tables do not tell of the same partitions"
    for start, _ in image.partitions:
        if start % disk.MIB:
            yield "a partition begins at %d, which is no multiple of 1 MiB" % start


RULES = (agent, machines, init, places, identity, rights, traces, bill, layout)


def problems(tree, image):
    return [what for rule in RULES for what in rule(tree, image)]
