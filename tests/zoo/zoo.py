# SPDX-License-Identifier: Apache-2.0
"""What the zoo's cases share: a VM over Debian roots, containers in it by a Kata host's calls, and the TAP of a case.

Nothing sleeps and nothing is timed: a case waits for a line of output, an exit, an answer. LIMIT is against hangs only.
Everything a case started ends with it: the VM in `with Machine(...)`, and what lies in `scratch`.
"""
import base64
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("MOTE_BUILD", os.path.join(ROOT, "build/x86_64"))
MOTECTL = os.path.join(BUILD, "motectl")
LIMIT = 1200  # seconds for one answer
KATA = "/run/kata-containers"
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CAPS = ["CAP_" + name for name in (
    "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL "
    "AUDIT_WRITE").split()]
MERGED = ["sh", "-c", "exec 2>&1; exec \"$@\"", "sh"]
CLOSED = ["nosuid", "noexec", "nodev"]
BAD_WORDS = ("Kernel panic", "BUG:", "WARNING:", "Oops", "segfault")  # on no console
CASES = []
scratch = tempfile.mkdtemp(prefix="mote-zoo-", dir="/tmp")


class Wrong(Exception):
    """What a case found."""


class Skip(Exception):
    """Why a case cannot be run."""


class Refused(Exception):
    """A call that the agent answered with an error."""


def case(fn):
    CASES.append(fn)
    return fn


def equal(got, want, what="value"):
    if got != want:
        raise Wrong("%s: got %r, want %r" % (what, got, want))


def has(text, part):
    if part not in text:
        raise Wrong("%r is not in %r" % (part, text))


def has_not(text, part):
    if part in text:
        raise Wrong("%r is in %r" % (part, text))


def true(condition, what):
    if not condition:
        raise Wrong(what)


def image(root):
    """The path of a root's image, made when the cache has none."""
    p = subprocess.run([os.path.join(ROOT, "tests/zoo/roots"), root], stdout=subprocess.PIPE, check=True)
    return p.stdout.decode().split("\n")[-2]


def disk(name, megabytes):
    """A new disk with an empty ext4."""
    path = os.path.join(scratch, name)
    with open(path, "wb") as f:
        f.truncate(megabytes << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", path], check=True)
    return path


def environment():
    return dict(os.environ, TMPDIR=scratch, XDG_RUNTIME_DIR=scratch, TERM="xterm")


def read_until(fd, part, into=b""):
    """What a descriptor gives until it holds `part`."""
    end = time.monotonic() + LIMIT
    while part not in into:
        if not select.select([fd], [], [], max(0, end - time.monotonic()))[0]:
            raise Wrong("no %r after %r" % (part, into))
        got = os.read(fd, 4096)
        if not got:
            raise Wrong("the end instead of %r after %r" % (part, into))
        into += got
    return into


class Machine:
    """A VM; its drives are a root's image, then disks that are written. `with` ends it and looks at its console.

    more: words for motectl vm, behind the others.
    """

    def __init__(self, root, memory="512M", disks=(), more=()):
        self.console = open(os.path.join(scratch, "console"), "w+b")
        argv = [MOTECTL, "vm", "-v", "--append", "loglevel=7", "--boot-timeout", "300", "-m", memory, "--drive", image(root) + ",ro"]
        for path in disks:
            argv += ["--drive", path]
        argv += more
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.console, env=environment())
        try:
            lines = read_until(self.process.stdout.fileno(), b"PCI path %x" % (0x10 + len(disks))).decode().split("\n")
        except Wrong as e:
            raise Wrong("the VM: %s\n%s" % (e, "\n".join(self.said()[-5:]))) from e
        self.address = lines[0]
        self.drives = [line.split()[-1] for line in lines[1:] if line]
        self.containers = 0

    def __enter__(self):
        self.call("CreateSandbox", sandbox_id="zoo", hostname="zoo")
        return self

    def __exit__(self, kind, value, trace):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        status = self.process.wait(LIMIT)
        self.process.stdout.close()
        lines = self.said()
        self.console.close()
        if kind is Skip:
            return
        if kind:
            print("# the console's end:\n#   " + "\n#   ".join(lines[-15:]), flush=True)
            return
        bad = [line for line in lines if any(word in line for word in BAD_WORDS)]
        true(not bad, "the console says: " + "\n".join(bad))
        equal(status, 0, "status of the VM")

    def said(self):
        """The console's lines so far, and what motectl said."""
        self.console.seek(0)
        return self.console.read().decode(errors="replace").splitlines()

    def call(self, method, **request):
        """One call of the agent's service. The answer, or Refused."""
        p = subprocess.run([MOTECTL, "call", "-d", self.address, "AgentService/" + method, "-"], input=json.dumps(request).encode(),
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=LIMIT, check=False)
        if p.returncode:
            raise Refused(p.stderr.decode(errors="replace").strip())
        return json.loads(p.stdout)

    def run(self, script, **what):
        """A container for one shell script: (status, output); it is gone afterwards."""
        c = Container(self, ["sh", "-c", script], **what)
        output = c.output()
        status = c.wait()
        c.remove()
        return status, output


