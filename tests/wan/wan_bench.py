#!/usr/bin/env python3
"""What crosses between the sites of a grid, and what it costs to be far away: wan_bench.py BIN [--delay-ms ONE_WAY]

Measured over real providers whose sites are namespaces joined by wan_relay (wan_bed.py). Needs root.
"""

import argparse
import pathlib
import statistics
import subprocess
import sys
import time

import wan_bed
import wan_grid

SECTION_BYTES = 1 << 18
SITES = ["rennes", "sophia", "lyon"]


def total(counts, sender=None):
    return sum(size for (source, _), (_, size) in counts.items() if sender in (None, source))


def all_have_everything(grid, block):
    group = next(row for row in grid.status()["groups"] if row["group"] == block >> 40)
    return group["members"] and all(row["applied"] >= group["decided"] for row in group["members"])


BYTES_ROWS = (("relays", []), ("no relays", ["--relay-ms", "0"]))


class BareRoundTrips:
    """The floor: bytes sent there and back between two sites, by two processes that do nothing else."""

    def __init__(self, bed, here, there):
        script = str(pathlib.Path(__file__).resolve().parent / "wan_echo.py")
        self.far = bed.run(there, [sys.executable, script, "serve", bed.address(there)], stdout=subprocess.PIPE)
        port = self.far.stdout.readline().decode().strip()
        self.near = bed.run(here, [sys.executable, script, "ask", f"{bed.address(there)}:{port}"], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, bufsize=0)

    def one_ms(self):
        self.near.stdin.write(b"\n")
        return float(self.near.stdout.readline())


def bytes_per_committed_byte(bin_dir, delay_ms, options, sections=64):
    """(of the coordinator's site outwards, of all sites, per second of rest) for 3 sites of 3."""
    with wan_bed.WanBed(bin_dir, SITES, delay_ms) as bed:
        with wan_grid.WanGrid(bin_dir, bed, {site: 3 for site in SITES}, options) as grid:
            writer = grid.client("rennes")
            block = writer.number("malloc", SECTION_BYTES, 3, 3)
            writer.expect("OK", "map", block)
            writer.section(block, "fill", block, 255)
            grid.wait_until("all replicas have it", lambda: all_have_everything(grid, block))
            assert grid.coordinator_site(block) == "rennes"
            time.sleep(1)
            begin = bed.counts()
            time.sleep(2)
            rest = bed.counts()
            for number in range(sections):
                writer.section(block, "fill", block, number)
            grid.wait_until("all replicas have it", lambda: all_have_everything(grid, block))
            end = bed.counts()
    committed = sections * SECTION_BYTES
    return ((total(end, "rennes") - total(rest, "rennes")) / committed, (total(end) - total(rest)) / committed,
            (total(rest) - total(begin)) / 2)


def section_ms(client, block, change):
    started = time.monotonic()
    client.section(block, *change)
    return (time.monotonic() - started) * 1000


def commit_latency(bin_dir, delay_ms):
    """(before, after) the coordinator's move to the writer's site, and a bare round trip: medians of small sections, in ms."""
    with wan_bed.WanBed(bin_dir, SITES, delay_ms) as bed:
        with wan_grid.WanGrid(bin_dir, bed, {site: 1 for site in SITES}) as grid:
            block = grid.client("rennes").number("malloc", 8, 3, 1)
            grid.wait_until("a coordinator in rennes", lambda: grid.coordinator_site(block) == "rennes")
            writer = grid.client("sophia")
            writer.expect("OK", "map", block)
            writer.section(block, "add", block, 1)
            bare = BareRoundTrips(bed, "sophia", "rennes")
            floor = [bare.one_ms() for _ in range(20)]
            before = [section_ms(writer, block, ("add", block, 1)) for _ in range(20)]
            for _ in range(2000):
                writer.section(block, "add", block, 1)
                if _ % 20 == 0 and grid.coordinator_site(block) == "sophia":
                    break
            else:
                raise RuntimeError("the coordinator does not move")
            writer.section(block, "add", block, 1)
            after = [section_ms(writer, block, ("add", block, 1)) for _ in range(20)]
            floor += [bare.one_ms() for _ in range(20)]
    return statistics.median(before), statistics.median(after), statistics.median(floor)


