#!/usr/bin/env python3
"""The rules of the house that a program can check. Prints every offence as FILE:LINE: what; exit code 1 if there is one."""

import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# Lower layers have lower numbers. A file includes its own layer and those below.
LAYERS = [
    ("juxmem/include", 0),
    ("juxmem/base", 0),
    ("juxmem/wire", 1),
    ("groups", 2),
    ("consistency", 3),
    ("juxmem/storage", 4),
    ("juxmem/env", 4),
    ("juxmem/provider", 5),
    ("juxmem/client", 6),
    ("dbjux", 7),
    ("apps", 8),
    ("tests", 9),
]
LINES_MAX = 600
SOURCE = (".h", ".cc", ".c")
TEXT = SOURCE + (".py", ".sh", ".cmake", ".txt", ".md", ".fbs", ".def", ".1", ".8", "Makefile", "run")
TOP_FOLDERS = ["apps", "consistency", "dbjux", "groups", "grid5000", "juxmem", "tests"]
DOCUMENTS = ["README.md", "ARCHITECTURE.md", "GLOSSARY.md", "BENCHMARKS.md", "LICENSE"]

# What a pure core must not touch.
IMPURE = re.compile(
    r"#include <(thread|mutex|chrono|random|fstream|iostream|atomic|condition_variable|future|unordered_map|unordered_set"
    r"|sys/.*|unistd\.h|pthread\.h|zmq.*|ctime|time\.h)>")
PURE = ("consistency/", "groups/")

UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
# Folders of one person's machine.
MACHINE_PATH = re.compile(r"(/home/|/root/|/wo" r"rk/|/Users/)")


def files_of_project():
    names = []
    if shutil.which("git"):
        listed = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached"], cwd=ROOT, capture_output=True,
                                check=False)
        names = [name for name in listed.stdout.decode().split("\0") if name]
    if not names:  # a tarball
        for folder, folders, files in os.walk(ROOT):
            folders[:] = [f for f in folders if not f.startswith((".git", "build", "out"))]
            names += [os.path.relpath(os.path.join(folder, f), ROOT) for f in files]
    return sorted(n for n in names if os.path.isfile(os.path.join(ROOT, n)))


def layer_of(path):
    best = None
    for prefix, layer in LAYERS:
        if path.startswith(prefix + "/") and (best is None or len(prefix) > len(best[0])):
            best = (prefix, layer)
    return best[1] if best else None


class Checker:
    def __init__(self):
        self.offences = []

    def report(self, path, line, what):
        self.offences.append(f"{path}:{line}: {what}")

    def check_include(self, path, number, line):
        match = re.match(r'\s*#include "([^"]+)"', line)
        if not match:
            return
        included = match.group(1)
        below, own = layer_of(included), layer_of(path)
        if below is None:
            if "/" in included and os.path.isdir(os.path.join(ROOT, included.split("/")[0])):
                self.report(path, number, f"{included} belongs to no layer")
            return
        if own is not None and below > own:
            self.report(path, number, f"{included} is in a layer above: includes point down only")

    def check_file(self, path):
        with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as file:
            lines = file.read().split("\n")
        if path.endswith(SOURCE) and len(lines) > LINES_MAX + 1:
            self.report(path, len(lines), f"more than {LINES_MAX} lines: look for the second idea in it")
        pure = path.startswith(PURE) and path.endswith(SOURCE)
        for number, line in enumerate(lines, 1):
            if path.endswith(SOURCE):
                self.check_include(path, number, line)
            if pure and IMPURE.search(line):
                self.report(path, number, "a pure core has no clock, thread, file, randomness or unordered container")
            if path.endswith((".h",)) and number == 1 and "C++" not in line and not line.startswith(("//", "/*", "#pragma")):
                self.report(path, number, "a header begins with what it is for")
            if UNFINISHED.search(line):
                self.report(path, number, "unfinished: " + line.strip())
            if MACHINE_PATH.search(line) and not path.startswith("tests/tidy/"):
                self.report(path, number, "a path of one machine: " + line.strip())

    def check_documents(self):
        for folder in TOP_FOLDERS:
            if not os.path.isfile(os.path.join(ROOT, folder, "README.md")):
                self.report(folder, 1, "a top folder has a README.md")
        for document in DOCUMENTS:
            if not os.path.isfile(os.path.join(ROOT, document)):
                self.report(document, 1, "is missing")

    def check_links(self, path):
        with open(os.path.join(ROOT, path), encoding="utf-8") as file:
            text = file.read()
        for match in re.finditer(r"\]\(([^)#\s]+)\)", text):
            target = match.group(1)
            if "://" in target:
                continue
            if not os.path.exists(os.path.normpath(os.path.join(ROOT, os.path.dirname(path), target))):
                self.report(path, text[: match.start()].count("\n") + 1, f"leads nowhere: {target}")


def main():
    checker = Checker()
    for path in files_of_project():
        if path.endswith(TEXT):
            checker.check_file(path)
        if path.endswith(".md"):
            checker.check_links(path)
    checker.check_documents()
    for offence in checker.offences:
        print(offence)
    return 1 if checker.offences else 0


if __name__ == "__main__":
    sys.exit(main())
