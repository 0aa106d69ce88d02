# SPDX-License-Identifier: Apache-2.0
"""What the cases with containerd share: containerd as it comes from its package, with a root, a state and a socket of its own,
an image without a registry, and the look at what a case has left behind.

Nothing sleeps and nothing is timed: a case waits for an exit, an event, an answer; LIMIT is against hangs only.
"""
import atexit
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("MOTE_BUILD", os.path.join(ROOT, "build/x86_64"))
SHIM_DIR = os.path.abspath(os.environ.get("MOTE_SHIM_DIR", BUILD))  # another build of the shim
RUNTIME = "io.containerd.mote.v2"
IMAGE = "docker.io/library/busybox:mote"
PAUSE = "registry.k8s.io/pause:3.10"
SUBNET = "10.88.77"
BRIDGE = "mote-test"
SOCKETS = "/run/containerd/s"  # of shims, unless a containerd says another
RESULTS = "/var/lib/cni/results"
LIMIT = 120
CASES = []
scratch = tempfile.mkdtemp(prefix="mote-ctrd-", dir="/tmp")


class Wrong(Exception):
    """What a case found."""


class Skip(Exception):
    """Why a case cannot be run."""


def case(fn):
    CASES.append(fn)
    return fn


def equal(got, want, what="value"):
    if got != want:
        raise Wrong("%s: got %r, want %r" % (what, got, want))


def has(text, part):
    if part not in text:
        raise Wrong("%r is not in %r" % (part, text))


def true(condition, what):
    if not condition:
        raise Wrong(what)


def until(test, what):
    """Waits for what nobody tells of: a file, a process of somebody else's."""
    end = time.monotonic() + LIMIT
    while not test():
        if time.monotonic() > end:
            raise Wrong("never: " + what)
        time.sleep(0.02)


def packages():
    out = subprocess.run([os.path.join(HERE, "packages")], stdout=subprocess.PIPE, check=True).stdout
    return out.decode().split("\n")[-2]


