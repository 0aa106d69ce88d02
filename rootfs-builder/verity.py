# SPDX-License-Identifier: Apache-2.0
"""dm-verity: the tree of hashes over a file system, and what the kernel has to be told to check it."""
import os
import re

from fail import Failure, run

BLOCK = 4096


class Verity:
    """root, salt: hexadecimal; blocks: of data; start: the hash tree's first block on its device."""

    def __init__(self, root, salt, blocks, start):
        self.root, self.salt, self.blocks, self.start = root, salt, blocks, start

    def table(self, data, hashes):
        return ("dm-verity,,,ro,0 %d verity 1 %s %s %d %d %d %d sha256 %s %s" %
                (self.blocks * BLOCK // 512, data, hashes, BLOCK, BLOCK, self.blocks, self.start, self.root, self.salt))

    def parameters(self, data, hashes):
        """For the kernel's command line."""
        return 'dm-mod.create="%s" dm-mod.waitfor=%s root=/dev/dm-0' % (self.table(data, hashes), ",".join(dict.fromkeys([data, hashes])))

    def kata(self):
        """The value of Kata's kernel_verity_params."""
        return ("root_hash=%s,salt=%s,data_blocks=%d,data_block_size=%d,hash_block_size=%d" %
                (self.root, self.salt, self.blocks, BLOCK, BLOCK))


def make(path, salt, hashes=None):
    """Hashes the file system; the tree goes behind it, or to a file of its own. The file is padded to whole blocks."""
    size = -(-os.stat(path).st_size // BLOCK) * BLOCK
    os.truncate(path, size)
    where = ["--hash-offset=%d" % size, path, path] if not hashes else [path, hashes]
    if hashes:
        with open(hashes, "xb"):
            pass
    out, _ = run(["veritysetup", "format", "--no-superblock", "--hash=sha256", "--salt=" + salt, "--data-block-size=%d" % BLOCK,
                  "--hash-block-size=%d" % BLOCK, "--data-blocks=%d" % (size // BLOCK), *where], "dm-verity")
    m = re.search(r"^Root hash:\s*([0-9a-f]{64})$", out, re.M)
    if not m:
        raise Failure("dm-verity: veritysetup told no root hash")
    return Verity(m.group(1), salt, size // BLOCK, 0 if hashes else size // BLOCK)
