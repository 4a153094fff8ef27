"""Who may come in: a grid with a key, and those who have none, a wrong one, a revoked one, the right one."""

import json
import os
import pathlib
import random
import socket
import subprocess

import grid_fixture
from grid_fixture import Client


def client_with(grid, key):
    """A client that shows this key (None: no key); its first word is still to be said."""
    environment = {name: value for name, value in os.environ.items() if name != "JUXMEM_KEY_FILE"}
    if key is not None:
        environment["JUXMEM_KEY_FILE"] = str(key)
    client = Client(grid.bin_dir, environment=environment)
    grid.clients.append(client)
    return client


def user_key(grid, name):
    public = grid.dir / "grid.pub"
    if not public.exists():
        public.write_text(grid.tool("key", "show", grid.grid_key).stdout)
    path = grid.dir / f"{name}.key"
    grid.tool("key", "new", path, "--user", name, "--of", public)
    return path


def refused(grid, client, what):
    code, _ = client.ask("open", grid.uri, 10000)
    assert code == "EKEY", f"{what}: {code}"
    _, text = client.ask("text")
    assert "key" in text, text


def only_admitted_keys_come_in(grid):
    refused(grid, client_with(grid, None), "no key")
    other = grid.dir / "other.key"
    grid.tool("key", "new", other)
    refused(grid, client_with(grid, other), "another grid's key")
    alice = user_key(grid, "alice")
    refused(grid, client_with(grid, alice), "a key that is not admitted")
    grid.tool("key", "admit", grid.grid_key, alice)
    inside = client_with(grid, alice)
    inside.expect("OK", "open", grid.uri, 60000)
    block = inside.number("malloc", 8, 2, 1)
    inside.expect("OK", "write", block, 0, 5)
    owner = client_with(grid, grid.grid_key)
    owner.expect("OK", "open", grid.uri, 60000)
    assert owner.number("read", block, 0) == 5


def revoked_key_is_put_out_while_others_work(grid):
    alice, bob = user_key(grid, "alice"), user_key(grid, "bob")
    for key in (alice, bob):
        grid.tool("key", "admit", grid.grid_key, key)
    first, second = client_with(grid, alice), client_with(grid, bob)
    for client in (first, second):
        client.expect("OK", "open", grid.uri, 60000)
    block = first.number("malloc", 8, 2, 1)
    first.expect("OK", "map", block)
    first.expect("OK", "acquire", block, 60000)
    grid.tool("key", "revoke", grid.grid_key, "alice")
    assert grid.tool("key", "list", grid.grid_key).stdout.split() == ["bob"]
    # What the revoked one held is free for the others, and nothing of his is published.
    second.expect("OK", "write", block, 0, 7)
    code, _ = first.ask("release", block)
    assert code in ("EOWNERDEAD", "EAGAIN", "EKEY"), code
    code, _ = first.ask("write", block, 0, 8)
    assert code in ("EKEY", "EAGAIN"), code
    assert second.number("read", block, 0) == 7
    refused(grid, client_with(grid, alice), "a revoked key")
    grid.tool("key", "admit", grid.grid_key, alice)
    client_with(grid, alice).expect("OK", "open", grid.uri, 60000)


def local_client_needs_no_key(grid):
    sockets = sorted(grid.run_dir.glob("*/agent"))
    client = client_with(grid, None)
    client.expect("OK", "open", f"ipc://{sockets[0]}", 60000)
    block = client.number("malloc", 8, 1, 1)
    client.expect("OK", "write", block, 0, 3)
    assert all(path.stat().st_mode & 0o077 == 0 for path in grid.run_dir.glob("provider-*"))


