"""A wide-area network on one machine: every site is a network namespace, and `wan_relay` carries the packets between them, each a
stated time later. Inside a site everything is loopback.

    with WanBed(bin_dir, ["rennes", "lyon"], delay_ms=20) as bed:      # 20 ms one way
        bed.run("rennes", [...])                                       # a process there
        bed.address("lyon")                                            # its address, from everywhere
        bed.counts()                                                   # {("rennes", "lyon"): (packets, bytes), ...} so far

Needs root, `ip` (iproute2) and /dev/net/tun; available() says what is missing. Everything disappears with the bed. What a killed one
has left behind is removed by the next: the names of the namespaces contain the process number of their maker.
"""

import ctypes
import os
import re
import select
import signal
import subprocess

LIMIT_S = 30
NAME = re.compile(r"jux-wan-(\d+)-(\d+)$")


def available():
    """Nothing, or why there can be no bed here."""
    if os.geteuid() != 0:
        return "network namespaces and TUN devices need root"
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "/dev/net/tun cannot be opened"
    try:
        probe = f"jux-wan-{os.getpid()}-99"
        ip("netns", "add", probe)
        ip("netns", "del", probe)
    except (OSError, RuntimeError) as error:
        return f"no network namespaces: {error}"
    return None


def ip(*words):
    done = subprocess.run(["ip", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT_S, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stdout.strip()}")
    return done.stdout


def remove(namespace):
    for pid in ip("netns", "pids", namespace).split():
        try:
            os.kill(int(pid), signal.SIGKILL)
        except ProcessLookupError:
            pass
    ip("netns", "del", namespace)


def remove_leftovers():
    """Namespaces whose maker is gone, with the processes in them."""
    for line in ip("netns", "list").splitlines():
        found = NAME.match(line.split()[0]) if line else None
        if found and not os.path.exists(f"/proc/{found.group(1)}"):
            remove(found.group(0))


def end_with_parent():
    ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class WanBed:
    def __init__(self, bin_dir, sites, delay_ms=20.0, mtu=1500):
        remove_leftovers()
        self.sites = list(sites)
        self.relay = None
        self.unread = b""
        self.processes = []
        self.namespaces = {site: f"jux-wan-{os.getpid()}-{number}" for number, site in enumerate(self.sites)}
        try:
            for name in self.namespaces.values():
                ip("netns", "add", name)
            self.relay = subprocess.Popen(
                [os.path.join(str(bin_dir), "wan_relay"), str(int(delay_ms * 1000)),
                 *(f"{self.namespaces[site]}={self.address(site)}" for site in self.sites)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, preexec_fn=end_with_parent)
            if self.read_line() != "ready":
                raise RuntimeError("wan_relay did not start")
            for site, name in self.namespaces.items():
                ip("-n", name, "addr", "add", f"{self.address(site)}/24", "dev", "wan0")
                ip("-n", name, "link", "set", "wan0", "mtu", str(mtu), "up")
                ip("-n", name, "link", "set", "lo", "up")
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def address(self, site):
        return f"10.78.0.{self.sites.index(site) + 1}"

    def command(self, site, words):
        """The words, to be run in that site. `ip` becomes the program: the process number is the program's."""
        return ["ip", "netns", "exec", self.namespaces[site], *map(str, words)]

    def run(self, site, words, **options):
        process = subprocess.Popen(self.command(site, words), preexec_fn=end_with_parent, **options)
        self.processes.append(process)
        return process

    def set_delay(self, delay_ms):
        """One way, for all directions, from now on."""
        self.ask(f"delay {int(delay_ms * 1000)}")

    def counts(self):
        """Packets and bytes (of IP) since the beginning, by direction."""
        names = {self.address(site): site for site in self.sites}
        rows = [line.split() for line in self.ask("count")]
        return {(names[row[0]], names[row[1]]): (int(row[2]), int(row[3])) for row in rows}

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(LIMIT_S)
        if self.relay is not None:
            self.relay.stdin.close()
            try:
                self.relay.wait(LIMIT_S)
            except subprocess.TimeoutExpired:
                self.relay.kill()
            self.relay = None
        existing = ip("netns", "list")
        for name in self.namespaces.values():
            if re.search(rf"^{name}\b", existing, re.MULTILINE):
                remove(name)
        self.namespaces = {}

    def ask(self, command):
        self.relay.stdin.write((command + "\n").encode())
        lines = []
        while (line := self.read_line()) != ".":
            lines.append(line)
        return lines

    def read_line(self):
        while b"\n" not in self.unread:
            ready, _, _ = select.select([self.relay.stdout], [], [], LIMIT_S)
            part = self.relay.stdout.read(65536) if ready else b""
            if not part:
                raise RuntimeError("wan_relay does not answer")
            self.unread += part
        line, self.unread = self.unread.split(b"\n", 1)
        return line.decode()
