# SPDX-License-Identifier: Apache-2.0
"""The architectures that a guest may be of, a row each."""
import elf
from fail import Failure


class Arch:
    """debian: the distribution's name of it; machine: e_machine of its programs; nvdimm: the machine that motectl starts can tell
    its guest of persistent memory. That takes ACPI, and QEMU's "virt" has it with a firmware alone."""

    def __init__(self, debian, machine, nvdimm=False):
        self.debian, self.machine, self.nvdimm = debian, machine, nvdimm


ARCHES = {
    "x86_64": Arch("amd64", 62, nvdimm=True),
    "aarch64": Arch("arm64", 183),
    "riscv64": Arch("riscv64", 243),
}


def find(name):
    if name not in ARCHES:
        raise Failure("there is no architecture '%s'; there are: %s" % (name, ", ".join(ARCHES)))
    return ARCHES[name]


def of_program(data):
    """The name of what a program's bytes are for; None: they are no program that elf.py reads."""
    found = elf.read(data)
    return found and next((name for name, a in ARCHES.items() if a.machine == found.machine), "machine %d of ELF" % found.machine)
