"""A grid over a wide-area network: what crosses it, and where the coordinator goes. The bytes are counted, nothing is timed."""

import subprocess
import sys

import wan_bed
import wan_grid

SKIPPED = 77
BLOCK = 256 * 1024
# A relay that is never late, however slow the machine, and a role that follows soon.
OPTIONS = ["--relay-ms", "20000", "--follow-ms", "3000"]


def what_a_dead_bed_left_is_removed(_bin_dir):
    dead = subprocess.Popen(["true"])
    dead.wait(wan_bed.LIMIT_S)
    name = f"jux-wan-{dead.pid}-0"
    wan_bed.ip("netns", "add", name)
    wan_bed.remove_leftovers()
    assert name not in wan_bed.ip("netns", "list")


def crossed(bed, before, way):
    return bed.counts().get(way, (0, 0))[1] - before.get(way, (0, 0))[1]


def bytes_cross_once_and_reads_stay_at_home(grid):
    bed = grid.bed
    writer = grid.client("here")
    block = writer.number("malloc", BLOCK, 2, 2)
    writer.expect("OK", "map", block)
    writer.section(block, "fill", block, 255)
    grid.wait_until("there is a relay", lambda: has_relay(grid, block))
    before = bed.counts()
    for number in range(8):
        writer.section(block, "fill", block, number + 1)
    reader = grid.client("there")
    reader.expect("OK", "map", block)
    reader.expect("OK", "acquire_read", block, 60000)
    there = crossed(bed, before, ("here", "there"))
    # Once for each committed byte, and not once for each of the two replicas; the rest is headers, beats and what was sent again.
    assert 8 * BLOCK <= there < 8 * BLOCK * 1.6, f"{there} bytes crossed for {8 * BLOCK}"
    assert reader.expect("OK", "check_fill", block) == "8"
    reader.expect("OK", "release", block)

    for number in range(3):
        writer.section(block, "fill", block, 100 + number)
        grid.wait_until("all replicas have it", lambda: all_have_everything(grid, block))
        before = bed.counts()
        reader.expect("OK", "acquire_read", block, 60000)
        assert reader.expect("OK", "check_fill", block) == str(100 + number)
        there = crossed(bed, before, ("here", "there"))
        assert there < BLOCK // 4, f"{there} bytes crossed for a read of {BLOCK} beside a replica"
        reader.expect("OK", "release", block)


def has_relay(grid, block):
    group = next(row for row in grid.status()["groups"] if row["group"] == block >> 40)
    return any(row["relays"] for row in group["members"]) and all_have_everything(grid, block)


def all_have_everything(grid, block):
    group = next(row for row in grid.status()["groups"] if row["group"] == block >> 40)
    return group["members"] and all(row["applied"] >= group["decided"] for row in group["members"])


def coordinator_follows_the_writers(grid):
    block = grid.client("here").number("malloc", 8, 2, 2)
    grid.wait_until("the group has a coordinator here", lambda: grid.coordinator_site(block) == "here")
    writer = grid.client("there")
    writer.expect("OK", "map", block)
    sections = 0
    while sections % 20 != 0 or grid.coordinator_site(block) != "there":
        writer.section(block, "add", block, 1)
        sections += 1
        assert sections < 2000, "the coordinator does not move"
    writer.expect("OK", "acquire_read", block, 60000)
    assert writer.number("get", block) == sections


def main():
    missing = wan_bed.available()
    if missing:
        print(f"skipped: {missing}")
        return SKIPPED
    bin_dir = sys.argv[1]
    what_a_dead_bed_left_is_removed(bin_dir)
    with wan_bed.WanBed(bin_dir, ["here", "there"], delay_ms=10) as bed:
        with wan_grid.WanGrid(bin_dir, bed, {"here": 2, "there": 2}, OPTIONS) as grid:
            for test in (bytes_cross_once_and_reads_stay_at_home, coordinator_follows_the_writers):
                test(grid)
                print(f"{test.__name__}: good", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
