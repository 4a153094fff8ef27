"""Disks that are full: new writes are refused by name, reads go on, and all goes on when there is room. One small file system per
provider, in a mount namespace of the test's own; where this user may not mount, the test is skipped and says so."""

import os
import subprocess
import sys
import time

import full_disk
import grid_fixture

INSIDE = "JUXMEM_FULL_DISK_INSIDE"
DISK_BYTES = 512 << 20  # with room for what is kept for a member that takes nothing in
BLOCK_BYTES = 1_000_000
BLOCKS = 16  # a checkpoint of all of them is larger than what is kept for one on a full disk
WRITES_MAX = 400


def enter():
    """Runs this program again inside a mount namespace of its own. Returns whether we are inside."""
    if os.environ.get(INSIDE) == "1":
        return True
    words = ["unshare", "--mount", "--propagation", "private"]
    try:
        done = subprocess.run([*words, "true"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=30, check=False)
    except FileNotFoundError:
        return False
    if os.geteuid() != 0 or done.returncode != 0:
        return False
    os.environ[INSIDE] = "1"
    os.execvp("unshare", [*words, sys.executable, *sys.argv])
    return False


def mount_disks(data):
    for number in (1, 2, 3):
        path = data / f"rennes-{number}"
        path.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "none", path], check=True, timeout=30)


def fill(grid, name):
    full_disk.fill(grid.data / name)


def clear(grid, name):
    """Makes room and waits until the provider has seen it: until then the others count its disk as full."""
    full_disk.clear(grid.data / name)
    deadline = time.monotonic() + grid_fixture.LIMIT_S
    while any(row["disk"] != "" for row in grid.status()["providers"] if row["name"] == name):
        assert time.monotonic() < deadline, f"the disk of {name} is still full though there is room"
        time.sleep(0.05)


class Work:
    """One client that fills blocks, one after the other, with what it then expects to find there."""

    def __init__(self, grid):
        self.client = grid.client(preferred="rennes-1")
        self.blocks = [self.client.number("malloc_disk", BLOCK_BYTES, 1, 3) for _ in range(BLOCKS)]
        for block in self.blocks:
            self.client.expect("OK", "map", block)
        self.known = dict.fromkeys(self.blocks, 0)
        self.turns = 0

    def write(self):
        """The code that the release answers; the first ENOSPC changes nothing."""
        block = self.blocks[self.turns % BLOCKS]
        self.turns += 1
        value = self.turns % 251 + 1
        self.client.expect("OK", "acquire", block, 60000)
        self.client.expect("OK", "fill", block, value)
        code, _ = self.client.ask("release", block)
        if code == "OK":
            self.known[block] = value
        elif code != "ENOSPC":
            self.known[block] = None  # it may have happened or not
        return code

    def write_until_refused(self):
        for _ in range(WRITES_MAX):
            code = self.write()
            if code == "ENOSPC":
                return
            assert code in ("OK", "EAGAIN", "EOWNERDEAD"), f"a write on a full disk answers {code}"
        raise AssertionError(f"{WRITES_MAX} writes of {BLOCK_BYTES} bytes were taken on full disks of {DISK_BYTES} bytes")

    def write_until_taken(self):
        deadline = time.monotonic() + grid_fixture.LIMIT_S
        while time.monotonic() < deadline:
            code = self.write()
            if code == "OK":
                return
            assert code in ("ENOSPC", "EAGAIN", "EOWNERDEAD"), f"a write answers {code}"
            time.sleep(0.05)
        raise AssertionError("no write is taken though there is room again")

    def check(self, reader):
        for block, value in self.known.items():
            if reader is not self.client:
                reader.expect("OK", "map", block)
            reader.expect("OK", "acquire_read", block, 60000)
            found = int(reader.expect("OK", "check_fill", block))
            reader.expect("OK", "release", block)
            assert value is None or found == value, f"block {block} shows {found} instead of {value}"


def full_minority_stops_nobody(grid):
    for name in ("rennes-1", "rennes-2"):  # one of them coordinates, or none does
        work = Work(grid)
        fill(grid, name)
        for _ in range(WRITES_MAX // 4):
            code = work.write()
            assert code in ("OK", "EAGAIN", "EOWNERDEAD"), f"a write answers {code} though two of three disks have room"
        work.check(grid.client())
        clear(grid, name)
    # The one whose disk was full is needed now.
    grid.signal("rennes-3", 9)
    work.write_until_taken()
    work.check(grid.client(preferred="rennes-2"))


def full_quorum_refuses_writes_and_reads_go_on(grid):
    work = Work(grid)
    for number in (1, 2, 3):
        fill(grid, f"rennes-{number}")
    work.write_until_refused()
    work.check(work.client)
    work.check(grid.client(preferred="rennes-2"))
    for number in (2, 3):
        clear(grid, f"rennes-{number}")
    work.write_until_taken()
    work.check(grid.client(preferred="rennes-3"))
    clear(grid, "rennes-1")
    grid.kill_all()
    work.client.kill()
    grid.start_again()
    work.check(grid.client())


if __name__ == "__main__":
    if not enter():
        print("skipped: this user may not mount file systems")
        sys.exit(77)
    grid_fixture.run([full_minority_stops_nobody, full_quorum_refuses_writes_and_reads_go_on], "rennes:3", data=True, prepare=mount_disks)
