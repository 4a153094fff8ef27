"""Grids with data folders: everything is killed at any instant and started again, and what was acknowledged is there."""

import os
import random
import signal
import threading

import grid_fixture

SECTION_BYTES = 200_000
WRITERS = 3


class Writer(threading.Thread):
    """Fills a block with one byte after the other, a section for each, until the grid is gone."""

    def __init__(self, client, block):
        super().__init__()
        self.client = client
        self.block = block
        self.begun = 0
        self.acknowledged = 0

    def run(self):
        try:
            while True:
                code, _ = self.client.ask("acquire", self.block, 60000)
                if code != "OK":
                    return
                self.begun += 1
                self.client.expect("OK", "fill", self.block, self.begun % 256)
                code, _ = self.client.ask("release", self.block)
                if code != "OK":
                    return
                self.acknowledged = self.begun
        except (AssertionError, OSError, ValueError):
            return  # ended by the test


def write_until_killed(grid, blocks, after_sections):
    """Returns the writers, of which each knows what was acknowledged."""
    writers = []
    for number, block in enumerate(blocks):
        client = grid.client(preferred=sorted(grid.providers)[number])
        client.expect("OK", "map", block)
        writers.append(Writer(client, block))
    for writer in writers:
        writer.start()
    while sum(writer.acknowledged for writer in writers) < after_sections and any(writer.is_alive() for writer in writers):
        writers[0].join(0.01)
    grid.kill_all()
    for writer in writers:
        writer.client.kill()
    for writer in writers:
        writer.join(grid_fixture.LIMIT_S)
    return writers


def check_blocks(grid, blocks, writers):
    reader = grid.client()
    for block, writer in zip(blocks, writers):
        reader.expect("OK", "map", block)
        reader.expect("OK", "acquire_read", block, 60000)
        found = int(reader.expect("OK", "check_fill", block))
        reader.expect("OK", "release", block)
        allowed = {number % 256 for number in range(writer.acknowledged, writer.begun + 1)}
        assert found in allowed, f"block {block} shows {found}; acknowledged was {writer.acknowledged}, begun {writer.begun}"


def killed_grid_has_every_acknowledged_section(grid):
    owner = grid.client()
    blocks = [owner.number("malloc_disk", SECTION_BYTES, 2, 3) for _ in range(WRITERS)]
    for number, block in enumerate(blocks):
        owner.expect("OK", "publish", f"block-{number}", block)
    choice = random.Random(os.getpid())
    for _ in range(3):
        writers = write_until_killed(grid, blocks, choice.randint(1, 60))
        grid.start_again()
        check_blocks(grid, blocks, writers)
        reader = grid.client()
        for number, block in enumerate(blocks):
            assert reader.number("lookup", f"block-{number}") == block


def killed_provider_is_the_same_one_again(grid):
    client = grid.client(preferred="rennes-1")
    block = client.number("malloc_disk", 8, 2, 3)
    client.expect("OK", "write", block, 0, 1)
    nodes = {row["name"]: row["node"] for row in grid.status()["providers"]}
    grid.signal("sophia-2", signal.SIGSTOP)
    client.expect("OK", "write", block, 0, 2)
    grid.restart_provider("sophia-2")
    again = {row["name"]: row["node"] for row in grid.status()["providers"] if row["up"]}
    assert again["sophia-2"] == nodes["sophia-2"], (nodes, again)
    assert client.number("read", block, 0) == 2


def memory_is_lost_by_name(grid):
    client = grid.client()
    block = client.number("malloc", 8, 1, 1)
    client.expect("OK", "write", block, 0, 1)
    client.close()
    grid.kill_all()
    grid.start_again()
    reader = grid.client()
    reader.expect("ELOST", "read", block, 0)
    fresh = reader.number("malloc", 8, 2, 3)
    reader.expect("OK", "write", fresh, 0, 3)


if __name__ == "__main__":
    grid_fixture.run([killed_grid_has_every_acknowledged_section, killed_provider_is_the_same_one_again, memory_is_lost_by_name],
                     "rennes:3,sophia:3", data=True)