class Process:
    def __init__(self, vm, container_id, exec_id):
        self.vm = vm
        self.ids = {"container_id": container_id, "exec_id": exec_id}
        self.rest = ""

    def read(self, method="ReadStdout"):
        """What there is, at least one byte; "" at the end."""
        return base64.b64decode(self.vm.call(method, len=32768, **self.ids).get("data", "")).decode(errors="replace")

    def until(self, part):
        """The standard output until it holds `part`; what came behind it is for the next reader."""
        text = self.rest
        while part not in text:
            got = self.read()
            if not got:
                raise Wrong("the end instead of %r after %r" % (part, text))
            text += got
        cut = text.index(part) + len(part)
        self.rest = text[cut:]
        return text[:cut]

    def output(self, method="ReadStdout"):
        text = self.rest
        self.rest = ""
        while True:
            got = self.read(method)
            if not got:
                return text
            text += got

    def write(self, text):
        """To the standard input; "" is its end."""
        self.vm.call("WriteStdin", data=base64.b64encode(text.encode()).decode(), **self.ids)

    def wait(self):
        return self.vm.call("WaitProcess", **self.ids)["status"]

    def signal(self, number):
        self.vm.call("SignalProcess", signal=int(number), **self.ids)


class Container(Process):
    """A started container over the machine's first drive, with a writable layer in memory. stderr goes where stdout goes.

    mounts: of the spec, beside the usual ones or instead of those of the same destination; storages: as the protocol has
    them; caps: beside the usual ones; resources: of the spec; masked: hide and lock what is usual in /proc and /sys;
    cgroup: the spec's path.
    """

    def __init__(self, vm, args, mounts=(), storages=(), caps=(), resources=None, env=(), masked=True, cgroup=None):
        vm.containers += 1
        self.id = "c%d" % vm.containers
        super().__init__(vm, self.id, self.id)
        self.execs = 0
        self.process = {"Cwd": "/", "Env": [PATH, *env], "User": {},
                        "Capabilities": {name: CAPS + list(caps) for name in ("Bounding", "Effective", "Permitted")},
                        "Rlimits": [{"Type": "RLIMIT_NOFILE", "Hard": 65536, "Soft": 1024}]}
        root = "%s/%s/rootfs" % (KATA, self.id)
        lower = KATA + "/sandbox/storage/root"
        spec = {"Version": "1.1.0", "Hostname": self.id, "Root": {"Path": root}, "Process": dict(self.process, Args=MERGED + list(args)),
                "Mounts": self.mounts(mounts), "Linux": {
                    "CgroupsPath": cgroup or "/zoo/" + self.id, "Resources": resources or {},
                    "Namespaces": [{"Type": t} for t in ("ipc", "uts", "mount", "cgroup")],
                    "MaskedPaths": ["/proc/kcore", "/proc/keys", "/sys/firmware"] if masked else [],
                    "ReadonlyPaths": ["/proc/sys", "/proc/sysrq-trigger"] if masked else []}}
        vm.call("CreateContainer", container_id=self.id, exec_id=self.id, OCI=spec, storages=[
            {"driver": "blk", "source": vm.drives[0], "fstype": "erofs", "mount_point": lower, "options": ["ro"]},
            {"driver": "overlayfs", "source": "overlay", "fstype": "overlay", "mount_point": root,
             "options": ["lowerdir=" + lower, "io.katacontainers.fs-opt.overlay-rw"]}, *storages])
        vm.call("StartContainer", container_id=self.id)

    @staticmethod
    def mounts(more):
        usual = [
            ("/proc", "proc", "proc", CLOSED),
            ("/dev", "tmpfs", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
            ("/dev/pts", "devpts", "devpts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
            ("/dev/shm", "tmpfs", "shm", CLOSED + ["mode=1777", "size=65536k"]),
            ("/dev/mqueue", "mqueue", "mqueue", CLOSED),
            ("/sys", "sysfs", "sysfs", CLOSED + ["ro"]),
            ("/sys/fs/cgroup", "cgroup", "cgroup", CLOSED + ["ro"]),
        ]
        own = {m[0] for m in more}
        return [dict(zip(("destination", "type", "source", "options"), m)) for m in [u for u in usual if u[0] not in own] + list(more)]

    def exec(self, *args):
        """Another process in the container, its stderr where its stdout goes."""
        self.execs += 1
        exec_id = "e%d" % self.execs
        self.vm.call("ExecProcess", container_id=self.id, exec_id=exec_id, process=dict(self.process, Args=MERGED + list(args)))
        return Process(self.vm, self.id, exec_id)

    def sh(self, script, want=0):
        """The output of a shell script in the container, which ends with the status `want`."""
        p = self.exec("sh", "-c", script)
        output = p.output()
        status = p.wait()
        if status != want:
            raise Wrong("%r: status %d, want %d: %s" % (script, status, want, output))
        return output

    def kill_all(self):
        self.vm.call("SignalProcess", container_id=self.id, signal=int(signal.SIGKILL))

    def remove(self):
        self.vm.call("RemoveContainer", container_id=self.id)


def end_children():
    """What a case that failed has left running."""
    with open("/proc/self/task/%d/children" % os.getpid(), encoding="ascii") as f:
        for pid in map(int, f.read().split()):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def run_case(fn):
    try:
        fn()
    except Skip as e:
        return "ok", " # SKIP %s" % e
    except Exception as e:  # pylint: disable=broad-except
        end_children()
        return "not ok", "\n# %s: %s" % (type(e).__name__, str(e).replace("\n", "\n# "))
    return "ok", ""


def main():
    """Runs the cases of the program, or those whose name holds its argument."""
    only = sys.argv[1] if len(sys.argv) > 1 else ""
    cases = [c for c in CASES if only in c.__name__]
    failed = 0
    print("1..%d" % len(cases), flush=True)
    for number, fn in enumerate(cases, 1):
        began = time.monotonic()
        word, why = run_case(fn)
        failed += word != "ok"
        print("%s %d - %s%s" % (word, number, fn.__name__.replace("_", " "), why), flush=True)
        print("# %.0f s" % (time.monotonic() - began), flush=True)
    shutil.rmtree(scratch, ignore_errors=True)
    sys.exit(1 if failed else 0)
