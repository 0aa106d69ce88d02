# SPDX-License-Identifier: Apache-2.0
"""Static programs that are built from pinned sources: tools/guest-programs makes them and keeps them in the cache."""
import os

from fail import Failure, child
from tree import Tree

TOOL = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tools/guest-programs")


class Programs:
    """dir: holds bin and VERSIONS; versions: the text of the latter; sources: the pinned archives."""

    def __init__(self, arch):
        status, out = child([TOOL, arch])  # it tells its stages itself
        lines = out.split()
        if status or not lines:
            raise Failure("the programs for the guest were not built (%s)" % os.path.relpath(TOOL))
        self.dir = lines[-1]
        with open(os.path.join(self.dir, "VERSIONS"), encoding="utf-8") as f:
            self.versions = f.read()
        with open(os.path.join(os.path.dirname(TOOL), "deps.d/programs"), encoding="utf-8") as f:
            self.sources = f.read()

    def file(self, name):
        return os.path.join(self.dir, "bin", name)

    def tree(self, wanted, have):
        """Those of the flavour, path: name, where no package has brought its own."""
        out = Tree()
        for path, name in wanted.items():
            if not os.path.exists(self.file(name)):
                raise Failure("the flavour wants the program '%s'; there are: %s" % (name, ", ".join(sorted(os.listdir(self.dir + "/bin")))))
            if have.resolve(path) is None:
                out.file(path, self.file(name), 0o755)
        return out
