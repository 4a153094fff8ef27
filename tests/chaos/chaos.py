#!/usr/bin/env python3
"""Real providers and clients while things go wrong: chaos.py FOLDER_OF_PROGRAMS [--minutes N] [--seed S]

Clients do sections on counters, registers and blocks of many pages and write down what they did. Meanwhile providers are killed, stopped
and partitioned off, drained, started again and added; clients are killed and stopped. One provider at a time is in trouble, which the
copies of every block survive; now and then, announced, so many are stopped that nothing can go on, or, where they have data folders, all are
killed: blocks on disk are there again, those in memory are forgotten and say so. The histories must be linearizable, every acknowledged
section must be there at the end, nobody may end by himself, and the grid must be whole again after each fault."""

import argparse
import collections
import itertools
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import chaos_disk
import chaos_faults
import chaos_grid
import chaos_net
from chaos_grid import Failed

# Site, providers, of which managers. Groups of the shapes below have room to heal in their sites.
SITES = [("rennes", 4, 3), ("sophia", 2, 1), ("nancy", 2, 1)]
SHAPES = [(1, 3), (3, 1)]
KINDS = [("counter", 3), ("register", 3), ("pages", 2), ("large", 1)]
GENERATION_S = 8  # so long clients work on the same blocks: the histories of blocks stay short enough to be judged
EXTRAS_MAX = 2
LONG_S = 3
ENVIRONMENT = {"JUXMEM_HEAL_AFTER_MS": "1000"}


class Blocks:
    """The blocks the clients work on: every generation is read once more and freed when all clients have left it."""

    def __init__(self, grid, clients, folder):
        self.grid, self.clients, self.folder = grid, clients, folder
        self.durabilities = ["memory"] if grid.disks is None else ["memory", "disk"]
        self.generation = 0
        self.waiting = collections.deque()  # (generation, blocks)
        self.words = []
        self.in_memory = set()
        self.forgotten = set()
        self.began = 0.0

    def tick(self, numbers):
        if time.monotonic() - self.began >= GENERATION_S:
            self.next_generation()
        while self.waiting and all(client.switched_to > self.waiting[0][0] for client in self.clients):
            self.retire(self.waiting.popleft()[1], numbers)

    def next_generation(self):
        if self.words:
            self.waiting.append((self.generation, self.words))
        self.generation += 1
        self.words = []
        for durability, (sites, nodes), (kind, count) in itertools.product(self.durabilities, SHAPES, KINDS):
            done = self.client("allocate", kind, count, sites, nodes, durability)
            words = [f"{block}:{kind}" for block in done.stdout.split()]
            self.words += words
            if durability == "memory":
                self.in_memory.update(words)
        for client in self.clients:
            client.give(self.generation, self.words)
        self.began = time.monotonic()

    def power_failed(self):
        """All providers were killed at once: what was in memory is forgotten, and must be, rather than be of some earlier time."""
        self.forgotten |= self.in_memory
        self.in_memory = set()

    def retire(self, words, numbers):
        number = next(numbers)
        kept = [word for word in words if word not in self.forgotten]
        forgotten = [word for word in words if word in self.forgotten]
        if kept:
            self.client("last", self.folder / f"last-{number}.history", number, *kept)
            self.client("free", *(word.split(":")[0] for word in kept))
        if forgotten:
            self.client("forgotten", *(word.split(":")[0] for word in forgotten))
        self.in_memory -= set(kept)

    def client(self, what, *words):
        return self.grid.run(self.grid.bin_dir / "chaos_client", what, self.grid.uri(), *words, limit_s=300)

    def finish(self, numbers):
        """When the clients have ended."""
        for _, words in self.waiting:
            self.retire(words, numbers)
        self.retire(self.words, numbers)


