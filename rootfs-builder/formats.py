# SPDX-License-Identifier: Apache-2.0
"""The formats of an image, a row each."""
import erofs
import ext4
import initrd
import squashfs


class Format:
    """ending: of the file's name; fstype: the kernel's name, or None: no disk; dax: may be mapped by direct access."""

    def __init__(self, ending, maker, how, fstype=None, dax=False):
        self.ending, self.maker, self.how, self.fstype, self.dax = ending, maker, how, fstype, dax

    def make(self, job, out):
        self.maker.make(job, out, self.how)


FORMATS = {
    "initrd": Format("initrd", initrd, "zstd"),
    "initrd-gzip": Format("initrd.gz", initrd, "gzip"),
    "initrd-none": Format("cpio", initrd, "none"),
    "squashfs": Format("squashfs", squashfs, "zstd", "squashfs"),
    "erofs": Format("erofs", erofs, "none", "erofs", True),
    "erofs-lz4": Format("lz4.erofs", erofs, "lz4", "erofs"),
    "erofs-lz4hc": Format("lz4hc.erofs", erofs, "lz4hc", "erofs"),
    "ext4": Format("ext4", ext4, None, "ext4", True),
}


def root_parameters(fmt, device, dax=False):
    """What the kernel is told of its root file system, without dm-verity."""
    flags = []
    if dax:
        flags.append("dax")
    if fmt.fstype == "ext4":
        flags += ["errors=remount-ro"]
    return "root=%s rootfstype=%s %sro" % (device, fmt.fstype, "rootflags=%s " % ",".join(flags) if flags else "")
