# SPDX-License-Identifier: Apache-2.0
"""A client of CRI, as a kubelet is one, from the schema itself: no crictl is packaged."""
import os
import subprocess
import sys
import tempfile

from host import BRIDGE, HERE, IMAGE, LIMIT, Containerd, Wrong, packages, scratch, until

# a python that finds the packages beside the machine's own
_python = os.path.join(packages(), "python")
_libs = os.path.join(_python, "usr/lib/x86_64-linux-gnu")
if os.environ.get("LD_LIBRARY_PATH", "") != _libs:
    os.environ["LD_LIBRARY_PATH"] = _libs
    os.rmdir(scratch)  # the next one makes its own
    os.execv(sys.executable, [sys.executable] + sys.argv)
sys.path[:0] = [os.path.join(_python, "usr/lib/python3/dist-packages"), _python]

import api_pb2 as api  # noqa: E402
import grpc  # noqa: E402

# calls whose messages are not called as they are
ODD = {"PodSandboxStats": ("PodSandboxStatsRequest", "PodSandboxStatsResponse")}


class Host(Containerd):
    """variant: "2.1 shim": a containerd's version and the runtime handler."""

    def __init__(self, variant):
        version, self.handler = variant.split()
        super().__init__(version, cri=True)
        self.cri = Cri(self, self.handler)

    def away(self):
        """Killed."""
        self.kill()
        self.cri.close()

    def back(self):
        self.start()
        self.cri.connect()

    def __exit__(self, *ignored):
        self.cri.close()
        super().__exit__()
        subprocess.run(["ip", "link", "del", BRIDGE], stderr=subprocess.DEVNULL)


class Cri:
    def __init__(self, host, handler):
        self.host, self.handler = host, handler
        self.serial = 0
        self.connect()

    def connect(self):
        """Anew after a restart of containerd."""
        self.channel = grpc.insecure_channel("unix://" + self.host.socket)
        until(self.is_ready, "CRI is initialized")

    def is_ready(self):
        try:
            return bool(self.call("Status"))
        except Wrong as e:
            if "not initialized yet" in str(e):
                return False
            raise

    def call(self, method, **members):
        request, response = ODD.get(method, (method + "Request", method + "Response"))
        fn = self.channel.unary_unary("/runtime.v1.RuntimeService/" + method, request_serializer=lambda m: m.SerializeToString(),
                                      response_deserializer=getattr(api, response).FromString)
        try:
            return fn(getattr(api, request)(**members), timeout=LIMIT, wait_for_ready=True)
        except grpc.RpcError as e:
            raise Wrong("%s: %s: %s" % (method, e.code().name, e.details())) from e

    def pod(self, name, handler=None, **linux):
        """A running pod; its config has what a container's request wants."""
        return Pod(self, name, handler or self.handler, linux)

    def close(self):
        self.channel.close()


class Pod:
    def __init__(self, cri, name, handler, linux):
        self.cri, self.name, self.handler = cri, name, handler
        cri.serial += 1
        logs = tempfile.mkdtemp(prefix=name + "-", dir=scratch)
        self.config = api.PodSandboxConfig(metadata=api.PodSandboxMetadata(name=name, uid="uid-%s-%d" % (name, cri.serial), namespace="default"),
                                           hostname=name, log_directory=logs, linux=api.LinuxPodSandboxConfig(**linux),
                                           dns_config=api.DNSConfig(servers=["10.9.8.7"], searches=["example.test"]))
        self.run()

    def run(self):
        """Also again, by the same name, when it was removed."""
        self.id = self.cri.call("RunPodSandbox", config=self.config, runtime_handler=self.handler).pod_sandbox_id
        self.cri.host.pods.add(self.id)
        self.cri.host.ids.add(self.id)

    def status(self):
        return self.cri.call("PodSandboxStatus", pod_sandbox_id=self.id, verbose=True).status

    def ip(self):
        return self.status().network.ip

    def container(self, name, *argv, **more):
        return Container(self, name, argv, more)

    def stop(self):
        self.cri.call("StopPodSandbox", pod_sandbox_id=self.id)

    def remove(self):
        self.stop()
        self.cri.call("RemovePodSandbox", pod_sandbox_id=self.id)


class Container:
    def __init__(self, pod, name, argv, more):
        self.pod, self.cri = pod, pod.cri
        config = api.ContainerConfig(metadata=api.ContainerMetadata(name=name), image=api.ImageSpec(image=IMAGE), command=argv,
                                     log_path=name + ".log", linux=api.LinuxContainerConfig(security_context=more.pop("security", None)), **more)
        self.log_file = os.path.join(pod.config.log_directory, name + ".log")
        self.id = self.cri.call("CreateContainer", pod_sandbox_id=pod.id, config=config, sandbox_config=pod.config).container_id
        self.cri.host.ids.add(self.id)
        self.cri.call("StartContainer", container_id=self.id)

    def sh(self, script, status=0):
        r = self.cri.call("ExecSync", container_id=self.id, cmd=["sh", "-c", script], timeout=60)
        if r.exit_code != status:
            raise Wrong("sh -c %r: status %d, not %d: %r %r" % (script, r.exit_code, status, r.stdout, r.stderr))
        return r.stdout.decode()

    def status(self):
        return self.cri.call("ContainerStatus", container_id=self.id).status

    def until_exit(self):
        until(lambda: self.status().state == api.CONTAINER_EXITED, "container %s ends" % self.id)
        return self.status()

    def log(self):
        """What it said, without the time and the stream's name of each line."""
        with open(self.log_file) as f:
            return "".join(line.split(" ", 3)[3] for line in f)

    def stop(self, timeout=0):
        self.cri.call("StopContainer", container_id=self.id, timeout=timeout)

    def remove(self):
        self.cri.call("RemoveContainer", container_id=self.id)
