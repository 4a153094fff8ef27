#!/usr/bin/env python3
"""The mutation check: builds the simulators with the known bugs of mutants.def compiled in, switches them on one at a time, and
expects each to be found within the number of seeds written there.

mutants.py BUILD [SIMULATOR|BUG ...]    (all bugs if none is named)
"""

import concurrent.futures
import os
import re
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SOUND_SEEDS = "1..20"  # without a bug switched on, nothing may be found
LIMIT_S = 900


def read_list():
    with open(os.path.join(ROOT, "juxmem/base/mutants.def"), encoding="utf-8") as file:
        rows = re.findall(r'^MUTANT\((\w+),\s*(\w+),\s*(\d+),\s*"(.*)"\)', file.read(), re.MULTILINE)
    return [(name, simulator, int(seeds), what) for name, simulator, seeds, what in rows]


def build(folder, simulators):
    subprocess.run(["cmake", "-S", ROOT, "-B", folder, "-G", "Ninja", "--log-level=WARNING", "-DJUXMEM_MUTANTS=ON",
                    "-DJUXMEM_WITH_MPI=OFF", "-DJUXMEM_WITH_HDF5=OFF"], check=True)
    subprocess.run(["ninja", "-C", folder, "--quiet", *simulators], check=True)


def program_of(folder, simulator):
    for where, _, files in os.walk(os.path.join(folder, "tests", "sim")):
        if simulator in files:
            return os.path.join(where, simulator)
    sys.exit(f"mutants.py: {simulator} was not built")


def run(command):
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    return done.returncode, done.stdout + done.stderr, time.monotonic() - started


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    folder = os.path.abspath(sys.argv[1])
    mutants = read_list()
    known = sorted({simulator for _, simulator, _, _ in mutants})
    words = set(sys.argv[2:])
    unknown = words - set(known) - {name for name, _, _, _ in mutants}
    if unknown:
        sys.exit(f"mutants.py: neither a simulator ({', '.join(known)}) nor a known bug: {', '.join(sorted(unknown))}")
    chosen = [mutant for mutant in mutants if not words or words & set(mutant[:2])]
    simulators = sorted({simulator for _, simulator, _, _ in chosen})
    build(folder, simulators)
    programs = {simulator: program_of(folder, simulator) for simulator in simulators}

    failures = []
    for simulator in simulators:
        code, text, _ = run([programs[simulator], "--seeds", SOUND_SEEDS, "--quiet"])
        if code != 0:
            failures.append(f"{simulator} finds something without any bug switched on:\n{text}")

    with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, min(2, os.cpu_count() or 1))) as pool:
        runs = [pool.submit(run, [programs[s], "--mutant", name, "--seeds", str(seeds), "--quiet"]) for name, s, seeds, _ in chosen]
        for (name, simulator, seeds, what), future in zip(chosen, runs):
            code, text, seconds = future.result()
            seed = re.search(r"seed (\d+)", text)
            found = code == 1 and seed is not None
            at = f"seed {seed.group(1)} of {seeds}" if found else f"NOT FOUND in {seeds} seeds (exit code {code})"
            print(f"{name:32} {at:24} {seconds:6.1f} s  {what}", flush=True)
            if not found:
                failures.append(f"{name}: not found; run: {programs[simulator]} --mutant {name} --seeds {seeds}")
    for failure in failures:
        print(failure, file=sys.stderr)
    print(f"{len(chosen) - sum('not found' in f for f in failures)} of {len(chosen)} known bugs found")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
