# SPDX-License-Identifier: Apache-2.0
"""erofs: mkfs.erofs packs a directory, which is laid out under fakeroot (lay.py): owners and devices are told, not made."""
import os
import shutil
import sys

from fail import program, run

LAY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lay.py")


def make(job, out, how):
    """how: none, lz4 or lz4hc. One thread, one order: mkfs.erofs sorts directories."""
    where = out + ".d"
    argv = [program("mkfs.erofs"), "--quiet", "-x-1", "-T%d" % job.epoch, "-U" + job.uuid]
    argv += [] if how == "none" else ["-z" + ("lz4hc,12" if how == "lz4hc" else how)]
    try:
        run(["fakeroot", "--", sys.executable, "-B", LAY, job.manifest, where, "--", *argv, out, where], "erofs")
    finally:
        shutil.rmtree(where, ignore_errors=True)