def procs():
    """pid: command line, of what belongs to a machine of ours."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as f:
                line = f.read().replace(b"\0", b" ").decode(errors="replace")
            with open("/proc/%s/environ" % pid, "rb") as f:
                ours = ("MOTE_SHIM_RUN=" + scratch).encode() in f.read()
        except OSError:
            continue
        if ours and line:
            found[int(pid)] = line
    return found


def links(*which, netns=None):
    """Names of network interfaces, as ip tells them."""
    there = ["nsenter", "--net=" + netns] if netns else []
    out = subprocess.run(there + ["ip", "-o", "link", "show"] + list(which), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    return [line.split(": ")[1].split("@")[0] for line in out.decode().splitlines()]


class Result:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err


class Containerd:
    """A containerd of a version ("2.1", "1.7"). `with` ends it; what it ran may go on, as its shims do."""

    def __init__(self, version, cri=False):
        self.version, self.cri = version, cri
        self.dir = tempfile.mkdtemp(prefix=version + "-", dir=scratch)
        self.packages = packages()
        self.bin = os.path.join(self.packages, "containerd-" + version, "usr/bin")
        self.process = None
        self.pods, self.ids = set(), set()  # what was asked for: pods; these and containers
        for name in ("run", "shims"):
            os.makedirs(os.path.join(self.dir, name))
        self.socket = os.path.join(self.dir, "c.sock")
        self.write("shim.conf", "append = agent.log=debug\nboot_timeout = 300\n")
        self.write("config.toml", self.config())
        self.env = dict(os.environ, MOTE_SHIM_CONFIG=os.path.join(self.dir, "shim.conf"), MOTE_BUILD=BUILD,
                        MOTE_SHIM_RUN=os.path.join(self.dir, "shims"), XDG_RUNTIME_DIR=os.path.join(self.dir, "run"), ENABLE_CRI_SANDBOXES="1", ASAN_OPTIONS="detect_leaks=1:log_path=" + os.path.join(self.dir, "asan"),
                        PATH=SHIM_DIR + ":" + BUILD + ":" + self.bin + ":" + os.environ["PATH"])
        self.start()
        self.import_image()

    def write(self, name, text):
        with open(os.path.join(self.dir, name), "w") as f:
            f.write(text)

    def config(self):
        head = 'root = "{0}/root"\nstate = "{0}/state"\n[grpc]\naddress = "{0}/c.sock"\n[ttrpc]\naddress = "{0}/c.sock.ttrpc"\n[debug]\nlevel = "debug"\n'.format(self.dir)
        scratch_file = os.path.join(self.dir, "empty.ext4")
        with open(scratch_file, "wb") as f:
            f.truncate(64 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", scratch_file], check=True)
        head += '[plugins."io.containerd.snapshotter.v1.blockfile"]\nscratch_file = "%s"\nfs_type = "ext4"\n' % scratch_file
        if not self.cri:
            off = ['io.containerd.grpc.v1.cri'] if self.version == "1.7" else ['io.containerd.grpc.v1.cri', 'io.containerd.cri.v1.runtime', 'io.containerd.cri.v1.images']
            return 'version = 2\ndisabled_plugins = %s\n' % json.dumps(off) + head
        self.make_cni()
        with open(os.path.join(HERE, "cri-%s.toml" % self.version)) as f:
            text = f.read()
        for name, value in (("DIR", self.dir), ("CNI", os.path.join(self.packages, "cni-plugins/usr/lib/cni")), ("PAUSE", PAUSE)):
            text = text.replace("@%s@" % name, value)
        return text.replace("#head#", head)

    def make_cni(self):
        os.makedirs(os.path.join(self.dir, "cni"), exist_ok=True)
        bridge = {"type": "bridge", "bridge": BRIDGE, "isGateway": True,
                  "ipam": {"type": "host-local", "dataDir": os.path.join(self.dir, "ipam"), "ranges": [[{"subnet": SUBNET + ".0/24"}]],
                           "routes": [{"dst": "0.0.0.0/0"}]}}
        self.write("cni/10-mote.conflist", json.dumps({"cniVersion": "1.0.0", "name": "mote", "plugins": [bridge]}))

    def start(self):
        self.log = open(os.path.join(self.dir, "log"), "ab")
        self.process = subprocess.Popen([os.path.join(self.bin, "containerd"), "-c", os.path.join(self.dir, "config.toml")],
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=self.env, start_new_session=True)
        until(self.answers, "containerd answers; its log ends %r" % self.said()[-500:])

    def start_deaf(self):
        """As start(), but events of shims that are there already find it only after hear(). Ends with another start."""
        path = os.path.join(self.dir, "config.toml")
        with open(path) as f:
            text = f.read()
        self.write("config.toml", text.replace("/c.sock.ttrpc", "/deaf.ttrpc"))
        self.start()
        self.write("config.toml", text)

    def hear(self):
        usual = os.path.join(self.dir, "c.sock.ttrpc")
        os.unlink(usual)  # of the one before
        os.link(os.path.join(self.dir, "deaf.ttrpc"), usual)

    def answers(self):
        if self.process.poll() is not None:
            raise Wrong("containerd has ended: " + self.said()[-1500:])
        return subprocess.run(self.argv("version"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0

    def said(self):
        with open(os.path.join(self.dir, "log"), "rb") as f:
            return f.read().decode(errors="replace")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def argv(self, *words):
        return [os.path.join(self.bin, "ctr"), "-a", self.socket, "-n", "k8s.io" if self.cri else "default"] + list(words)

    def import_image(self):
        path = os.path.join(scratch, "image.tar")
        if not os.path.exists(path):
            subprocess.run([os.path.join(HERE, "make-image"), path], check=True)
        self.ctr("image", "import", "--no-unpack", path)

    def ctr(self, *words, status=0, input=None):
        p = subprocess.run(self.argv(*words), input=(input or "").encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=LIMIT)
        r = Result(p.returncode, p.stdout.decode(errors="replace"), p.stderr.decode(errors="replace"))
        if status is not None and r.status != status:
            raise Wrong("ctr %s: status %d, not %d: %s%s" % (" ".join(words), r.status, status, r.out, r.err))
        return r

    def run(self, *words, status=0, input=None, options=("--rm",), snapshotter="native"):
        """ctr run: a container of its own name."""
        self.pods.add(words[0])
        self.ids.add(words[0])
        argv = ["run", "--snapshotter", snapshotter, "--runtime", RUNTIME] + list(options) + [IMAGE] + list(words)
        return self.ctr(*argv, status=status, input=input)

    def deleted(self, name, status):
        """task delete of what has ended with that status, of which ctr tells in its own way."""
        err = self.ctr("task", "delete", name).err
        has(err, "exit with non-zero exit code %d" % status)

    def remove(self, name):
        self.ctr("task", "kill", "-s", "KILL", name, status=None)
        self.ctr("task", "delete", name, status=None)
        self.ctr("container", "delete", name, status=None)

    def shim_pid(self, name):
        """The server of a pod: the oldest of its processes."""
        found = [pid for pid, line in procs().items() if "containerd-shim-mote-v2" in line and " -id %s " % name in line and " %s " % self.socket in line]
        true(found, "no shim of " + name)
        return min(found, key=lambda pid: int(open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()[19]))

    def child(self, name, program):
        parent = self.shim_pid(name)
        for pid in procs():
            stat = open("/proc/%d/stat" % pid).read()
            if int(stat.rsplit(")", 1)[1].split()[1]) == parent and program in stat:
                return pid
        raise Wrong("no %s of %s" % (program, name))

    def netns(self):
        """The named network namespaces of our pods."""
        found = []
        for plugin in os.listdir(os.path.join(self.dir, "state")):
            where = os.path.join(self.dir, "state", plugin, "netns")
            found += [os.path.join(where, x) for x in os.listdir(where)] if os.path.isdir(where) else []
        return found

    def shim_socket(self, pod):
        name = "%s/%s/%s" % (self.socket, "k8s.io" if self.cri else "default", pod)
        return os.path.join(SOCKETS, hashlib.sha256(name.encode()).hexdigest())

    def forgets(self, path):
        """containerd 1.7 does: its own directory of a pod without a pause container, and what it mounted there."""
        return self.version == "1.7" and "/sandboxes/" in path

    def files_outside(self):
        """Of our pods, in directories that are not ours alone."""
        results = os.listdir(RESULTS) if os.path.isdir(RESULTS) else []
        found = [os.path.join(RESULTS, x) for x in results if any("-%s-" % pod in x for pod in self.pods)]
        return found + [x for x in map(self.shim_socket, self.pods) if os.path.lexists(x)]

    def files_of_pods(self):
        """Whatever is called after a pod or a container, and sockets of shims: containerd's own stores of content aside."""
        found = self.files_outside()
        for where, dirs, files in os.walk(self.dir):
            dirs[:] = [x for x in dirs if not x.startswith(("io.containerd.content", "io.containerd.snapshotter"))]
            found += [os.path.join(where, x) for x in dirs + files if x in self.ids]
            if os.path.basename(os.path.dirname(where)) == "ipam":
                found += [os.path.join(where, x) for x in files if x.startswith(SUBNET)]
        return [x for x in found if os.path.lexists(x) and not self.forgets(x)]

    def left(self):
        """What is there that a pod may have left."""
        found = ["process %d: %s" % x for x in procs().items() if self.process is None or x[0] != self.process.pid]
        found = [x for x in found if "usr/bin/ctr" not in x and "usr/bin/containerd " not in x]
        found += ["file " + x for name in ("run", "shims") for x in os.listdir(os.path.join(self.dir, name))]
        with open("/proc/mounts") as f:
            found += ["mount " + x.split()[1] for x in f if scratch in x and "/root/" not in x and not self.forgets(x)]
        state = os.path.join(self.dir, "state/io.containerd.runtime.v2.task")
        for ns in os.listdir(state) if os.path.isdir(state) else ():
            found += ["bundle " + x for x in os.listdir(os.path.join(state, ns))]
        found += ["network namespace " + x for x in self.netns()]
        # a tap that is not gone with its namespace is the host's again; so is the peer of a pod's interface
        found += ["tap " + x for x in links("type", "tun") if x.endswith("_mote")]
        found += ["interface " + x for x in links("master", BRIDGE)] if self.cri else []
        return found + ["file " + x for x in self.files_of_pods()]

    def clean(self):
        until(lambda: not self.left(), "nothing is left: there is %r" % self.left())

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        if self.process:
            self.kill()
        for pid in procs():
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        # containerd's own, which would be there for its next start
        with open("/proc/mounts") as f:
            for path in reversed([x.split()[1] for x in f if scratch in x.split()[1]]):
                subprocess.run(["umount", "-l", path], stderr=subprocess.DEVNULL)
        for path in self.files_outside():  # of a case that failed
            os.unlink(path)