def read_latency(bin_dir, delay_ms, size=64 * 1024, times=15):
    """{with or without a replica in the reader's site: (ms, WAN bytes to it per byte read, ms while its agent owns the block, ms of a
    bare round trip to the coordinator's site)}"""
    sites = [*SITES, "nancy"]
    result = {}
    with wan_bed.WanBed(bin_dir, sites, delay_ms) as bed:
        with wan_grid.WanGrid(bin_dir, bed, {site: 2 for site in sites}) as grid:
            writer = grid.client("rennes")
            block = writer.number("malloc", size, 3, 1)
            writer.expect("OK", "map", block)
            writer.section(block, "fill", block, 1)
            status = grid.status()
            group = grid.wait_until("the group's members are known",
                                    lambda: next(row for row in grid.status()["groups"] if row["group"] == block >> 40)["members"])
            members = {row["node"] for row in group}
            names = {row["node"]: row["name"] for row in status["providers"]}
            holders = {grid.site_of(node, status) for node in members}
            for what, site in (("with", next(site for site in sites[1:] if site in holders)),
                               ("without", next(site for site in sites if site not in holders))):
                # The agent itself holds no copy in either case.
                number = next(number for number in (1, 2) if f"{site}-{number}" not in {names[node] for node in members})
                reader = grid.client(site, number)
                reader.expect("OK", "map", block)
                bare = BareRoundTrips(bed, site, "rennes")
                first, again, crossed, floor = [], [], [], []
                for turn in range(times):
                    writer.section(block, "fill", block, turn)
                    grid.wait_until("all replicas have it", lambda: all_have_everything(grid, block))
                    floor.append(bare.one_ms())
                    before = bed.counts()
                    first.append(read_ms(reader, block, turn))
                    after = bed.counts()
                    again.append(read_ms(reader, block, turn))
                    crossed.append(sum(after[way][1] - before.get(way, (0, 0))[1] for way in after if way[1] == site))
                result[what] = (statistics.median(first), statistics.median(crossed) / size, statistics.median(again),
                                statistics.median(floor))
    return result


def read_ms(reader, block, expected):
    started = time.monotonic()
    reader.expect("OK", "acquire_read", block, 60000)
    took = (time.monotonic() - started) * 1000
    assert reader.expect("OK", "check_fill", block) == str(expected)
    reader.expect("OK", "release", block)
    return took


def print_bytes(bin_dir, delay_ms):
    for name, times in BYTES_ROWS:
        out, everywhere, rest = bytes_per_committed_byte(bin_dir, delay_ms, times)
        print(f"bytes across the WAN per committed byte, 3 sites of 3, {name}: {out:.2f} from the coordinator's site to the 2 others "
              f"({everywhere:.2f} with all that comes back; at rest {rest / 1000:.0f} kB/s)", flush=True)


def print_commits(bin_dir, delay_ms):
    before, after, floor = commit_latency(bin_dir, delay_ms)
    print(f"commit from the writer's site (p50): {before:.1f} ms with the coordinator far, {after:.1f} ms after it has moved there "
          f"({before / floor:.2f} and {after / floor:.2f} bare round trips of {floor:.1f} ms)", flush=True)


def print_reads(bin_dir, delay_ms):
    for what, (first, crossed, again, floor) in read_latency(bin_dir, delay_ms).items():
        print(f"read of 64 KiB from a site {what} a replica (p50): {first:.1f} ms ({first / floor:.2f} bare round trips of {floor:.1f} ms), "
              f"{crossed:.2f} bytes across the WAN per byte; again while the agent owns it: {again:.2f} ms", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0])
    parser.add_argument("bin", help="folder of the built programs")
    parser.add_argument("--only", choices=["bytes", "commits", "reads"], help="one of the three measurements")
    parser.add_argument("--delay-ms", type=float, default=20, help="one way, between any two sites (default: 20)")
    options = parser.parse_args()
    missing = wan_bed.available()
    if missing:
        print(f"wan_bench is skipped: {missing}")
        return
    delay = options.delay_ms
    print(f"{delay:g} ms one way between sites, {2 * delay:g} ms round trip", flush=True)
    for name, measure in (("bytes", print_bytes), ("commits", print_commits), ("reads", print_reads)):
        if options.only in (None, name):
            measure(options.bin, delay)


if __name__ == "__main__":
    sys.exit(main())
