# SPDX-License-Identifier: Apache-2.0
"""What a run as root makes itself where it stands in a bare root directory: a mount namespace whose root that directory
is, with the control groups of the machine's kernel. Elsewhere nothing is changed."""
import ctypes
import os
import sys

CLONE_NEWNS, MS_BIND, MS_REC, MS_PRIVATE, MNT_DETACH = 0x20000, 0x1000, 0x4000, 0x40000, 2
PIVOT_ROOT = {"x86_64": 155}.get(os.uname().machine, 41)
GROUPS = "/sys/fs/cgroup"
libc = ctypes.CDLL(None, use_errno=True)


def must(result, what):
    if result < 0:
        sys.exit("tests/run: %s: %s" % (what, os.strerror(ctypes.get_errno())))


def mount(source, target, fstype=None, flags=0, data=None):
    words = [w.encode() if w else None for w in (source, target, fstype, data)]
    must(libc.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3]), "mount %s on %s" % (source or fstype, target))


def to_the_namespaces_root():
    """Joining one's own mount namespace leads out of a chroot: setns(2)."""
    fd = os.open("/proc/self/ns/mnt", os.O_RDONLY)
    must(libc.setns(fd, CLONE_NEWNS), "setns")
    os.close(fd)


def in_a_chroot():
    pid = os.fork()
    if pid == 0:
        before = os.stat("/")
        to_the_namespaces_root()
        os._exit(0 if os.path.samestat(before, os.stat("/")) else 1)
    return os.waitpid(pid, 0)[1] != 0


def leave_the_chroot():
    """Makes "/" the root of a mount namespace of the run's own where it is a directory of another one's: in a chroot no
    user namespace can be made, nothing be pivoted, and who joins a container's mount namespace finds the machine's."""
    here = os.getcwd()
    must(libc.unshare(CLONE_NEWNS), "unshare")
    mount("/", "/mnt", flags=MS_BIND | MS_REC)
    root = os.open("/mnt", os.O_PATH | os.O_DIRECTORY)
    to_the_namespaces_root()
    mount(None, "/", flags=MS_REC | MS_PRIVATE)
    os.fchdir(root)
    must(libc.syscall(PIVOT_ROOT, b".", b"."), "pivot_root")
    must(libc.umount2(b".", MNT_DETACH), "unmount the old root")
    os.close(root)
    os.chdir(here)


def has_groups():
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as f:
        return any(line.split()[4].startswith(GROUPS) for line in f)


def mount_groups():
    """The hierarchies that the kernel has, as a login's machine shows them: cgroups(7), /proc/pid/cgroup."""
    with open("/proc/self/cgroup", encoding="ascii") as f:
        hierarchies = [line.split(":")[1] for line in f]
    must(libc.unshare(CLONE_NEWNS), "unshare")
    mount(None, "/", flags=MS_REC | MS_PRIVATE)
    if hierarchies == [""]:
        mount("cgroup2", GROUPS, "cgroup2")
        return
    mount("cgroup", GROUPS, "tmpfs", data="mode=755")
    for controllers in hierarchies:
        place = os.path.join(GROUPS, controllers.replace("name=", "") or "unified")
        os.mkdir(place)
        mount("cgroup", place, "cgroup" if controllers else "cgroup2", data=controllers)


def enter():
    if os.geteuid() != 0 or not os.path.exists("/proc/self/ns/mnt"):
        return
    if in_a_chroot():
        leave_the_chroot()
    if os.path.isdir(GROUPS) and not has_groups():
        mount_groups()
