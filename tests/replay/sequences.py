# SPDX-License-Identifier: Apache-2.0
"""Pods as Kata's hosts make them, call by call. The disks of a sequence are images of the same small root."""
from replay.hosts import (BUNDLES, PAUSE, SHARE, Begins, Fails, Says, Sequence, Writes, blk, checked, end, life, mount, network, sandbox, shm, spec, step,
                          terminal, virtiofs, volume)

LOOK = "cat /etc/hosts; hostname; stat -f -c %T /dev/shm; cat /sys/fs/cgroup/memory.max; ip addr show eth0 | grep -o 'inet [^ ]*'; ls /data"
SEEN = "10.88.0.5 pod\npod\ntmpfs\n67108864\ninet 10.88.0.5/16\nfile\n"
SERVE = ["sh", "-c", LOOK + "; echo last word >/dev/termination-log; trap 'exit 0' TERM; read forever"]


def app_steps(cid, exec_id):
    """What is asked of a container while it lives."""
    return [
        step("what it sees", "ReadStdout", Begins(SEEN), container_id=cid, exec_id=exec_id),
        step("counters", "StatsContainer", container_id=cid),
        step("more memory is granted", "UpdateContainer", container_id=cid, resources={"Memory": {"Limit": 134217728}}),
        step("exec sees it", "ExecProcess", container_id=cid, exec_id="e1",
             process={"Args": ["cat", "/sys/fs/cgroup/memory.max"], "Cwd": "/", "Env": ["PATH=/bin"], "User": {}}),
        step("so it says", "ReadStdout", Writes("134217728\n"), container_id=cid, exec_id="e1"),
        step("and ends", "WaitProcess", container_id=cid, exec_id="e1"),
        *terminal(cid),
        step("it is stopped for a while", "PauseContainer", container_id=cid),
        step("and goes on", "ResumeContainer", container_id=cid),
    ]


def go_virtiofs():
    """With a pause container; hosts, resolv.conf and a volume come through the share."""
    root = SHARE + "/%s/rootfs"
    app = spec("app", SERVE, root % "app", "pod_container", mounts=[
        volume("hosts", "/etc/hosts"), volume("data", "/data"), volume("termination-log", "/dev/termination-log")])
    return Sequence("go-virtiofs", "Kata's Go runtime, virtiofs, with a pause container", [], True, [
        *network(),
        *sandbox([virtiofs(), shm()]),
        *life("sid", spec("sid", PAUSE, root % "sid", "pod_sandbox", readonly=True), exec_id="sid"),
        step("who runs out of memory? (stays open)", "GetOOMEvent", None),
        step("processors and memory that were plugged", "OnlineCPUMem", nb_cpus=1, wait=True),
        *life("app", app, exec_id="app"),
        *app_steps("app", "app"),
        step("the machine's numbers, as a monitor asks for them", "GetMetrics"),
        step("its last word, asked for before it is removed", "GetDiagnosticData", Says({"data": "last word\n"}),
             log_type="termination_log", container_id="app"),
        *end("app", 15, 0, exec_id="app"),
        step("what the share has forgotten", "RemoveStaleVirtiofsShareMounts"),
        step("kill whatever is left of it", "SignalProcess", Fails("not found"), container_id="app", exec_id="", signal=9),
        *end("sid", 9, 137),
        step("once more", "RemoveContainer", Fails("not found"), container_id="sid"),
    ])


def rs_virtiofs():
    """Another place in the share, no exec_id for the first process."""
    share = SHARE + "/passthrough"
    root = share + "/%s/rootfs"
    app = spec("app", SERVE, root % "app", "pod_container", mounts=[
        volume("hosts", "/etc/hosts", share), volume("data", "/data", share), volume("termination-log", "/dev/termination-log", share)])
    return Sequence("rs-virtiofs", "Kata's runtime-rs, virtiofs, with a pause container", [], True, [
        *network(),
        *sandbox([virtiofs(), shm()]),
        *life("sid", spec("sid", PAUSE, root % "sid", "pod_sandbox", readonly=True)),
        step("who runs out of memory? (stays open)", "GetOOMEvent", None),
        *life("app", app),
        *app_steps("app", ""),
        *end("app", 15, 0),
        step("what the share has forgotten", "RemoveStaleVirtiofsShareMounts"),
        *end("sid", 9, 137),
    ])


