"""One disk per provider: a file system in a file, which can be filled and frozen without touching the others.

Everything is mounted in a mount namespace of the test's own. Without the right to mount, providers get plain folders, and no disk is
filled or frozen.
"""

import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "process"))
import full_disk  # noqa: E402  (of the process tests)

SIZE_BYTES = 1 << 30  # sparse
LIMIT_S = 60


def run(*words):
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT_S, text=True,
                          check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, words))}: {done.stdout}")


class Disks:
    def __init__(self, folder, may_mount):
        self.folder = pathlib.Path(folder)
        self.can_hurt = may_mount and os.geteuid() == 0

    def add(self, node):
        """The provider's folder, on a disk of its own if possible."""
        path = self.path(node)
        path.mkdir(parents=True)
        if self.can_hurt:
            image = self.folder / f"{node}.image"
            with open(image, "wb") as file:
                file.truncate(SIZE_BYTES)
            try:
                run("mkfs.ext4", "-q", "-F", "-m", "0", image)
                run("mount", "-o", "loop", image, path)
            except (RuntimeError, FileNotFoundError):
                self.can_hurt = False
        return path

    def path(self, node):
        return self.folder / f"{node}.disk"

    def fill(self, node):
        full_disk.fill(self.path(node))

    def clear(self, node):
        full_disk.clear(self.path(node))

    def freeze(self, node):
        """Writes and syncs wait, for as long as it takes; the process lives and talks."""
        run("fsfreeze", "-f", self.path(node))

    def thaw(self, node):
        run("fsfreeze", "-u", self.path(node))

    def end(self):
        """When no process uses them any more."""
        for path in self.folder.glob("*.disk"):
            subprocess.run(["fsfreeze", "-u", str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=LIMIT_S, check=False)
            subprocess.run(["umount", str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=LIMIT_S, check=False)
