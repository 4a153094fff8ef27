"""Garbage on every socket, a full grid, and what killed providers leave behind."""

import os
import pathlib
import random
import signal
import socket
import time

import grid_fixture


def pieces_of_garbage(dice):
    """Raw noise, and noise behind what a ZeroMQ peer would say first."""
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL" + bytes(16) + b"\x00" + bytes(31)
    ready = b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER"
    yield dice.randbytes(1)
    yield dice.randbytes(5000)
    yield greeting
    yield greeting + dice.randbytes(3000)
    yield greeting + ready + b"\x00\x40" + dice.randbytes(64)
    yield greeting + ready + b"\x02\xff\xff\xff\xff\xff\xff\xff\xff"
    for size in (0, 1, 7, 8, 64, 200):
        yield greeting + ready + bytes([0, size]) + dice.randbytes(size)
        yield greeting + ready + bytes([1, size]) + dice.randbytes(size) + bytes([0, size]) + dice.randbytes(size)


def throw(family, address, data):
    with socket.socket(family, socket.SOCK_STREAM) as thrower:
        thrower.settimeout(10)
        try:
            thrower.connect(address)
            thrower.sendall(data)
            thrower.shutdown(socket.SHUT_WR)
            while thrower.recv(65536):
                pass
        except OSError:
            pass  # to be hung up on is a fair answer


def garbage_on_sockets_changes_nothing(grid):
    seed = int(os.environ.get("SEED", "1"))
    print(f"(SEED={seed}) ", end="", flush=True)
    dice = random.Random(seed)
    client = grid.client()
    block = client.number("malloc", 8, 2, 1)
    client.expect("OK", "write", block, 0, 5)
    local = sorted(grid.run_dir.glob("*/agent"))
    assert local, "providers have sockets for local clients"
    for data in pieces_of_garbage(dice):
        for provider in grid.providers.values():
            host, port = provider["address"].removeprefix("tcp://").rsplit(":", 1)
            throw(socket.AF_INET, (host, int(port)), data)
        for path in local:
            throw(socket.AF_UNIX, str(path), data)
    for provider in grid.providers.values():
        os.kill(provider["pid"], 0)
    assert client.number("read", block, 0) == 5
    client.expect("OK", "write", block, 0, 6)
    newcomer = grid.client()
    assert newcomer.number("read", block, 0) == 6


def greedy_client_is_refused_while_another_works(grid):
    agent = sorted(grid.providers)[0]
    greedy, other = grid.client(preferred=agent), grid.client(preferred=agent)
    code, held = "OK", []
    while code == "OK" and len(held) < 1100:
        block = greedy.number("malloc", 8, 1, 1)
        code, _ = greedy.ask("acquire", block, 60000)
        held.append(block)
    assert code == "ELIMIT" and len(held) == 1025, f"{code} after {len(held)} sections"
    _, text = greedy.ask("text")
    assert "sections" in text, text
    block = other.number("malloc", 8, 2, 1)
    for value in range(20):
        other.expect("OK", "write", block, 0, value)
        assert other.number("read", block, 0) == value
    greedy.expect("OK", "release", held[0])
    greedy.expect("OK", "acquire", held[0], 60000)


def full_grid_says_so_and_recovers(grid):
    client = grid.client()
    blocks = []
    for _ in range(1000):
        code, value = client.ask("malloc", 16 << 20, 2, 2)
        if code != "OK":
            break
        blocks.append(int(value))
    assert code == "ENOSPC", f"after {len(blocks)} blocks: {code}"
    assert len(blocks) >= 8, f"only {len(blocks)} blocks fit"
    client.expect("OK", "write", blocks[0], 8, 1)
    client.expect("OK", "free", blocks.pop())
    blocks.append(client.number("malloc", 16 << 20, 2, 2))
    for block in blocks:
        client.expect("OK", "free", block)
    client.number("malloc", 64 << 20, 2, 2)


def killed_providers_leave_nothing(grid):
    shared_memory = {path for path in pathlib.Path("/dev/shm").glob("*juxmem*")}
    assert not shared_memory, f"in /dev/shm: {shared_memory}"
    for provider in grid.providers.values():
        os.kill(provider["pid"], signal.SIGKILL)
    for provider in grid.providers.values():
        wait_for_end(provider["pid"])
    before = set(grid.run_dir.glob("provider-*"))
    assert before, "a killed provider cannot clean up itself"
    grid.tool("grid", "stop", "--dir", grid.grid_dir)
    grid.tool("grid", "start", "--local", "--sites", "rennes:1", "--dir", grid.grid_dir)
    grid.load()
    left = [path for path in before if path.exists()]
    assert not left, f"left after the next start: {left}"
    grid.tool("grid", "stop", "--dir", grid.grid_dir)
    left = list(grid.run_dir.glob("*/*"))
    assert not left, f"left after a clean stop: {left}"


def wait_for_end(pid):
    deadline = time.monotonic() + grid_fixture.LIMIT_S
    while time.monotonic() < deadline:
        try:
            state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return
        if state == "Z":
            return
        os.sched_yield()
    raise AssertionError(f"process {pid} did not end")


grid_fixture.run(
    [
        garbage_on_sockets_changes_nothing,
        greedy_client_is_refused_while_another_works,
        full_grid_says_so_and_recovers,
        killed_providers_leave_nothing,
    ],
    sites="rennes:2,sophia:2",
)
