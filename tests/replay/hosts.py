# SPDX-License-Identifier: Apache-2.0
"""What Kata's hosts put into their requests: specs and storages, as its two runtimes send them.

A sequence is a list of steps. A step has the word of what it is for, the call, its request, and what must come of it:
OK, Fails(text), Says(members of the answer), Writes(text), what a process wrote, read to its end,
or Begins(text), read so far.
"""
from collections import namedtuple

SHARE = "/run/kata-containers/shared/containers"
SHM = "/run/kata-containers/sandbox/shm"
BUNDLES = "/run/kata-containers"
KIND = "io.katacontainers.pkg.oci.container_type"
NAME = "io.kubernetes.cri.container-name"
PAUSE = ["sleep", "1000000"]  # what a pause image does
TAG = "kataShared"
CLOSED = ["nosuid", "noexec", "nodev"]

CAPS = ["CAP_" + name for name in (
    "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL "
    "AUDIT_WRITE").split()]
MASKED = ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
          "/proc/sched_debug", "/proc/scsi", "/sys/firmware"]
READONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]

Step = namedtuple("Step", "what method request want")
Sequence = namedtuple("Sequence", "name title disks share steps more", defaults=[False])  # more: in the kernel, see `make zoo`
Fails = namedtuple("Fails", "text")
Says = namedtuple("Says", "members")
Writes = namedtuple("Writes", "text")
Begins = namedtuple("Begins", "text")
OK = Says({})


def step(what, method, want=OK, **request):
    return Step(what, method, request, want)


def process(args, **more):
    return dict({"Args": args, "Cwd": "/", "Env": ["PATH=/bin", "HOSTNAME=pod"], "User": {}, "NoNewPrivileges": True, "OOMScoreAdj": "-998",
                 "Capabilities": {n: CAPS for n in ("Bounding", "Effective", "Permitted")}}, **more)


def mount(destination, kind, source, *options):
    return {"destination": destination, "type": kind, "source": source, "options": list(options)}


USUAL = [
    mount("/proc", "proc", "proc", *CLOSED),
    mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
    mount("/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
    mount("/dev/mqueue", "mqueue", "mqueue", *CLOSED),
    mount("/sys", "sysfs", "sysfs", *CLOSED, "ro"),
    mount("/sys/fs/cgroup", "cgroup", "cgroup", *CLOSED, "relatime", "ro"),
]


def spec(cid, args, root, kind, mounts=(), readonly=False, **more):
    """What is left of containerd's spec once a host has taken out what the guest decides itself."""
    return dict({
        "Version": "1.1.0", "Process": process(args), "Root": {"Path": root, "Readonly": readonly}, "Hostname": "pod",
        "Mounts": USUAL + [mount("/dev/shm", "bind", SHM, "rbind")] + list(mounts),
        "Annotations": {KIND: kind, NAME: cid, "io.kubernetes.cri.sandbox-id": "sid",
                        "io.kubernetes.container.terminationMessagePath": "/dev/termination-log"},
        "Linux": {
            "CgroupsPath": "/kubepods/burstable/pod4711/" + cid,
            "Namespaces": [{"Type": t} for t in ("ipc", "uts", "mount")],
            "Resources": {"CPU": {"Shares": 512, "Quota": 50000, "Period": 100000}, "Memory": {"Limit": 67108864}},
            "MaskedPaths": MASKED, "ReadonlyPaths": READONLY}}, **more)


def volume(name, destination, share=SHARE):
    """A file or directory of the host's in the share."""
    return mount(destination, "bind", "%s/sid-0123456789abcdef-%s" % (share, name), "rbind", "rprivate", "rw")


def shm():
    return {"driver": "ephemeral", "source": "shm", "fstype": "tmpfs", "mount_point": SHM, "options": CLOSED + ["mode=1777", "size=67108864"]}


def virtiofs():
    return {"driver": "virtio-fs", "source": TAG, "fstype": "virtiofs", "mount_point": SHARE + "/"}


def blk(source, fstype, mount_point, *options):
    return {"driver": "blk", "source": source, "fstype": fstype, "mount_point": mount_point, "options": list(options)}


def checked(disk, number, mount_point):
    """A layer that dm-verity checks: a partition of the disk."""
    return {"driver": "blk", "source": disk, "fstype": "erofs", "mount_point": mount_point, "options": [
        "ro", "X-kata.overlay-lower", "X-kata.multi-layer=true", "X-kata.gpt-partitioned=true", "X-kata.partition-number=%d" % number,
        "X-kata.dmverity-enabled=true", "X-kata.dmverity.roothash=$hash%d" % number, "X-kata.dmverity.hashoffset=$offset%d" % number,
        "X-kata.dmverity.salt=0a1b2c"]}


def network():
    """Before the sandbox: the card that came with the machine, found by its address."""
    return [
        step("the agent answers", "grpc.Health/Check"),
        step("the pod's card gets its name and addresses", "UpdateInterface", interface={
            "device": "eth0", "name": "eth0", "mtu": 1450, "hwAddr": "02:00:ca:fe:00:01", "IPAddresses": [
                {"family": "v4", "address": "10.88.0.5", "mask": "16"}, {"family": "v6", "address": "fd00::5", "mask": "64"}]}),
        step("its routes", "UpdateRoutes", Says({}), routes={"Routes": [
            {"dest": "10.88.0.0/16", "device": "eth0", "source": "10.88.0.5", "scope": 253},
            {"dest": "", "gateway": "10.88.0.1", "device": "eth0"}]}),
        step("a neighbour that answers no question", "AddARPNeighbors", neighbors={"ARPNeighbors": [
            {"toIPAddress": {"address": "10.88.0.1"}, "device": "eth0", "lladdr": "02:00:ca:fe:00:02", "state": 128}]}),
    ]


def sandbox(storages, **more):
    return [
        step("the pod's sandbox", "CreateSandbox", hostname="pod", dns=["nameserver 10.96.0.10", "search default.svc.cluster.local"],
             storages=storages, sandbox_id="sid", **more),
        step("what the guest can do", "GetGuestDetails", Says({"agent_details": {"init_daemon": True}}), mem_block_size=True,
             mem_hotplug_probe=True),
    ]


def life(cid, spec_of, storages=(), exec_id="", **more):
    return [
        step("%s is made" % cid, "CreateContainer", container_id=cid, exec_id=exec_id, OCI=spec_of, storages=list(storages), **more),
        step("and started", "StartContainer", container_id=cid),
    ]


def end(cid, signal, status, exec_id=""):
    return [
        step("%s shall end" % cid, "SignalProcess", container_id=cid, exec_id=exec_id, signal=signal),
        step("it has", "WaitProcess", Says({"status": status} if status else {}), container_id=cid, exec_id=exec_id),
        step("and is removed", "RemoveContainer", container_id=cid, timeout=10),
    ]


def terminal(cid, exec_id="tty1"):
    """kubectl exec -it, resized."""
    ids = {"container_id": cid, "exec_id": exec_id}
    return [
        step("exec with a terminal", "ExecProcess", process=process(["sh", "-c", "read x; stty size; echo got $x"], Terminal=True), **ids),
        step("of this size", "TtyWinResize", row=40, column=132, **ids),
        step("a line is typed", "WriteStdin", Says({"len": 6}), data="aGVsbG8K", **ids),
        step("the terminal's text", "ReadStdout", Writes("hello\r\n40 132\r\ngot hello\r\n"), **ids),
        step("the status", "WaitProcess", **ids),
    ]