class Chaos:
    def __init__(self, bin_dir, folder, network, disks, seed):
        self.dice = random.Random(seed)
        self.folder = folder
        self.network = network
        self.disks = disks
        self.grid = chaos_grid.Grid(bin_dir, folder, network, disks, ENVIRONMENT)
        for site, count, managers in SITES:
            for number in range(1, count + 1):
                self.grid.add(f"{site}-{number}", site, number <= managers)
        self.numbers = iter(range(seed % 800 * 10000 + 1, 1 << 23))
        self.clients = [chaos_grid.LoadClient(self.grid, f"{site}-{number}") for site, number in
                        (("rennes", 1), ("rennes", 4), ("sophia", 2), ("nancy", 1), ("nancy", 2))]
        self.blocks = Blocks(self.grid, self.clients, folder)
        self.extras = 0
        self.lost_managers = set()
        self.recoveries = collections.defaultdict(list)  # name of a fault -> seconds from its end until the grid was whole
        self.announced = []  # (from, to) in ns
        self.deck = chaos_faults.Deck(self.dice, self.faults())

    # ---- the run ------------------------------------------------------------------------------------------------

    def run(self, seconds):
        self.grid.start_all()
        self.say("a grid of", len(self.grid.providers), "providers and", len(self.clients), "clients")
        chaos_grid.wait_until_whole(self.grid)
        for client in self.clients:
            self.start_client(client)
        self.blocks.next_generation()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.live(self.dice.uniform(0.5, 2))
            self.one_fault()
        self.say("calm")
        for client in self.clients:
            client.finish()
        self.blocks.finish(self.numbers)

    def faults(self):
        """Every kind that this run can do."""
        fault = chaos_faults.Fault
        faults = [fault("kill provider", self.kill_provider),
                  fault("stop provider", self.lasting("stop {}", self.any_provider, self.halt, self.go_on)),
                  fault("drain provider", self.drain_provider, is_possible=lambda: bool(self.can_be_emptied())),
                  fault("add provider", self.add_provider, is_possible=lambda: self.extras < EXTRAS_MAX),
                  fault("stop the grid", self.stop_the_grid),
                  fault("kill client", self.kill_client, harms_grid=False),
                  fault("stop client", self.lasting("stop {}", self.any_client, chaos_grid.LoadClient.halt, chaos_grid.LoadClient.go_on),
                        harms_grid=False)]
        if self.network.can_partition:
            faults.append(fault("isolate provider", self.lasting("cut {} off", self.any_provider, self.network.isolate, self.network.rejoin)))
        if self.disks is not None:
            faults.append(fault("kill the grid", self.kill_the_grid))
            if self.disks.can_hurt:
                faults += [fault("fill disk", self.lasting("fill the disk of {}", self.any_provider, self.disks.fill, self.disks.clear)),
                           fault("freeze disk", self.lasting("freeze the disk of {}", self.any_provider, self.disks.freeze, self.disks.thaw))]
        return faults

    def lasting(self, text, victims, begin, end):
        return chaos_faults.LastingFault(text, self.dice, victims, begin, end, self.live, self.say).strike

    def one_fault(self):
        fault = self.deck.deal()
        outage_began = fault.strike()
        if not fault.harms_grid:
            return
        took, why = chaos_grid.wait_until_whole(self.grid, len(self.lost_managers))
        if outage_began is not None:
            self.announced.append((outage_began, time.monotonic_ns()))
        self.recoveries[fault.name].append(took)
        self.say(f"whole again after {took:.1f} s" + (f"; until then: {why}" if took >= LONG_S else ""))

    def live(self, seconds):
        """The clients work; nothing is done to the grid."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.grid.check_alive()
            for client in self.clients:
                client.listen()
            self.blocks.tick(self.numbers)
            time.sleep(0.05)

    def say(self, *words):
        print(f"{time.monotonic() - BEGUN:6.1f} s ", *words, flush=True)

    # ---- faults of providers --------------------------------------------------------------------------------------

    def victim(self):
        """One whose loss the root survives, too: it has five managers and cannot replace those that were killed."""
        return self.dice.choice([row.name for row in self.grid.running()
                                 if not self.lost_managers and row.name.startswith("rennes") or not row.is_manager])

    def any_provider(self):
        """For what does not lose a manager for ever. The second one lost in its site would be too many."""
        return self.dice.choice([row.name for row in self.grid.running()
                                 if not (row.is_manager and self.lost_managers and row.site == "rennes")])

    def kill_provider(self):
        name = self.victim()
        if self.grid.providers[name].is_manager and self.disks is None:
            self.lost_managers.add(name)
            self.grid.providers[name].is_manager = False
        away = self.dice.choice([0, self.dice.uniform(0, 2), self.dice.uniform(2, 6)])
        self.say(f"kill {name}, back in {away:.1f} s")
        self.grid.kill(name)
        self.live(away)
        self.grid.start(name)

    def halt(self, name):
        self.grid.signal(name, signal.SIGSTOP)

    def go_on(self, name):
        self.grid.signal(name, signal.SIGCONT)

    def can_be_emptied(self):
        """No managers, and whose groups each find another provider with room in its site: otherwise they stay where they are."""
        status = self.grid.status()
        if status is None:
            return []

        def has_successor(leaving, group):
            members = {member["node"] for member in group["members"]}
            return any(row["site"] == leaving["site"] and row["up"] and row["node"] not in members
                       and row["capacity_bytes"] - row["reserved_bytes"] >= group["quota_bytes"] for row in status["providers"])

        plain = {row.name for row in self.grid.running() if not row.is_manager}
        return [row["name"] for row in status["providers"] if row["name"] in plain
                and all(has_successor(row, group) for group in status["groups"]
                        if row["node"] in {member["node"] for member in group["members"]})]

    def drain_provider(self):
        names = self.can_be_emptied()
        if not names:
            return
        name = self.dice.choice(names)
        self.say(f"drain {name}, switch it off and start it again")
        self.grid.tool("provider", "drain", name, "--wait-s", 100)
        self.grid.terminate(name)
        self.live(self.dice.uniform(0, 2))
        self.grid.start(name)
        if self.disks is not None:  # it is the same provider again
            self.grid.tool("provider", "drain", name, "--cancel")

    def add_provider(self):
        self.extras += 1
        site = self.dice.choice(SITES)[0]
        name = f"{site}-extra-{self.extras}"
        self.say(f"add {name}")
        self.grid.add(name, site)
        self.grid.start(name)

    def stop_the_grid(self):
        """Announced: nothing can be acknowledged meanwhile, and nothing may be lost. Returns when it began."""
        away = self.dice.uniform(0.5, 4)
        self.say(f"stop all providers for {away:.1f} s (announced)")
        begun = time.monotonic_ns()
        names = [row.name for row in self.grid.running()]
        for name in names:
            self.halt(name)
        time.sleep(away)
        self.dice.shuffle(names)
        for name in names:
            self.go_on(name)
        return begun

    def kill_the_grid(self):
        """Announced: all at once, and all again from their disks. Returns when it began."""
        away = self.dice.uniform(0, 2)
        self.say(f"kill all providers, back in {away:.1f} s (announced)")
        begun = time.monotonic_ns()
        names = [row.name for row in self.grid.running()]
        for name in names:
            self.grid.signal(name, signal.SIGKILL)
        for name in names:
            self.grid.end_of(name)
        self.blocks.power_failed()
        time.sleep(away)
        self.dice.shuffle(names)
        for name in names:
            self.grid.start(name)
        return begun

    # ---- clients ------------------------------------------------------------------------------------------------------

    def start_client(self, client):
        number = next(self.numbers)
        client.start(number, self.folder / f"client-{number}.history")
        if self.blocks.words:
            client.give(self.blocks.generation, self.blocks.words)

    def any_client(self):
        return self.dice.choice(self.clients)

    def kill_client(self):
        client = self.any_client()
        self.say(f"kill {client}")
        client.kill()
        self.start_client(client)

    # ---- the judgement ----------------------------------------------------------------------------------------------

    def judge(self):
        windows = [f"--announced={begun}:{ended}" for begun, ended in self.announced]
        done = self.grid.run(self.grid.bin_dir / "chaos_check", *windows, *chaos_grid.histories_in(self.folder), limit_s=900, check=False)
        if done.returncode > 1:
            raise Failed(f"chaos_check: {done.stdout}")
        return json.loads(done.stdout)

    def report(self, facts):
        print(f"\nsections acknowledged   {facts['acknowledged']:9}   on {facts['blocks']} blocks")
        print(f"lost, unknown, refused  {facts['lost']:9}   {facts['unknown']}, {facts['refused']}")
        print(f"forgotten               {len(self.blocks.forgotten):9}   blocks in memory when all providers were killed at once; "
              f"{facts['forgotten']} sections were told")
        print(f"longest section         {facts['longest_section_ms']:9.0f} ms   outside of {len(self.announced)} announced outages")
        print(f"longest stall           {facts['longest_stall_ms']:9.0f} ms   in which no client had a section acknowledged, likewise")
        for name, count in self.deck.dealt.items():
            times = self.recoveries.get(name)
            after = f"   whole again after {sum(times) / len(times):.1f} s on average, {max(times):.1f} s at most" if times else ""
            print(f"{name:23} {count:9}{after}")
        verdict = "linearizable" if not facts["problems"] else "NOT EXPLAINED"
        print(f"history                 {verdict}" + (f", {facts['too_hard']} blocks were too hard to judge" if facts["too_hard"] else ""))
        for problem in facts["problems"]:
            print("  " + problem)

    def show_logs(self):
        for provider in self.grid.providers.values():
            print(f"--- {provider.name}\n{self.grid.last_words(provider)}", file=sys.stderr)

    def end(self):
        for client in self.clients:
            if client.process is not None and client.process.poll() is None:
                client.process.kill()
        self.grid.stop()
        if self.disks is not None:
            self.disks.end()


def run_each(options, seed):
    """Grids without and with data folders, one after the other; each has half of the time."""
    codes = []
    for kept in ("memory", "disk"):
        words = [options.programs, "--minutes", f"{options.minutes / 2:g}", "--seed", str(seed), "--kept", kept]
        codes.append(subprocess.run([sys.executable, *sys.argv[:1], *words], check=False).returncode)
        print(flush=True)
    return max(codes)


def run_one(options, seed):
    partitions = chaos_net.enter()
    print(f"blocks kept in memory{'' if options.kept == 'memory' else ' and on disk'}, seed {seed}; again: {sys.argv[0]} {options.programs} "
          f"--minutes {options.minutes:g} --seed {seed} --kept {options.kept}", flush=True)
    if not partitions:
        print("no right to make network namespaces (be root): partitions are left out", flush=True)
    network = chaos_net.Bridge() if partitions else chaos_net.Loopback()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="jux-chaos-"))
    disks = chaos_disk.Disks(folder, partitions) if options.kept == "disk" else None
    chaos = Chaos(pathlib.Path(options.programs).resolve(), folder, network, disks, seed)
    if disks is not None and not disks.can_hurt:
        print("no right to mount (be root): no disk is filled or frozen", flush=True)
    good = False
    try:
        chaos.run(options.minutes * 60)
        facts = chaos.judge()
        chaos.report(facts)
        good = not facts["problems"] and not facts["too_hard"]
    except Failed as problem:
        print(f"FAILED: {problem}", flush=True)
        chaos.show_logs()
    finally:
        chaos.end()
    if good:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"histories and logs: {folder}")
    return 0 if good else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", help="folder with juxmemd, juxmem, chaos_client and chaos_check")
    parser.add_argument("--minutes", type=float, default=10, help="how long faults are made (10)")
    parser.add_argument("--seed", type=int, default=None, help="of the nemesis and the clients (default: a new one)")
    parser.add_argument("--kept", choices=["memory", "disk", "both"], default="both",
                        help="a grid without data folders, one with them and blocks of both kinds, or both (one after the other)")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else int(os.environ.get("SEED", time.time_ns() % 100000))
    sys.exit(run_each(options, seed) if options.kept == "both" else run_one(options, seed))


BEGUN = time.monotonic()
if __name__ == "__main__":
    main()
