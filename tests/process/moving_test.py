"""People move copies, empty providers and even memory out; the data stay readable and writable all the time."""

import os
import subprocess
import time

import grid_fixture


def data_groups(grid):
    return [row for row in grid.status()["groups"] if row["name"] == "data" and row["blocks"] > 0 and row["members"]]


def group_of(block):
    return block >> 40


def members_of(grid, group):
    names = {row["node"]: row["name"] for row in grid.status()["providers"]}
    return [[names[member["node"]] for member in row["members"]] for row in data_groups(grid) if row["group"] == group]


def only_copy_goes_where_people_want_it(grid):
    client = grid.client(preferred="rennes-1")
    block = client.number("malloc", 8, 1, 1)
    client.expect("OK", "write", block, 0, 7)
    group = group_of(block)
    (holder,), = members_of(grid, group)
    target = next(name for name in grid.providers if name != holder)
    grid.tool("group", "move", group, holder, target, "--grid", grid.uri)
    assert members_of(grid, group) in ([], [[target]]), members_of(grid, group)
    assert client.number("read", block, 0) == 7
    client.expect("OK", "write", block, 0, 8)
    assert client.number("read", block, 0) == 8
    for wrong, reason in (((group, holder, target), "keeps no copy"), ((group, target, target), "already"),
                          ((4711, holder, target), "no group"), ((group, "nobody", target), "no provider")):
        refused = grid.tool("group", "move", *wrong, "--grid", grid.uri, check=False)
        assert refused.returncode == 1 and reason in refused.stdout, (wrong, refused.stdout)
    assert grid.tool("group", "move", "seven", holder, target, check=False).returncode == 2


def drained_provider_keeps_nothing(grid):
    client = grid.client(preferred="rennes-1")
    block = client.number("malloc", 8, 1, 2)
    client.expect("OK", "write", block, 0, 3)
    victim = members_of(grid, group_of(block))[0][-1]
    grid.tool("provider", "drain", victim, "--grid", grid.uri)
    assert client.number("read", block, 0) == 3
    client.expect("OK", "write", block, 0, 4)


def memory_is_evened_out(grid):
    client = grid.client(preferred="rennes-1")
    block = client.number("malloc", 64 << 20, 1, 1)
    small = client.number("malloc", 16 << 20, 1, 1)
    client.expect("OK", "write", block, 0, 5)
    planned = grid.tool("rebalance", "--dry-run", "--grid", grid.uri).stdout
    grid.tool("rebalance", "--grid", grid.uri)
    assert "nothing to do" in grid.tool("rebalance", "--dry-run", "--grid", grid.uri).stdout, planned
    assert client.number("read", block, 0) == 5
    assert client.number("read", small, 0) == 0


def newcomer_joins_through_anybody_and_is_used(grid):
    client = grid.client(preferred="rennes-1")
    blocks = [client.number("malloc", 32 << 20, 1, 1) for _ in range(2)]
    client.expect("OK", "write", blocks[0], 0, 6)
    plain = next(row["name"] for row in grid.status()["providers"] if not row["manager"])
    ready = grid.dir / "ready"
    newcomer = subprocess.Popen([str(grid.bin_dir / "juxmemd"), "--name", "late", "--site", "rennes", "--memory", "256MiB",
                                 "--join", grid.providers[plain]["address"], "--ready-file", str(ready)],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + grid_fixture.LIMIT_S
        while not any(row["name"] == "late" and row["answered"] for row in grid.status()["providers"]):
            assert time.monotonic() < deadline and newcomer.poll() is None, "the newcomer is not taken in"
        (holder,), = members_of(grid, group_of(blocks[0]))
        grid.tool("group", "move", group_of(blocks[0]), holder, "late", "--grid", grid.uri)
        assert members_of(grid, group_of(blocks[0])) == [["late"]]
        assert client.number("read", blocks[0], 0) == 6
        grid.tool("provider", "drain", "late", "--grid", grid.uri)
        assert client.number("read", blocks[0], 0) == 6
    finally:
        newcomer.kill()
        newcomer.wait()


def drained_manager_gives_its_seat_away(grid):
    client = grid.client(preferred="rennes-1")
    block = client.number("malloc", 8, 1, 1)
    client.expect("OK", "write", block, 0, 9)
    victim = next(row["name"] for row in grid.status()["providers"] if row["manager"] and row["name"] != "rennes-1")
    grid.tool("provider", "drain", victim, "--grid", grid.uri)
    managers = [row["name"] for row in grid.status()["providers"] if row["manager"]]
    assert victim not in managers and len(managers) == 3, managers
    assert client.number("read", block, 0) == 9
    client.expect("OK", "write", block, 0, 10)


if __name__ == "__main__":
    os.environ["JUXMEM_HEAL_AFTER_MS"] = "500"
    grid_fixture.run([only_copy_goes_where_people_want_it, drained_provider_keeps_nothing, memory_is_evened_out,
                      newcomer_joins_through_anybody_and_is_used, drained_manager_gives_its_seat_away], "rennes:4")
