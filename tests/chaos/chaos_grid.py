"""The processes of a chaos run: providers on nodes, and clients that write their histories."""

import json
import os
import pathlib
import select
import signal
import subprocess
import time

LIMIT_S = 120


class Failed(Exception):
    """What the run has found wrong."""


class Provider:
    def __init__(self, name, site, is_manager):
        self.name, self.site, self.is_manager = name, site, is_manager
        self.process = None
        self.lives = 0
        self.node = None  # of its present life, once a status has told
        self.started_at = 0.0


class Grid:
    """Providers, one per node of the network; what goes wrong with them is up to the caller."""

    def __init__(self, bin_dir, folder, network, disks, environment):
        """`disks`: None keeps everything in memory."""
        self.bin_dir, self.folder, self.network, self.disks = bin_dir, folder, network, disks
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("JUXMEM_")}
        self.environment.update(environment, JUXMEM_RUN_DIR=str(folder / "run"))
        self.providers = {}
        self.managers = ""
        self.gone = set()  # nodes whose process was killed or switched off; no group may count on them

    def add(self, name, site, is_manager=False):
        self.network.add(name)
        if self.disks is not None:
            self.disks.add(name)
        self.providers[name] = Provider(name, site, is_manager)

    def start_all(self):
        self.managers = ",".join(self.network.address(row.name) for row in self.providers.values() if row.is_manager)
        for name in self.providers:
            self.start(name)

    def start(self, name):
        provider = self.providers[name]
        provider.lives += 1
        provider.started_at = time.monotonic()
        words = [str(self.bin_dir / "juxmemd"), "--name", name, "--site", provider.site, "--listen", self.network.address(name),
                 "--join", self.managers, "--memory", "256MiB"]
        if provider.is_manager:
            words.append("--manager")
        if self.disks is not None:
            words += ["--data", str(self.disks.path(name))]
        with open(self.log_of(provider), "wb") as log:
            provider.process = subprocess.Popen(self.network.command(name, words), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                env=self.environment)

    def log_of(self, provider):
        return self.folder / f"{provider.name}.{provider.lives}.log"

    def signal(self, name, which):
        self.providers[name].process.send_signal(which)

    def kill(self, name):
        self.signal(name, signal.SIGKILL)
        self.end_of(name)

    def terminate(self, name):
        """Switches it off; its exit code must be 0."""
        self.signal(name, signal.SIGTERM)
        code = self.end_of(name)
        if code != 0:
            raise Failed(f"{name}, told to end, ended with code {code}: {self.last_words(self.providers[name])}")

    def end_of(self, name):
        provider = self.providers[name]
        code = provider.process.wait(LIMIT_S)
        provider.process = None
        self.gone.add(provider.node)
        provider.node = None
        return code

    def running(self):
        return [row for row in self.providers.values() if row.process is not None]

    def check_alive(self):
        """Nobody may end unless told to."""
        for provider in self.running():
            if provider.process.poll() is not None:
                raise Failed(f"{provider.name} ended by itself with code {provider.process.returncode}: {self.last_words(provider)}")

    def last_words(self, provider):
        return self.log_of(provider).read_text(errors="replace")[-2000:]

    def uri(self, first=None):
        names = sorted(self.providers, key=lambda name: name != first)
        return ",".join(self.network.address(name) for name in names)

    def run(self, *words, limit_s=LIMIT_S, check=True):
        what = " ".join(map(str, words[:3]))
        try:
            done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  timeout=limit_s, env=self.environment, check=False)
        except subprocess.TimeoutExpired as late:
            raise Failed(f"{what}: not done within {limit_s} s") from late
        if check and done.returncode != 0:
            raise Failed(f"{what}: exit code {done.returncode}: {done.stdout[-2000:]}")
        return done

    def tool(self, *words, **options):
        return self.run(self.bin_dir / "juxmem", *words, "--grid", self.uri(), **options)

    def status(self):
        """None while nobody answers."""
        done = self.tool("status", "-j", check=False)
        if done.returncode != 0:
            return None
        status = json.loads(done.stdout)
        for row in status["providers"]:
            provider = self.providers.get(row["name"])
            if provider is None or provider.process is None or not row["up"] or not row["answered"]:
                continue
            # A provider that keeps its state on disk may come back under the number of its former life.
            if row["uptime_ms"] <= (time.monotonic() - provider.started_at) * 1000:
                provider.node = row["node"]
                self.gone.discard(row["node"])
        return status

    def stop(self):
        for provider in self.running():
            provider.process.send_signal(signal.SIGCONT)
            provider.process.kill()
            provider.process.wait(LIMIT_S)


