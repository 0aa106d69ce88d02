# SPDX-License-Identifier: Apache-2.0
"""Programs of another architecture, which the scripts of packages are when a whole distribution is installed for it."""
import os
import subprocess

from fail import Failure, program


def why_not(program):
    """None when a static program runs here, by whatever emulator the kernel knows for it; else why it does not."""
    try:
        p = subprocess.run([os.path.abspath(program), "--version"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError as e:
        return e.strerror
    return None if p.returncode == 0 else "its status is %d" % p.returncode


def check(flavour, arch, agent):
    """Failure with what to do, before anything is fetched. agent: a static program of that architecture."""
    if arch == os.uname().machine:
        return
    why = why_not(agent)
    if why:
        raise Failure("%s has the packages' own scripts run, with programs of %s, and those do not run on this machine (%s: %s).\n"
                      "  The packages qemu-user-static and arch-test let the kernel start them in an emulator (binfmt_misc); or build it on such a machine.\n"
                      "  Flavours that only unpack packages need none of it: bare, minimal, devkit" % (flavour, arch, os.path.basename(agent), why))
    program("arch-test")  # by which mmdebstrap looks at the same
