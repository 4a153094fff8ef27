"""Real grids and clients for the process tests.

Every wait has a limit and ends with an explanation; nothing sleeps for a fixed time, nothing asserts how long something took.
Processes are ended by their numbers only.
"""

import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

LIMIT_S = 120

CODES = {
    "OK": 0, "EINVAL": 1, "ENOSPC": 3, "ENOENT": 4, "EBUSY": 10, "EAGAIN": 11, "ETIMEDOUT": 12, "EOWNERDEAD": 13,
    "ENOTHELD": 14, "ECONN": 19, "ELIMIT": 23, "EKEY": 27, "ESHAPE": 7, "ELOST": 28,
}
NAMES = {number: name for name, number in CODES.items()}


class Client:
    """One section_tool process."""

    def __init__(self, bin_dir, uri=None, limit_ms=60000, preferred=None, environment=None):
        self.process = subprocess.Popen([str(bin_dir / "section_tool")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        env=environment)
        self.buffer = b""
        if uri is not None:
            addresses = uri.split(",")
            if preferred is not None:
                addresses.remove(preferred)
                addresses.insert(0, preferred)
            self.expect("OK", "open", ",".join(addresses), limit_ms)

    def send(self, *words):
        self.process.stdin.write((" ".join(str(word) for word in words) + "\n").encode())
        self.process.stdin.flush()

    def answer(self, what="the answer"):
        while b"\n" not in self.buffer:
            ready, _, _ = select.select([self.process.stdout], [], [], LIMIT_S)
            if not ready:
                raise AssertionError(f"no answer to {what} within {LIMIT_S} s")
            part = os.read(self.process.stdout.fileno(), 65536)
            if not part:
                raise AssertionError(f"the client ended instead of answering to {what}")
            self.buffer += part
        line, self.buffer = self.buffer.split(b"\n", 1)
        words = line.decode().split(" ", 1)
        code = NAMES.get(int(words[0]), words[0])
        return code, (words[1] if len(words) > 1 else "")

    def ask(self, *words):
        self.send(*words)
        return self.answer(" ".join(str(word) for word in words))

    def expect(self, code, *words):
        got, value = self.ask(*words)
        if got != code:
            _, text = self.ask("text")
            raise AssertionError(f"{' '.join(map(str, words))}: {got} instead of {code}: {text}")
        return value

    def number(self, *words):
        return int(self.expect("OK", *words).split()[0])

    def section(self, block, *change):
        """A whole exclusive section; done again when it is lost, which a machine that stands still may cause."""
        for _ in range(20):
            self.expect("OK", "acquire", block, 60000)
            self.expect("OK", *change)
            code, _ = self.ask("release", block)
            if code == "OK":
                return
            assert code in ("EOWNERDEAD", "EAGAIN"), f"release answers {code}"
        raise AssertionError("20 sections in a row were lost")

    def signal(self, which):
        os.kill(self.process.pid, which)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(LIMIT_S)

    def close(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(LIMIT_S)
            except subprocess.TimeoutExpired:
                self.kill()


def wait_until_gone(pid):
    """Zombies count as gone: whoever started them may not care."""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        try:
            state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":
            return
        time.sleep(0.01)
    raise AssertionError(f"process {pid} is still there")


class Grid:
    """A local grid in a folder of its own."""

    def __init__(self, bin_dir, sites, memory="256MiB", key=False, data=False, prepare=None):
        self.bin_dir = bin_dir
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="jux-"))
        self.run_dir = self.dir / "run"
        self.data = self.dir / "data"
        if prepare is not None:
            prepare(self.data)
        os.environ["JUXMEM_RUN_DIR"] = str(self.run_dir)
        os.environ.pop("JUXMEM_GRID", None)
        os.environ.pop("JUXMEM_KEY_FILE", None)
        self.clients = []
        self.started = []  # by this test itself
        self.start_words = ["grid", "start", "--local", "--sites", sites, "--memory", memory, "--dir", self.grid_dir,
                            *(["--key"] if key else []), *(["--data", self.data] if data else [])]
        self.tool(*self.start_words)
        if key:
            os.environ["JUXMEM_KEY_FILE"] = str(self.grid_key)
        self.load()

    @property
    def grid_dir(self):
        return self.dir / "grid"

    @property
    def grid_key(self):
        return self.grid_dir / "grid.key"

    def load(self):
        description = json.loads((self.grid_dir / "grid.json").read_text())
        self.uri = description["uri"]
        self.providers = {row["name"]: row for row in description["providers"]}

    def tool(self, *words, check=True):
        done = subprocess.run([str(self.bin_dir / "juxmem"), *map(str, words)], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=LIMIT_S, text=True)
        if check and done.returncode != 0:
            self.show_logs()
            raise AssertionError(f"juxmem {' '.join(map(str, words))}: exit code {done.returncode}\n{done.stdout}")
        return done

    def client(self, preferred=None, limit_ms=60000):
        address = self.providers[preferred]["address"] if preferred else None
        client = Client(self.bin_dir, self.uri, limit_ms, address)
        self.clients.append(client)
        return client

    def kill_all(self):
        """As when the power fails, though what the system has in its cache stays."""
        for row in self.providers.values():
            os.kill(row["pid"], signal.SIGKILL)
        for row in self.providers.values():
            wait_until_gone(row["pid"])

    def restart_provider(self, name):
        """Kills one provider and starts it with the same command line; returns when it is ready."""
        pid = self.providers[name]["pid"]
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")[:-1]
        os.kill(pid, signal.SIGKILL)
        wait_until_gone(pid)
        with open(self.grid_dir / f"{name}.log", "ab") as log:
            started = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        self.started.append(started)
        assert json.loads(started.stdout.readline())["ready"]
        self.providers[name]["pid"] = started.pid

    def start_again(self):
        self.tool(*self.start_words)
        self.load()

    def signal(self, name, which):
        os.kill(self.providers[name]["pid"], which)

    def status(self):
        return json.loads(self.tool("status", "-j", "--grid", self.uri).stdout)

    def show_logs(self):
        for log in sorted(self.grid_dir.glob("*.log")):
            print(f"--- {log.name}\n{log.read_text()[-3000:]}", file=sys.stderr)

    def stop(self):
        for client in self.clients:
            try:
                client.signal(signal.SIGCONT)
            except ProcessLookupError:
                pass
            client.kill()
        for name in self.providers:
            try:
                self.signal(name, signal.SIGCONT)
            except ProcessLookupError:
                pass
        if (self.grid_dir / "grid.json").exists():
            self.tool("grid", "stop", "--dir", self.grid_dir)
        for process in self.started:
            process.kill()
            process.wait()

    def remove(self):
        for disk in self.data.glob("*"):
            if disk.is_mount():
                subprocess.run(["umount", disk], timeout=LIMIT_S, check=False)
        shutil.rmtree(self.dir, ignore_errors=True)


def run(tests, sites, **options):
    """Runs test functions one after the other, each on a fresh grid. argv: the folder of the programs [test name]."""
    bin_dir = pathlib.Path(sys.argv[1]).resolve()
    chosen = sys.argv[2:]
    failed = []
    for test in tests:
        if chosen and test.__name__ not in chosen:
            continue
        print(f"{test.__name__} ... ", end="", flush=True)
        grid = None
        try:
            grid = Grid(bin_dir, sites, **options)
            test(grid)
            print("ok", flush=True)
        except Exception as problem:  # every kind of failure is a failed test
            print(f"FAILED: {problem}", flush=True)
            failed.append(test.__name__)
            if grid is not None:
                grid.show_logs()
        finally:
            if grid is not None:
                grid.stop()
                grid.remove()
    if failed:
        print(f"replay: {sys.executable} {' '.join(sys.argv[:2])} {' '.join(failed)}")
    sys.exit(1 if failed else 0)