def garbage_before_the_handshake_changes_nothing(grid):
    seed = int(os.environ.get("SEED", "1"))
    print(f"(SEED={seed}) ", end="", flush=True)
    dice = random.Random(seed)
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"CURVE" + bytes(15) + b"\x00" + bytes(31)
    client = client_with(grid, grid.grid_key)
    client.expect("OK", "open", grid.uri, 60000)
    block = client.number("malloc", 8, 2, 1)
    for data in (dice.randbytes(3000), greeting, greeting + dice.randbytes(3000),
                 greeting + b"\x04\xc8\x05HELLO\x01\x00" + dice.randbytes(193),
                 greeting + b"\x04\xc8\x08INITIATE" + dice.randbytes(192)):
        for provider in grid.providers.values():
            host, port = provider["address"].removeprefix("tcp://").rsplit(":", 1)
            with socket.create_connection((host, int(port)), 10) as thrower:
                try:
                    thrower.sendall(data)
                except OSError:
                    pass  # to be hung up on is a fair answer
    client.expect("OK", "write", block, 0, 6)
    for provider in grid.providers.values():
        os.kill(provider["pid"], 0)


def keys_are_in_no_log_and_no_command_line(grid):
    client = client_with(grid, grid.grid_key)
    client.expect("OK", "open", grid.uri, 60000)
    refused(grid, client_with(grid, user_key(grid, "mallory")), "not admitted")
    secret = next(line.split()[1] for line in grid.grid_key.read_text().splitlines() if line.startswith("secret "))
    public = next(line.split()[1] for line in grid.grid_key.read_text().splitlines() if line.startswith("public "))
    shown = [path.read_text() for path in grid.grid_dir.glob("*.log")] + [(grid.grid_dir / "grid.json").read_text()]
    for provider in grid.providers.values():
        for name in ("cmdline", "environ"):
            shown.append(pathlib.Path(f"/proc/{provider['pid']}/{name}").read_text())
    assert any("not admitted" in text for text in shown), "a refusal is logged"
    for text in shown:
        assert secret not in text and public not in text
    assert secret not in grid.tool("key", "show", grid.grid_key).stdout
    assert secret not in grid.tool("doctor", "--grid", grid.uri).stdout


def one_key_does_not_take_all_places(grid):
    ready = grid.dir / "ready"
    strict = subprocess.Popen([str(grid.bin_dir / "juxmemd"), "--name", "strict", "--site", "rennes", "--memory", "64MiB", "--join",
                               grid.uri, "--key-file", str(grid.grid_key), "--user-clients-max", "2", "--ready-file", str(ready)],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        address = json.loads(strict.stdout.readline())["address"]
        for name in ("mallory", "alice"):
            key = grid.dir / f"{name}.key"
            grid.tool("key", "admit", grid.grid_key, key if key.exists() else user_key(grid, name))
        greedy = [client_with(grid, grid.dir / "mallory.key") for _ in range(3)]
        for client in greedy[:2]:
            client.expect("OK", "open", address, 60000)
        # Another process, another name, the same key.
        code, _ = greedy[2].ask("open", address, 3000)
        assert code == "ECONN", code
        _, text = greedy[2].ask("text")
        assert "of one key" in text, text
        other = client_with(grid, grid.dir / "alice.key")
        other.expect("OK", "open", address, 60000)
        block = other.number("malloc", 8, 1, 1)
        other.expect("OK", "write", block, 0, 4)
        assert greedy[0].number("read", block, 0) == 4
    finally:
        strict.kill()
        strict.wait()


def doctor_names_the_failing_step(grid):
    report = grid.tool("doctor", "--grid", grid.uri).stdout
    assert "grid's own key" in report, report
    os.environ["JUXMEM_KEY_FILE"] = str(user_key(grid, "eve"))
    report = grid.tool("doctor", "--grid", grid.uri, check=False)
    assert report.returncode == 1 and "failed: admission" in report.stdout, report.stdout
    pathlib.Path(os.environ["JUXMEM_KEY_FILE"]).chmod(0o644)
    report = grid.tool("doctor", "--grid", grid.uri, check=False)
    assert report.returncode == 1 and "chmod 600" in report.stdout, report.stdout
    os.environ["JUXMEM_KEY_FILE"] = str(grid.grid_key)


grid_fixture.run(
    [
        only_admitted_keys_come_in,
        revoked_key_is_put_out_while_others_work,
        local_client_needs_no_key,
        garbage_before_the_handshake_changes_nothing,
        keys_are_in_no_log_and_no_command_line,
        one_key_does_not_take_all_places,
        doctor_names_the_failing_step,
    ],
    sites="rennes:2,sophia:1",
    key=True,
)
