"""Nodes of a grid as network namespaces of this machine, joined by a bridge; a node can be taken off it.

Everything lives in a network and mount namespace of the test's own and disappears with its last process, however that ends. It takes
the right to make namespaces: root, or a kernel that lets every user have some.
"""

import os
import random
import socket
import subprocess
import sys

INSIDE = "JUXMEM_CHAOS_INSIDE"
LIMIT_S = 30


def enter():
    """Runs this program again inside namespaces of its own. Returns whether we are inside."""
    if os.environ.get(INSIDE) == "1":
        return True
    for rights in ([], ["--map-root-user"]):
        words = ["unshare", *rights, "--net", "--mount", "--propagation", "private"]
        try:
            done = subprocess.run([*words, "true"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=LIMIT_S, check=False)
        except FileNotFoundError:
            return False
        if done.returncode == 0:
            os.environ[INSIDE] = "1"
            os.execvp("unshare", [*words, sys.executable, *sys.argv])
    return False


def ip(*words):
    done = subprocess.run(["ip", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT_S, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stdout}")


def free_port(taken):
    """One that nobody uses, below those that the system gives to outgoing connections."""
    while True:
        port = random.SystemRandom().randrange(10000, 32000)
        with socket.socket() as probe:
            if port not in taken and probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


class Loopback:
    """All nodes share the machine's loopback: nothing can be partitioned."""

    can_partition = False

    def __init__(self):
        self.ports = {}

    def add(self, node):
        self.ports[node] = free_port(self.ports.values())

    def address(self, node):
        return f"tcp://127.0.0.1:{self.ports[node]}"

    def command(self, _node, words):
        return words


class Bridge:
    """One namespace per node. This process is on the bridge, too."""

    can_partition = True

    def __init__(self):
        self.hosts = {}
        os.makedirs("/run/netns", exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "none", "/run/netns"], check=True, timeout=LIMIT_S)
        ip("link", "set", "lo", "up")
        for bridge in ("together", "apart"):
            ip("link", "add", bridge, "type", "bridge")
            ip("link", "set", bridge, "up")
        ip("addr", "add", "10.77.0.1/24", "dev", "together")

    def add(self, node):
        number = len(self.hosts) + 2
        self.hosts[node] = number
        ip("netns", "add", node)
        ip("link", "add", f"port{number}", "type", "veth", "peer", "name", "eth0", "netns", node)
        ip("link", "set", f"port{number}", "master", "together", "up")
        for words in (["addr", "add", f"10.77.0.{number}/24", "dev", "eth0"], ["link", "set", "eth0", "up"], ["link", "set", "lo", "up"]):
            ip("-n", node, *words)

    def address(self, node):
        return f"tcp://10.77.0.{self.hosts[node]}:7400"

    def command(self, node, words):
        """The words, to be run on that node. `ip` becomes the program: the process number is the program's."""
        return ["ip", "netns", "exec", node, *words] if node else words

    def isolate(self, node):
        """Its packets reach nobody any more, silently."""
        ip("link", "set", f"port{self.hosts[node]}", "master", "apart")

    def rejoin(self, node):
        ip("link", "set", f"port{self.hosts[node]}", "master", "together")