class Events:
    """ctr events, from now on."""

    def __init__(self, host):
        self.path = os.path.join(scratch, "events")
        self.file = open(self.path, "wb")
        self.process = subprocess.Popen(host.argv("events"), stdin=subprocess.DEVNULL, stdout=self.file, stderr=subprocess.STDOUT)
        # it says nothing when it listens: an event of our own tells
        until(lambda: self.probe(host), "ctr events listens")

    def probe(self, host):
        host.ctr("namespace", "label", "default", "probe=%d" % time.monotonic_ns())
        return bool(self.text())

    def text(self):
        with open(self.path) as f:
            return f.read()

    def list(self):
        """(topic, payload) of the tasks' events so far."""
        found = []
        for line in self.text().splitlines():
            words = line.split(" ", 6)
            if len(words) == 7 and words[5].startswith("/tasks/"):
                found.append((words[5][7:], json.loads(words[6])))
        return found

    def until(self, topic, **members):
        def is_there():
            return any(t == topic and all(p.get(k) == v for k, v in members.items()) for t, p in self.list())
        until(is_there, "event %s %r; there is %r" % (topic, members, self.list()))

    def stop(self):
        self.process.kill()
        self.process.wait()


def faults():
    """Where the kernel has seen a shim fault, as its log tells: containerd clears such a one away without a word."""
    lines = subprocess.run(["dmesg"], stdout=subprocess.PIPE, check=True).stdout.decode(errors="replace").splitlines()
    return {line for line in lines if "containerd-shim[" in line}


