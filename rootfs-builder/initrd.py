# SPDX-License-Identifier: Apache-2.0
"""The initrd: mkinitrd's archive of the manifest, compressed or not."""
import os

from fail import run


def make(job, out, how):
    """how: zstd, gzip or none."""
    cpio = out if how == "none" else out + ".cpio"
    run([job.mkinitrd, job.manifest, cpio], "initrd", env={"SOURCE_DATE_EPOCH": str(job.epoch)})
    if how == "none":
        return
    argv = {"zstd": ["zstd", "-q", "-19", "-T1", "-c", cpio], "gzip": ["gzip", "-9", "-n", "-c", cpio]}[how]
    with open(out, "wb") as f:
        run(argv, "initrd", stdout=f, text=False)
    os.unlink(cpio)
