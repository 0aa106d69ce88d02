# SPDX-License-Identifier: Apache-2.0
"""Guest hooks: programs of the image that the agent runs for each container, by stage."""
import os
import re

import arch
import elf
from fail import Failure

PLACE = "/usr/share/oci/hooks"  # what Kata's hosts give as guest_hook_path
STAGES = ("prestart", "poststart", "poststop")


def stages(where):
    """Those that a directory of the user's has."""
    if not where:
        return []
    found = [s for s in STAGES if os.path.isdir(os.path.join(where, s))]
    if not found:
        raise Failure("HOOKS=%s: none of the directories %s in it" % (where, ", ".join(STAGES)))
    return found


def interpreter(e):
    """What a program wants to be started by, or None."""
    if not e.source:
        return None
    with open(e.source, "rb") as f:
        data = f.read()
    m = re.match(rb"#![ \t]*(\S+)", data)
    if m:
        return os.fsdecode(m.group(1))
    found = elf.read(data)
    return found.interp if found else None


def machine(e):
    """What a program that is no script is for, or None."""
    with open(e.source or os.devnull, "rb") as f:
        return arch.of_program(f.read())


def check(tree, own):
    """The agent runs regular files that are executable; one that cannot be started is better known now than in the guest."""
    for stage in STAGES:
        top = "%s/%s/" % (PLACE, stage)
        below = [(p, e) for p, e in tree.sorted() if p.startswith(top) and "/" not in p[len(top):]]
        for path, e in below:
            if e.kind == "slink":
                raise Failure("the hook %s/%s is a symbolic link, and the agent runs files alone" % (stage, path[len(top):]))
        programs = [(p, e) for p, e in below if e.kind == "file" and e.mode & 0o111]
        if below and not programs:
            raise Failure("of the hooks in %s none is executable (chmod +x): %s" % (stage, ", ".join(p[len(top):] for p, _ in below)))
        for path, e in programs:
            if machine(e) not in (None, own):
                raise Failure("the hook %s/%s is a program for %s, and the image is for %s" % (stage, path[len(top):], machine(e), own))
            want = interpreter(e)
            if want and tree.resolve(want) is None:
                raise Failure("the hook %s/%s wants %s, which is not in the image: FLAVOUR=devkit has a shell, EXTRA_PKGS and EXTRA_FILES bring more" %
                              (stage, path[len(top):], want))