def go_block():
    """The root is a disk of its own, mounted above the place where the container's is looked for."""
    place = SHARE + "/app"
    return Sequence("go-block", "Kata's Go runtime, root on an ext4 disk", ["ext4-below"], True, [
        step("the agent answers", "grpc.Health/Check"),
        *sandbox([virtiofs(), shm()]),
        *life("app", spec("app", ["sh", "-c", "grep ' / ' /proc/mounts | cut -d' ' -f3; touch /new && echo written"], place + "/rootfs",
                          "single_container"), [blk("$disk0", "ext4", place)], exec_id="app"),
        step("it writes to its disk", "ReadStdout", Writes("ext4\nwritten\n"), container_id="app", exec_id="app"),
        step("and ends", "WaitProcess", container_id="app", exec_id="app"),
        step("the disk is let go", "RemoveContainer", container_id="app", timeout=10),
        step("an xfs one is told as what the kernel has not", "CreateContainer", Fails("xfs"), container_id="xfs", exec_id="xfs",
             OCI=spec("xfs", ["true"], SHARE + "/xfs/rootfs", "single_container"), storages=[blk("$disk0", "xfs", SHARE + "/xfs", "nouuid")]),
        *life("again", spec("again", ["ls", "/new"], SHARE + "/again/rootfs", "single_container"), [blk("$disk0", "ext4", SHARE + "/again")],
              exec_id="again"),
        step("another container finds what was written", "ReadStdout", Writes("/new\n"), container_id="again", exec_id="again"),
        *end("again", 15, 0, exec_id="again"),
    ])


def rs_layers():
    """Read-only layers as disks, one writable layer over them in the guest."""
    root = BUNDLES + "/app/rootfs"
    layers = [BUNDLES + "/sandbox/layers/%d" % i for i in range(2)]
    return Sequence("rs-layers", "Kata's runtime-rs, root of erofs layers", ["erofs", "erofs-mark"], False, [
        step("the agent answers", "grpc.Health/Check"),
        *sandbox([shm()]),
        *life("app", spec("app", ["sh", "-c", "cat /etc/mark; grep ' / ' /proc/mounts | cut -d' ' -f3; touch /new && echo written"], root,
                          "single_container"), [
            blk("$disk0", "erofs", layers[0], "ro"), blk("$disk1", "erofs", layers[1], "ro"),
            {"driver": "overlayfs", "source": "overlay", "fstype": "overlay", "mount_point": root,
             "options": ["lowerdir=%s:%s" % (layers[1], layers[0]), "io.katacontainers.fs-opt.overlay-rw"]}]),
        step("the upper layer wins, and is written", "ReadStdout", Writes("upper layer\noverlay\nwritten\n"), container_id="app"),
        step("it ends", "WaitProcess", container_id="app"),
        step("and is removed", "RemoveContainer", container_id="app", timeout=10),
    ])


def go_xfs():
    """Snapshots of one disk have its name too: hosts say nouuid. The first one has room to grow."""
    place, look = SHARE + "/app", "[ $(stat -f -c %%b /) -%s ] && echo %s"
    app = spec("app", ["sh", "-c", "grep ' / ' /proc/mounts | cut -d' ' -f3,4 | grep -o 'xfs\\|nouuid'; echo kept >/new && cat /new; read forever"],
               place + "/rootfs", "single_container")

    def see(exec_id, test, word):
        ids = {"container_id": "app", "exec_id": exec_id}
        return [
            step("exec looks", "ExecProcess", process={"Args": ["sh", "-c", look % (test, word)], "Cwd": "/", "Env": ["PATH=/bin"], "User": {}}, **ids),
            step("so it is", "ReadStdout", Writes(word + "\n"), **ids),
            step("and ends", "WaitProcess", **ids),
        ]
    return Sequence("go-xfs", "Kata's Go runtime, root on an xfs disk", ["xfs-below", "copy"], True, [
        step("the agent answers", "grpc.Health/Check"),
        *sandbox([virtiofs(), shm()]),
        *life("copy", spec("copy", PAUSE, SHARE + "/copy/rootfs", "single_container"), [blk("$disk1", "xfs", SHARE + "/copy")], exec_id="copy"),
        step("a disk with the same name at the same time: not without nouuid", "CreateContainer", Fails("/dev/vda"), container_id="app",
             exec_id="app", OCI=app, storages=[blk("$disk0", "xfs", place)]),
        *life("app", app, [blk("$disk0", "xfs", place, "nouuid")], exec_id="app"),
        step("it writes to its disk", "ReadStdout", Begins("xfs\nnouuid\nkept\n"), container_id="app", exec_id="app"),
        step("how much is used", "GetVolumeStats", Says({"volume_condition": {"message": "OK"}}), volume_guest_path=place),
        *see("e1", "lt 65536", "small"),
        step("the disk has become larger than it is", "ResizeVolume", volume_guest_path=place),
        *see("e2", "gt 80000", "grown"),
        step("once more is no more", "ResizeVolume", volume_guest_path=place),
        step("it does not become smaller", "ResizeVolume", Fails("only grows"), volume_guest_path=place, size=300 << 20),
        step("nor larger than the disk", "ResizeVolume", Fails(place), volume_guest_path=place, size=500 << 20),
        *see("e3", "gt 80000", "grown"),
        *end("app", 9, 137, exec_id="app"),
        *end("copy", 9, 137, exec_id="copy"),
    ], True)


