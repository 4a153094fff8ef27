"""Providers are killed for good, one after the other; the groups get others, and the data stay."""

import os
import signal
import time

import grid_fixture


def data_group(grid):
    """The group with the block, as its coordinator reports it; None while nobody does."""
    rows = [row for row in grid.status()["groups"] if row["name"] == "data" and row["blocks"] > 0 and row["members"]]
    return max(rows, key=lambda row: row["epoch"], default=None)


def wait_until(what, condition):
    deadline = time.monotonic() + grid_fixture.LIMIT_S
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
    raise AssertionError(f"not within {grid_fixture.LIMIT_S} s: {what}")


def is_whole_without(grid, node):
    """All members are there and have everything; the killed one is none of them."""
    group = data_group(grid)
    if group is None:
        return None
    members = group["members"]
    whole = all(member["heard"] and member["catching_up_percent"] is None and member["applied"] >= group["decided"] for member in members)
    return group if whole and len(members) == 3 and all(member["node"] != node for member in members) else None


def killed_members_are_replaced_one_after_the_other(grid):
    client = grid.client(preferred="rennes-1")
    block = client.number("malloc", 8, 1, 3)
    client.expect("OK", "write", block, 0, 1)
    for turn in range(2, 5):
        group = wait_until("the group has a coordinator", lambda: data_group(grid))
        names = {row["node"]: row["name"] for row in grid.status()["providers"]}
        victim = next(member["node"] for member in group["members"] if names[member["node"]] != "rennes-1")
        os.kill(grid.providers[names[victim]]["pid"], signal.SIGKILL)
        healed = wait_until(f"the group goes on without {names[victim]}", lambda: is_whole_without(grid, victim))
        assert healed["epoch"] > group["epoch"], (healed, group)
        assert client.number("read", block, 0) == turn - 1
        client.expect("OK", "write", block, 0, turn)
    reader = grid.client(preferred="rennes-1")
    assert reader.number("read", block, 0) == 4


if __name__ == "__main__":
    os.environ["JUXMEM_HEAL_AFTER_MS"] = "500"
    grid_fixture.run([killed_members_are_replaced_one_after_the_other], "rennes:6,sophia:3")
