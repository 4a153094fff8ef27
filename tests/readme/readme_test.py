#!/usr/bin/env python3
"""Runs the README's commands as written: readme_test.py BUILD

Blocks marked ```sh are run one after the other in one shell, with the programs and the library installed in a folder of their own.
Indented `make` commands are not run, but must exist."""

import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LIMIT_S = 240


def main():
    build = os.path.abspath(sys.argv[1])
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        text = file.read()
    with open(os.path.join(ROOT, "Makefile"), encoding="utf-8") as file:
        targets = set(re.findall(r"^([a-z]+):", file.read(), re.MULTILINE))
    unknown = set(re.findall(r"`?\bmake ([a-z]+)`?", " ".join(re.findall(r"^    make .*$|`make [a-z]+`", text, re.MULTILINE)))) - targets
    if unknown:
        sys.exit(f"readme_test: the Makefile has no {', '.join(sorted(unknown))}")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    if not blocks:
        sys.exit("readme_test: the README has no commands")

    folder = tempfile.mkdtemp(prefix="juxmem-readme-")
    try:
        prefix = os.path.join(folder, "usr")
        subprocess.run(["cmake", "--install", build, "--prefix", prefix], check=True, stdout=subprocess.DEVNULL)
        pkgconfig = next(where for where, _, files in os.walk(prefix) if "juxmem.pc" in files)
        os.makedirs(os.path.join(folder, "apps"))
        shutil.copytree(os.path.join(ROOT, "apps/examples"), os.path.join(folder, "apps/examples"))
        environment = {name: value for name, value in os.environ.items() if not name.startswith("JUXMEM_")}
        environment.update(
            PATH=os.path.join(prefix, "bin") + ":" + environment["PATH"],
            PKG_CONFIG_PATH=pkgconfig,
            LD_LIBRARY_PATH=os.path.dirname(pkgconfig),
            JUXMEM_RUN_DIR=os.path.join(folder, "run"))
        # Whatever happens, no provider is left behind.
        script = "set -euxo pipefail\ntrap 'juxmem grid stop 2>/dev/null || true' EXIT\n" + "\n".join(blocks)
        done = subprocess.run(["bash", "-c", script], cwd=folder, env=environment, stdin=subprocess.DEVNULL, timeout=LIMIT_S,
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            print(done.stdout + done.stderr)
            sys.exit(f"readme_test: the commands ended with exit code {done.returncode}")
        for expected in ("written: good evening", "found:   good morning", "rennes-1"):
            if expected not in done.stdout:
                print(done.stdout + done.stderr)
                sys.exit(f"readme_test: '{expected}' was not printed")
        compared = subprocess.run(["h5diff", "-q", "/usr/share/gmt-dcw/dcw-gmt.nc", os.path.join(folder, "world.h5")], check=False)
        if compared.returncode != 0:
            sys.exit("readme_test: h5diff finds a difference between what was imported and exported")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