def rs_verity():
    """Each layer with the tree of its hashes behind it; the host has the root hashes from elsewhere."""
    def layers(cid, disk):
        root = BUNDLES + "/%s/rootfs" % cid
        return {"storages": [checked(disk, n, root) for n in (1, 2)]}, root

    good, root = layers("app", "$disk0")
    bad, bad_root = layers("bad", "$disk1")
    lie, lie_root = layers("lie", "$disk0")
    lie["storages"][0]["options"] = [o.replace("roothash=$hash1", "roothash=" + 64 * "0") for o in lie["storages"][0]["options"]]
    return Sequence("rs-verity", "Kata's runtime-rs, root of erofs layers that dm-verity checks", ["verity", "verity-flipped"], False, [
        step("the agent answers", "grpc.Health/Check"),
        *sandbox([shm()]),
        *life("app", spec("app", ["sh", "-c", "cat /which /data/block; echo; grep ' / ' /proc/mounts | cut -d' ' -f3; echo written >/new && cat /new"], root,
                          "single_container"), **good),
        step("one layer above the other, and written", "ReadStdout", Writes("from the first\na block that is checked\noverlay\nwritten\n"),
             container_id="app"),
        step("it ends", "WaitProcess", container_id="app"),
        step("and is removed", "RemoveContainer", container_id="app", timeout=10),
        *life("bad", spec("bad", ["sh", "-c", "cat /which; cat /data/block 2>/dev/null || echo refused"], bad_root, "single_container"), **bad),
        step("a bit of one block was flipped: the others are read, that one is refused", "ReadStdout", Writes("from the first\nrefused\n"), container_id="bad"),
        step("it ends", "WaitProcess", container_id="bad"),
        step("and is removed", "RemoveContainer", container_id="bad", timeout=10),
        step("not with another root hash", "CreateContainer", Fails("lower-0"), container_id="lie", OCI=spec("lie", ["true"], lie_root, "single_container"), **lie),
        *life("app", spec("app", ["cat", "/which"], root, "single_container"), **good),
        step("the first one's disk is as it was", "ReadStdout", Writes("from the first\n"), container_id="app"),
        *end("app", 9, 0),
    ])


def no_share():
    """Nothing of the host's file systems is seen; its files are copied, the large one in pieces."""
    data = {"file_mode": 0o100644, "dir_mode": 0o755}
    root = SHARE + "/app"
    return Sequence("no-share", "no shared file system (CopyFile), no pause container", ["erofs"], False, [
        *network(),
        *sandbox([shm()], sandbox_pidns=True),
        step("/etc/hosts is copied", "CopyFile", path=SHARE + "/sid-0-hosts", file_size=14, data="MTAuODguMC41IHBvZAo=", **data),
        step("a directory", "CopyFile", path=SHARE + "/sid-0-data", file_mode=0o40755, dir_mode=0o755),
        step("half of a file", "CopyFile", path=SHARE + "/sid-0-data/file", file_size=6, data="b25l", **data),
        step("the other half", "CopyFile", path=SHARE + "/sid-0-data/file", file_size=6, offset=3, data="dHdv", **data),
        step("a link", "CopyFile", path=SHARE + "/sid-0-data/link", file_mode=0o120777, dir_mode=0o755, file_size=4, data="ZmlsZQ=="),
        step("not out of the share", "CopyFile", Fails("/etc/passwd"), path="/etc/passwd", file_size=1, data="eA==", **data),
        *life("app", spec("app", ["sh", "-c", "cat /etc/hosts /data/link; echo; ls /data; cat /proc/1/comm"], root, "pod_container", readonly=True, mounts=[
            mount("/etc/hosts", "bind", SHARE + "/sid-0-hosts", "rbind", "ro"), mount("/data", "bind", SHARE + "/sid-0-data", "rbind")]),
            [blk("$disk0", "erofs", root, "ro")], sandbox_pidns=True),
        step("it sees them, and the pod's first process", "ReadStdout", Writes("10.88.0.5 pod\nonetwo\nfile\nlink\nmote-pause\n"), container_id="app"),
        step("it ends", "WaitProcess", container_id="app"),
        step("and is removed", "RemoveContainer", container_id="app", timeout=10),
        step("the pod is empty, and lives", "grpc.Health/Check"),
    ])


SEQUENCES = [go_virtiofs(), rs_virtiofs(), go_block(), go_xfs(), rs_layers(), rs_verity(), no_share()]
