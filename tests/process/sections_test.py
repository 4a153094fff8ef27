"""What happens to sections when their holders or providers die or hang."""

import signal

import grid_fixture


def killed_holder_publishes_nothing(grid):
    holder = grid.client()
    block = holder.number("malloc", 100000, 2, 1)
    holder.expect("OK", "map", block)
    holder.section(block, "fill", block, 7)
    holder.expect("OK", "acquire", block, 30000)
    holder.expect("OK", "fill", block, 9)
    holder.kill()
    other = grid.client()
    other.expect("OK", "map", block)
    other.expect("OK", "acquire", block, 60000)
    assert other.number("check_fill", block) == 7, "a section of a dead holder became visible"


def stopped_holder_loses_the_lock(grid):
    holder = grid.client()
    block = holder.number("malloc", 100000, 2, 1)
    holder.expect("OK", "map", block)
    holder.expect("OK", "acquire", block, 30000)
    holder.expect("OK", "fill", block, 7)
    holder.signal(signal.SIGSTOP)
    other = grid.client()
    other.expect("OK", "map", block)
    other.expect("OK", "acquire", block, 60000)
    assert other.number("check_fill", block) == 0
    other.ask("release", block)
    other.section(block, "fill", block, 8)
    holder.signal(signal.SIGCONT)
    holder.expect("EOWNERDEAD", "release", block)
    holder.expect("OK", "acquire", block, 60000)
    assert holder.number("check_fill", block) == 8, "the loser must see the winner's content"


def killed_agent_loses_the_section_and_the_client_goes_on(grid):
    client = grid.client(preferred="sophia-3")
    block = client.number("malloc", 8, 2, 3)
    client.expect("OK", "map", block)
    client.section(block, "set", block, 1)
    client.expect("OK", "acquire", block, 30000)
    client.expect("OK", "set", block, 2)
    grid.signal("sophia-3", signal.SIGKILL)
    code, _ = client.ask("release", block)
    assert code in ("EOWNERDEAD", "OK"), code
    last = 2 if code == "OK" else 1
    client.expect("OK", "acquire", block, 60000)
    assert client.number("get", block) == last


def count(grid, events):
    """Three clients at three agents count in turns; events: turn -> (provider, signal)."""
    clients = [grid.client(preferred=name) for name in ("rennes-2", "sophia-1", "sophia-2")]
    block = clients[0].number("malloc", 8, 2, 3)
    for client in clients:
        client.expect("OK", "map", block)
    acknowledged = 0
    undecided = 0
    for turn in range(60):
        if turn in events:
            grid.signal(*events[turn])
        client = clients[turn % len(clients)]
        code, _ = client.ask("acquire", block, 60000)
        assert code == "OK", f"turn {turn}: acquire answers {code}"
        client.number("add", block, 1)
        code, _ = client.ask("release", block)
        acknowledged += code == "OK"
        undecided += code == "EAGAIN"
        assert code in ("OK", "EOWNERDEAD", "EAGAIN"), f"turn {turn}: release answers {code}"
    counted = clients[1].number("read", block, 0)
    assert acknowledged <= counted <= acknowledged + undecided, f"{counted} counted, {acknowledged} acknowledged"


def counting_survives_killed_providers(grid):
    count(grid, {20: ("rennes-2", signal.SIGKILL), 40: ("sophia-3", signal.SIGKILL)})


def counting_survives_a_provider_that_hangs(grid):
    count(grid, {10: ("sophia-1", signal.SIGSTOP), 40: ("sophia-1", signal.SIGCONT)})


def no_quorum_is_an_answer(grid):
    client = grid.client(preferred="rennes-1", limit_ms=3000)
    block = client.number("malloc", 8, 2, 3)
    client.expect("OK", "write", block, 0, 5)
    for name in ("sophia-1", "sophia-2", "sophia-3"):
        grid.signal(name, signal.SIGSTOP)
    code, _ = client.ask("write", block, 0, 6)
    assert code in ("EAGAIN", "ETIMEDOUT"), code
    for name in ("sophia-1", "sophia-2", "sophia-3"):
        grid.signal(name, signal.SIGCONT)
    for _ in range(20):
        code, _ = client.ask("write", block, 0, 7)
        if code == "OK":
            break
    assert code == "OK", f"after the quorum is back: {code}"
    assert client.number("read", block, 0) == 7


grid_fixture.run(
    [
        killed_holder_publishes_nothing,
        stopped_holder_loses_the_lock,
        killed_agent_loses_the_section_and_the_client_goes_on,
        counting_survives_killed_providers,
        counting_survives_a_provider_that_hangs,
        no_quorum_is_an_answer,
    ],
    sites="rennes:3,sophia:3",
)