def run_case(fn, host):
    before = faults()
    try:
        fn(host)
        host.clean()
        equal(faults() - before, set(), "faults of shims")
        for name in os.listdir(host.dir):
            if name.startswith("asan"):
                raise Wrong(open(os.path.join(host.dir, name)).read())
        return "ok", ""
    except Skip as e:
        return "ok", " # SKIP %s" % e
    except (Wrong, OSError, subprocess.SubprocessError, ValueError) as e:
        text = "".join("\n# " + line for line in str(e).splitlines())
        said = [line[:300] for line in host.said().splitlines() if "loading plugin" not in line and "level=debug" not in line]
        return "not ok", text + "".join("\n# " + line for line in said[-8:])


def main(make, variants):
    """Runs each case of the program, or those whose name holds its argument, with each of the variants' hosts."""
    only = sys.argv[1] if len(sys.argv) > 1 else ""
    if os.geteuid() != 0:
        print("containerd wants root")
        sys.exit(77)
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    wanted = [(v, c) for v in variants for c in CASES if only in "%s %s" % (v, c.__name__)]
    print("1..%d" % len(wanted), flush=True)
    number = failed = 0
    for variant in variants:
        cases = [c for v, c in wanted if v == variant]
        if not cases:
            continue
        while cases:
            with make(variant) as host:     # a new one after each failure
                while cases:
                    fn = cases.pop(0)
                    number += 1
                    began = time.monotonic()
                    word, why = run_case(fn, host)
                    failed += word != "ok"
                    print("%s %d - containerd %s: %s%s" % (word, number, variant, fn.__name__.replace("_", " "), why), flush=True)
                    print("# %.1f s" % (time.monotonic() - began), flush=True)
                    if word != "ok":
                        break
    sys.exit(1 if failed else 0)
