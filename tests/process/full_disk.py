"""Disks on which nothing more can be written."""

import os


def fill(folder):
    """Takes all the room of the file system that the folder is on."""
    filler = os.open(folder / "filler", os.O_WRONLY | os.O_CREAT)
    step, at = 64 << 20, 0
    while step >= 4096:
        try:
            os.posix_fallocate(filler, at, step)
            at += step
        except OSError:
            step //= 2
    os.close(filler)


def clear(folder):
    """Gives back what fill() took."""
    (folder / "filler").unlink()
