#!/usr/bin/env python3
"""What of format/ and engine/ the tests ran, by line and branch, from a build of the preset "coverage".

  coverage.py BUILD LISTED [--lines] [--require] [FILE...]

BUILD is the build's directory, LISTED the page that gives a reason for each function with lines that are not reached
(tests/coverage.md). Prints a line per file, the sums, and what is not reached and not listed; with --lines all that is
not reached, text included, of the files named (of all, if none is). With --require it exits with 1 if a sum is below what
is promised or something is not listed.

Counted is every line and every branch that gcc makes code of, in .c files and headers, of a build without optimisation.
Of branches one kind is left out: those of assert(), whose other side is a bug and ends the program. Nothing else is left
out, and no line is.
"""

import collections
import json
import os
import re
import subprocess
import sys

LAYERS = ("format", "engine")
PROMISED = {"format": (100.0, 95.0), "engine": (95.0, 0.0)}  # lines, branches, per cent


class Line:
    def __init__(self):
        self.count = 0
        self.function = ""
        self.branches = {}  # (function, number) -> count


def gcov(build, root):
    """{file: {line: Line}} of what lies below the layers."""
    files = collections.defaultdict(lambda: collections.defaultdict(Line))
    for layer in LAYERS:
        objects = os.path.join(build, "CMakeFiles", f"varve_{layer}.dir", layer)
        notes = sorted(os.path.join(objects, name) for name in os.listdir(objects) if name.endswith(".gcno"))
        told = subprocess.run(["gcov", "--json-format", "--branch-probabilities", "--stdout", *notes],
                              capture_output=True, text=True, check=True).stdout
        for document in told.splitlines():
            for file in json.loads(document)["files"]:
                path = os.path.relpath(os.path.realpath(file["file"]), root)
                if path.split(os.sep)[0] not in LAYERS:
                    continue
                take(files[path], file)
    return files


def take(lines, file):
    """A header's functions stand in several objects: a line counts where any of them ran it."""
    for told in file["lines"]:
        line = lines[told["line_number"]]
        line.count += told["count"]
        line.function = told.get("function_name", line.function)
        for i, branch in enumerate(told["branches"]):
            key = (line.function, i)
            line.branches[key] = line.branches.get(key, 0) + branch["count"]


def texts(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return [""] + file.read().split("\n")


def leave_out_assertions(text, lines):
    for number, line in lines.items():
        if re.match(r"\s*assert\(", text[number]):
            line.branches.clear()


def listed(page):
    """{(file, function)} of the page's lines "- `engine/file.c`: `function`, `other`: reason"."""
    found = set()
    with open(page, encoding="utf-8") as file:
        for line in file:
            at = re.match(r"- `((?:format|engine)/[a-z_]+\.[ch])`: ((?:`[a-z0-9_]+`(?:, )?)+)", line)
            if at:
                found.update((at[1], name) for name in re.findall(r"`([a-z0-9_]+)`", at[2]))
    return found


def figures(lines):
    ran = sum(1 for line in lines.values() if line.count > 0)
    branches = [count for line in lines.values() for count in line.branches.values()]
    return ran, len(lines), sum(1 for count in branches if count > 0), len(branches)


def percent(part, whole):
    return 100.0 * part / whole if whole else 100.0


def show(name, counts):
    ran, lines, taken, branches = counts
    print(f"{name:28} {ran:6} of {lines:6} lines {percent(ran, lines):6.2f} %   "
          f"{taken:6} of {branches:6} branches {percent(taken, branches):6.2f} %")


def main():
    options = {word for word in sys.argv[1:] if word.startswith("--")}
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    if len(words) < 2 or options - {"--lines", "--require"}:
        sys.exit(__doc__)
    build, page, wanted = words[0], words[1], words[2:]
    root = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    files = gcov(build, root)
    known = listed(page) if os.path.exists(page) else set()
    missed, fine = collections.defaultdict(list), True
    for layer in LAYERS:
        sums = [0, 0, 0, 0]
        for path in sorted(path for path in files if path.startswith(layer + "/")):
            lines, text = files[path], texts(root, path)
            leave_out_assertions(text, lines)
            counts = figures(lines)
            sums = [a + b for a, b in zip(sums, counts)]
            if counts[1] > 0:
                show(path, counts)
            for number in sorted(lines):
                line = lines[number]
                if line.count == 0:
                    missed[(path, line.function)].append(number)
                if "--lines" in options and (not wanted or path in wanted):
                    untaken = sum(1 for count in line.branches.values() if count == 0)
                    if line.count == 0 or untaken:
                        what = "-----" if line.count == 0 else f"{untaken}/{len(line.branches)}"
                        print(f"    {number:5} {what:>6} {line.function}: {text[number].strip()}")
        show(layer + "/ in all", sums)
        fine = fine and percent(sums[0], sums[1]) >= PROMISED[layer][0] and percent(sums[2], sums[3]) >= PROMISED[layer][1]
    for (path, function), numbers in sorted(missed.items()):
        if (path, function) not in known:
            fine = False
            print(f"not reached, and {os.path.basename(page)} does not say why: {path}: {function}, "
                  f"line{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}")
    for path, function in sorted(known - set(missed)):
        print(f"reached now, though {os.path.basename(page)} says it is not: {path}: {function}")
    if "--require" in options and not fine:
        sys.exit(1)


if __name__ == "__main__":
    main()
