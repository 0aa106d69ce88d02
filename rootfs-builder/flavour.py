# SPDX-License-Identifier: Apache-2.0
"""Flavours: what an image holds beside the agent. A TOML file each, in flavours/."""
import os
import re
import tomllib

from fail import Failure

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "flavours")
# key: (type, what it is when it is not there)
KEYS = {
    "summary": (str, ""),
    "base": (str, ""),  # another flavour: its lists come first
    "init": (str, "agent"),  # "agent", or "systemd": the agent is a service of it, by the units of agent/systemd
    "root": (str, "packages"),  # "packages": chosen files of packages; "mmdebstrap": a whole distribution
    "packages": (list, []),
    "keep": (list, []),  # patterns of paths of the packages, with * for anything but a slash and ** for anything
    "drop": (list, []),  # of what was kept, or of the whole distribution
    "budget": (int, 0),  # bytes of a compressed initrd; see ARCHITECTURE.md
    "built": (dict, {}),  # static programs of tools/guest-programs: path = name
    "links": (dict, {}),  # symbolic links: path = target
    "files": (dict, {}),  # small files: path = text
    "programs": (dict, {}),  # other names of a program, as symbolic links: "/bin/busybox" = [paths]
}


def names():
    return sorted(f[:-5] for f in os.listdir(HERE) if f.endswith(".toml"))


def path_of(name):
    return os.path.join(HERE, name + ".toml")


def load(name):
    """The flavour with its bases merged into it: a dict with every key of KEYS, and the files that it came from."""
    if not re.fullmatch(r"[a-z][a-z0-9-]*", name) or name not in names():
        raise Failure("there is no flavour '%s'; there are: %s" % (name, ", ".join(names())))
    path = path_of(name)
    try:
        with open(path, "rb") as f:
            own = tomllib.load(f)
    except tomllib.TOMLDecodeError as e:
        raise Failure("%s: %s" % (path, e)) from e
    for key, value in own.items():
        if key not in KEYS:
            raise Failure("%s: unknown key '%s'; there are: %s" % (path, key, ", ".join(KEYS)))
        if not isinstance(value, KEYS[key][0]):
            raise Failure("%s: '%s' is no %s" % (path, key, KEYS[key][0].__name__))
    for key, allowed in (("init", ("agent", "systemd")), ("root", ("packages", "mmdebstrap"))):
        if own.get(key, allowed[0]) not in allowed:
            raise Failure("%s: %s = '%s'; there are: %s" % (path, key, own[key], ", ".join(allowed)))
    whole = {key: own.get(key, default) for key, (_, default) in KEYS.items()}
    whole["name"], whole["sources"] = name, [path]
    if whole["base"]:
        base = load(whole["base"])
        whole["root"] = own.get("root", base["root"])
        whole["init"] = own.get("init", base["init"])
        whole["sources"] = base["sources"] + whole["sources"]
        for key, (kind, _) in KEYS.items():
            if kind is list:
                whole[key] = base[key] + whole[key]
            elif kind is dict:
                whole[key] = {**base[key], **whole[key]}
    return whole


def with_init(name, init):
    """The flavour that is another with that init: its name is told by both."""
    if not init or load(name)["init"] == init:
        return name
    if init == "systemd" and name + "-systemd" in names():
        return name + "-systemd"
    raise Failure("there is no flavour '%s' whose init is '%s'; with systemd there are: %s" %
                  (name, init, ", ".join(n for n in names() if load(n)["init"] == "systemd")))


def pattern(text):
    """A pattern of paths as a regular expression."""
    out = re.sub(r"\\\*\\\*|\\\*", lambda m: ".*" if m.group() == r"\*\*" else "[^/]*", re.escape(text))
    return re.compile(out)