def groups_of(status):
    """Every group as its newest coordinator tells of it."""
    found = {}
    for row in status["groups"]:
        known = found.get(row["group"])
        if row["members"] and (known is None or row["epoch"] > known["epoch"]):
            found[row["group"]] = row
    return found.values()


def what_is_missing(grid, status, before, managers_lost):
    """Why the grid is not whole; None if it is: all providers have joined, all members of all data groups are there, none of them is a
    former life, and they have what was decided before; and all managers are there but those that were lost for ever."""
    decided = {row["group"]: row["decided"] for row in groups_of(before)}
    for provider in grid.running():
        if provider.node is None:
            return f"{provider.name} has not joined"
    if not any(row["name"] == "root" for row in groups_of(status)):
        return "nobody leads the root"
    reported = {row["group"] for row in groups_of(status)}
    for row in status["groups"]:
        if row["group"] not in reported:
            return f"nobody leads group {row['group']}"
    for group in groups_of(status):
        if group["name"] == "root":
            away = [member["node"] for member in group["members"] if not member["heard"]]
            if len(away) > managers_lost:
                return f"managers {away} are away"
            continue
        if group["next"]:
            return f"group {group['group']} changes its members"
        if len(group["members"]) != group["sites"] * group["nodes_per_site"]:
            return f"group {group['group']} has {len(group['members'])} members"
        for member in group["members"]:
            if member["node"] in grid.gone:
                return f"group {group['group']}: member {member['node']} is not replaced"
            if not member["heard"] or member["catching_up_percent"] is not None:
                return f"group {group['group']}: member {member['node']} is away or catches up"
            if member["applied"] < decided.get(group["group"], 0):
                return f"group {group['group']}: member {member['node']} is behind"
    return None


def wait_until_whole(grid, managers_lost=0, limit_s=LIMIT_S):
    """Seconds it took, and what was missing last."""
    begun = time.monotonic()
    before, why = None, "nothing"
    while time.monotonic() < begun + limit_s:
        grid.check_alive()
        status = grid.status()
        if status is not None and before is not None:
            missing = what_is_missing(grid, status, before, managers_lost)
            if missing is None:
                return time.monotonic() - begun, why
            why = missing
        before = status
    raise Failed(f"the grid is not whole again after {limit_s} s: {why}")


class LoadClient:
    """One chaos_client on one node; started again under a new number when it was killed."""

    def __init__(self, grid, node):
        self.grid, self.node = grid, node
        self.process = None
        self.switched_to = 0
        self.text = b""

    def start(self, number, history):
        words = [str(self.grid.bin_dir / "chaos_client"), "load", self.grid.uri(self.node), str(history), str(number)]
        self.process = subprocess.Popen(self.grid.network.command(self.node, words), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        env=self.grid.environment)
        self.switched_to, self.text = 0, b""

    def give(self, generation, blocks):
        try:
            self.process.stdin.write(f"{generation} {' '.join(blocks)}\n".encode())
            self.process.stdin.flush()
        except BrokenPipeError as broken:
            raise Failed(f"the client on {self.node} ended by itself") from broken

    def listen(self):
        """Learns which generation of blocks the client works on."""
        while select.select([self.process.stdout], [], [], 0)[0]:
            part = os.read(self.process.stdout.fileno(), 65536)
            if not part:
                raise Failed(f"the client on {self.node} ended by itself with code {self.process.wait(LIMIT_S)}")
            self.text += part
        lines = self.text.split(b"\n")
        self.text = lines.pop()
        if lines:
            self.switched_to = int(lines[-1])

    def kill(self):
        self.process.kill()
        self.process.wait(LIMIT_S)

    def halt(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def __str__(self):
        return f"the client on {self.node}"

    def finish(self):
        self.process.stdin.close()
        code = self.process.wait(LIMIT_S)
        if code != 0:
            raise Failed(f"the client on {self.node} ended with code {code}")


def histories_in(folder):
    return sorted(pathlib.Path(folder).glob("*.history"))
