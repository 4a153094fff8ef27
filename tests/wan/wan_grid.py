"""A grid over a WanBed: so many providers in each site, the first of each a manager; clients there."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "process"))
import grid_fixture  # noqa: E402  (the clients of the process tests)

LIMIT_S = 60
FIRST_PORT = 7400


class WanClient(grid_fixture.Client):
    """A section_tool in a site, with a provider there as its agent."""

    def __init__(self, grid, site, number=1):
        self.process = grid.bed.run(site, [grid.bin_dir / "section_tool"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                    env=grid.environment(site))
        self.buffer = b""
        self.expect("OK", "open", grid.address(site, number), 60000)


class WanGrid:
    def __init__(self, bin_dir, bed, shape, options=()):
        """`shape`: {site: providers}; `options`: of every juxmemd."""
        self.bin_dir = pathlib.Path(bin_dir)
        self.bed = bed
        self.shape = shape
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="jux-wan-"))
        self.providers = []
        managers = ",".join(self.address(site) for site in list(shape)[:3])
        for number in range(1, max(shape.values()) + 1):
            for site in shape:
                if number <= shape[site]:
                    self.start(site, number, managers, options)
        self.wait_until_ready()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def address(self, site, number=1):
        return f"tcp://{self.bed.address(site)}:{FIRST_PORT + number}"

    def environment(self, site):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("JUXMEM_")}
        return {**kept, "JUXMEM_RUN_DIR": str(self.dir / site)}

    def ready_file(self, site, number):
        return self.dir / f"{site}-{number}.ready"

    def start(self, site, number, managers, options):
        (self.dir / site).mkdir(mode=0o700, exist_ok=True)
        words = [self.bin_dir / "juxmemd", "--site", site, "--name", f"{site}-{number}", "--listen", self.address(site, number),
                 "--join", managers, "--memory", "256MiB", "--ready-file", self.ready_file(site, number), *options]
        if number == 1 and site in list(self.shape)[:3]:
            words.append("--manager")
        with open(self.dir / f"{site}-{number}.log", "wb") as log:
            self.providers.append(self.bed.run(site, words, stdout=log, stderr=log, env=self.environment(site)))

    def wait_until_ready(self):
        deadline = time.monotonic() + LIMIT_S
        missing = [(site, number) for site in self.shape for number in range(1, self.shape[site] + 1)]
        while missing:
            missing = [row for row in missing if not self.ready_file(*row).exists()]
            if any(process.poll() is not None for process in self.providers) or time.monotonic() > deadline:
                raise RuntimeError(f"the grid does not start, {missing} are not ready:\n{self.logs()}")
            time.sleep(0.02)
        self.wait_until("every provider is known to be up", self.everybody_is_up)

    def everybody_is_up(self):
        rows = self.status()["providers"]
        return len(rows) == sum(self.shape.values()) and all(row["up"] for row in rows)

    def logs(self):
        return "".join(f"{path.name}: {path.read_text()[-500:]}\n" for path in sorted(self.dir.glob("*.log")))

    def wait_until(self, what, condition):
        deadline = time.monotonic() + LIMIT_S
        while not (found := condition()):
            if time.monotonic() > deadline:
                raise RuntimeError(f"not within {LIMIT_S} s: {what}")
            time.sleep(0.05)
        return found

    def status(self, site=None):
        site = site or next(iter(self.shape))
        done = subprocess.run(self.bed.command(site, [self.bin_dir / "juxmem", "status", "--json", "--grid", self.address(site)]),
                              stdout=subprocess.PIPE, timeout=LIMIT_S, check=True, env=self.environment(site))
        return json.loads(done.stdout)

    def site_of(self, node, status):
        return next((row["site"] for row in status["providers"] if row["node"] == node), None)

    def coordinator_site(self, block):
        """Of the block's group; None while nobody leads it."""
        status = self.status()
        row = next((row for row in status["groups"] if row["group"] == block >> 40), None)
        return self.site_of(row["coordinator"], status) if row else None

    def client(self, site, number=1):
        return WanClient(self, site, number)

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)
