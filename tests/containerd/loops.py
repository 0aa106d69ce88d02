# SPDX-License-Identifier: Apache-2.0
"""Block devices of the host for the cases: files behind loop devices."""
import os
import subprocess
import tempfile

from host import Wrong, scratch, until

PATTERN = b"of the host's disk"


class Loop:
    """A file with PATTERN at its begin, as a block device; `with` takes it away."""

    def __init__(self, size=8 << 20, options=()):
        fd, self.file = tempfile.mkstemp(suffix=".disk", dir=scratch)
        os.write(fd, PATTERN[:size])
        os.truncate(fd, size)
        os.close(fd)
        self.path = self.run("losetup", "-f", "--show", *options, self.file)
        self.attached = True

    @staticmethod
    def run(*argv, input=None):
        p = subprocess.run(argv, input=input, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if p.returncode:
            raise Wrong("%s: %s" % (" ".join(argv), p.stderr.decode()))
        return p.stdout.decode().strip()

    def numbers(self):
        st = os.stat(self.path)
        return "%d:%d" % (os.major(st.st_rdev), os.minor(st.st_rdev))

    def read(self, offset, n):
        with open(self.path, "rb") as f:
            f.seek(offset)
            return f.read(n)

    def held_by(self, pid):
        """How many times the process has it open."""
        found = 0
        for fd in os.scandir("/proc/%d/fd" % pid):
            try:
                found += os.readlink(fd.path) == self.path
            except FileNotFoundError:  # closed since
                pass
        return found

    def until_let_go(self, pid):
        until(lambda: not self.held_by(pid), "%s is let go of" % self.path)

    def detach(self):
        """For good: a device that somebody has open is only marked to go."""
        self.attached = False
        self.run("losetup", "-d", self.path)
        until(lambda: not self.run("losetup", "-j", self.file), "%s is nobody's" % self.path)

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        if self.attached:
            subprocess.run(["losetup", "-d", self.path])
        os.unlink(self.file)


class Parts(Loop):
    """One with n partitions."""

    def __init__(self, n):
        super().__init__(size=(n + 4) << 20, options=("-P",))
        self.parts = ["%sp%d" % (self.path, i + 1) for i in range(n)]
        try:
            self.run("sfdisk", "-q", self.path, input="\n".join(["label: gpt"] + ["size=1MiB"] * n).encode() + b"\n")
            self.run("partx", "-u", self.path)  # a kernel need not know the table
        except Wrong:
            self.__exit__()
            raise
