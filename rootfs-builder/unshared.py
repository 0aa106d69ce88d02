# SPDX-License-Identifier: Apache-2.0
"""mmdebstrap by an ordinary user: the root of a user namespace is nobody to this machine's files, so it needs a range of ids, and a
directory that everybody can reach."""
import os
import pwd
import re
import shutil
import tempfile

import fail
from fail import Failure, program, run

RANGE = 65536


def reachable(path):
    """May everybody go there? The home of a user often is closed."""
    while path != "/":
        if not os.stat(path).st_mode & 0o001:
            return False
        path = os.path.dirname(path)
    return True


def has_range(path, user, uid):
    """A line of subuid(5) gives that user enough ids."""
    try:
        with open(path, encoding="utf-8") as f:
            lines = f.read().splitlines()
    except OSError:
        return False
    rows = [m for m in (re.fullmatch(r"([^:]+):(\d+):(\d+)", line.strip()) for line in lines) if m]
    return any(m.group(1) in (user, str(uid)) and int(m.group(3)) >= RANGE for m in rows)


def check():
    """Failure with what to do when this user cannot have such a namespace."""
    program("newuidmap")
    uid = os.getuid()
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError as e:
        raise Failure("user %d has no line in /etc/passwd, so that it can have no range of ids for a whole distribution" % uid) from e
    without = [p for p in ("/etc/subuid", "/etc/subgid") if not has_range(p, user, uid)]
    if without:
        raise Failure("a whole distribution has files of many owners, and %s has no range of %d ids in %s. Once, as root:\n"
                      "  usermod --add-subuids 100000-165535 --add-subgids 100000-165535 %s\n"
                      "  (ids that no other line there has), or build this flavour as root" % (user, RANGE, " and ".join(without), user))
    out, err = run(["mmdebstrap", "--unshare-helper", "true"], "user namespaces", status=range(256))
    if err.strip() or out.strip():
        raise Failure("this machine gives %s no user namespace of its own:\n  %s\n  see that the sysctls user.max_user_namespaces and "
                      "kernel.unprivileged_userns_clone (where it is there) are not 0, and that kernel.apparmor_restrict_unprivileged_userns "
                      "is; or build this flavour as root" % (user, "\n  ".join((out + err).strip().splitlines()[-4:])))


class Place:
    """A directory for mmdebstrap's work, which is gone after `with`: in `work`, where it can be reached from such a namespace."""

    def __init__(self, work):
        places = [work, tempfile.gettempdir(), "/tmp", "/var/tmp"]
        found = [work] if os.getuid() == 0 else [p for p in places if os.path.isdir(p) and os.access(p, os.W_OK) and reachable(os.path.realpath(p))]
        if not found:
            raise Failure("none of %s can be reached by everybody and written by you: set TMPDIR to such a directory" % ", ".join(places))
        self.path = tempfile.mkdtemp(prefix="mote-rootfs-", dir=found[0])
        os.chmod(self.path, 0o755)

    def __enter__(self):
        return self.path

    def __exit__(self, *_why):
        shutil.rmtree(self.path, ignore_errors=True)
        if os.path.exists(self.path):  # what a killed mmdebstrap has left is of the namespace's owners
            try:
                run(["mmdebstrap", "--unshare-helper", "rm", "-rf", self.path], "clearing away", status=range(256))
            except Failure as e:
                fail.say(e)
            shutil.rmtree(self.path, ignore_errors=True)
