#!/usr/bin/env python3
"""Applies mutations of the sources one at a time, each in a copy, and tells which test notices. See tests/mutations.sh.

A file tests/mutations/FAMILY.txt has mutations like this one:

    == name-of-it
    # The promise that it breaks, in one line.
    tests: expression for ctest -R
    survives: only for one that no test can notice: why
    file: engine/sync.c
    <<<
    what stands there, once in the file (white space may differ)
    ===
    what comes in its place
    >>>

More than one file, and more than one place in a file, may follow each other.
"""
import argparse
import concurrent.futures
import dataclasses
import hashlib
import json
import os
import pathlib
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = ROOT / "build" / "mutations"
LEFT_OUT = {"build", "__pycache__", "mutations"}  # and what begins with a point


class Wrong(Exception):
    """What keeps a mutation from being tried."""


def expression(text):
    """That finds the text, however it is laid out."""
    pattern = last = ""
    for token in re.findall(r"\w+|[^\w\s]", text):
        between = r"\s+" if re.match(r"\w", last) and re.match(r"\w", token) else r"\s*" if last else ""
        pattern += between + re.escape(token)
        last = token
    return pattern


@dataclasses.dataclass
class Mutation:
    family: str
    name: str
    promise: str = ""
    tests: str = ""
    survives: str = ""
    edits: list = dataclasses.field(default_factory=list)  # (file, old, new)

    def apply(self, tree):
        """Changes the files of 'tree'; their former texts by path."""
        before, texts = {}, {}
        for name, old, new in self.edits:
            path = tree / name
            if path not in texts:
                before[path] = texts[path] = path.read_text()
            found = list(re.finditer(expression(old), texts[path]))
            if len(found) != 1:
                raise Wrong(f"does not apply: {name} has {len(found)} times: {' '.join(old.split())[:100]}")
            start, end = found[0].span()
            texts[path] = texts[path][:start] + new.strip() + texts[path][end:]
        for path, text in texts.items():
            path.write_text(text)
        return before


def read_mutations():
    all_of_them = []
    for path in sorted(HERE.glob("*.txt")):
        one = name = None
        lines = iter(enumerate(path.read_text().splitlines(), 1))
        for number, line in lines:
            where = f"{path.name}:{number}"
            if line.startswith("== "):
                one = Mutation(path.stem, line[3:].strip())
                name = None
                all_of_them.append(one)
            elif line.startswith("# ") and one:
                one.promise = line[2:].strip()
            elif line.startswith(("tests: ", "survives: ")):
                setattr(one, line.split(":")[0], line.split(" ", 1)[1].strip())
            elif line.startswith("file: "):
                name = line.split(" ", 1)[1].strip()
            elif line == "<<<" and name:
                parts = {"===": [], ">>>": []}
                for end in parts:
                    for _, text in lines:
                        if text == end:
                            break
                        parts[end].append(text)
                one.edits.append((name, "\n".join(parts["==="]), "\n".join(parts[">>>"])))
            elif line.strip():
                sys.exit(f"{where}: what is this: {line}")
    names = [one.name for one in all_of_them]
    for one in all_of_them:
        if not (one.promise and one.tests and one.edits) or names.count(one.name) != 1:
            sys.exit(f"{one.family}.txt: {one.name} lacks its promise, tests or edits, or is there twice")
    return all_of_them


def source_files():
    for folder, folders, files in os.walk(ROOT):
        folders[:] = sorted(name for name in folders if name not in LEFT_OUT and not name.startswith("."))
        for name in sorted(files):
            path = pathlib.Path(folder) / name
            if path.is_file() and not name.startswith("."):
                yield path.relative_to(ROOT)


class Tree:
    """A copy of the sources, and a build of it."""

    def __init__(self, number, options):
        self.place = BUILD / str(number)
        self.src, self.build, self.log = self.place / "src", self.place / "build", self.place / "log"
        self.options = options
        self.digest = ""
        self.temporary = None

    def make(self):
        """Brings the copy up to date; only what differs is written, so that only that is compiled."""
        wanted, digest = set(), hashlib.sha256()
        for name in source_files():
            data, to = (ROOT / name).read_bytes(), self.src / name
            wanted.add(to)
            if name.suffix != ".md":
                digest.update(str(name).encode() + b"\0" + data)
            if not to.is_file() or to.read_bytes() != data:
                to.parent.mkdir(parents=True, exist_ok=True)
                to.unlink(missing_ok=True)
                to.write_bytes(data)
            shutil.copymode(ROOT / name, to)
        for path in sorted(self.src.rglob("*")):
            if path.is_file() and path not in wanted:
                path.unlink()
        self.digest = digest.hexdigest()
        self.temporary = pathlib.Path(tempfile.mkdtemp(prefix="varve-mutation-", dir=self.options.temporary))
        ninja = ["-G", "Ninja"] if shutil.which("ninja") else []
        self.run("cmake", "-S", self.src, "-B", self.build, *(ninja if not (self.build / "CMakeCache.txt").is_file() else []),
                 "-DCMAKE_BUILD_TYPE=Release", "-DVARVE_WERROR=OFF", "-DVARVE_TESTS=ON",
                 f"-DVARVE_TEST_TIMEOUT={self.options.limit}", why="cannot be configured")

    def run(self, *command, why):
        with open(self.log, "a", encoding="utf-8") as log:
            done = subprocess.run([str(word) for word in command], stdout=log, stderr=subprocess.STDOUT, check=False)
        if done.returncode != 0:
            raise Wrong(f"{why}: see {self.log}")

    def names(self, expression):
        """The tests that the expression means."""
        text = subprocess.run(["ctest", "--show-only=json-v1", "-R", expression], cwd=self.build, capture_output=True, text=True,
                              check=True).stdout
        return [test["name"] for test in json.loads(text)["tests"]]

    def compile(self, names):
        targets = ["varve"] + [name for name in names if "." not in name]
        self.run("cmake", "--build", self.build, "--parallel", self.options.compilers, "--target", *targets,
                 why="does not compile")

    def test(self, expression, stop):
        """What failed: (test, what was promised there, by time). 'stop': the first failure is enough."""
        environment = {**os.environ, "TMPDIR": str(self.temporary)}
        for name in ("VARVE_LONG", "VARVE_SEED", "VARVE_TIMES"):
            environment.pop(name, None)
        names, promise, failed = {}, "", []
        with open(self.log, "a", encoding="utf-8") as log, \
                subprocess.Popen(["ctest", "-R", expression, "--verbose"], cwd=self.build, env=environment,
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                 errors="replace") as run:
            for line in run.stdout:
                log.write(line)
                begun = re.match(r"test (\d+)$", line)
                if begun:
                    promise = ""
                named = re.match(r" +Start +(\d+): (\S+)", line)
                if named:
                    names[named[1]] = named[2]
                inside = re.match(r"(\d+): (?:\[  FAILED  \] (?!GROUP|\d)|FAIL: |ERROR: )(\w+)", line)
                if inside:
                    promise = promise or inside[2]
                    if stop:
                        failed.append((names.get(inside[1], "a test"), promise, False))
                        break
                done = re.search(r"Test +#\d+: (\S+) [. ]*\*\*\*(\w+)", line)
                if done and done[2] != "Skipped":
                    failed.append((done[1], promise, done[2] == "Timeout"))
                    if stop:
                        break
            else:
                if run.wait() != 0 and not failed:
                    raise Wrong(f"ctest did not run: see {self.log}")
            run.kill()
        self.end_strays()
        for left in self.temporary.iterdir():
            shutil.rmtree(left, ignore_errors=True)
        return failed

    def end_strays(self):
        """What is left of a test that was ended: processes to which this tree's temporary directory was told."""
        ours = f"TMPDIR={self.temporary}".encode()
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if ours in (entry / "environ").read_bytes().split(b"\0"):
                        os.kill(int(entry.name), signal.SIGKILL)
                except OSError:
                    pass  # it has ended, or is none of ours

    def close(self):
        if self.temporary:
            shutil.rmtree(self.temporary, ignore_errors=True)

    # ---- What is done with it ----

    def check_unchanged(self, expressions):
        """Without a mutation all must pass, or a failure means nothing. What was seen to is not done again."""
        record = BUILD / "passed.json"
        passed = json.loads(record.read_text()) if record.is_file() else {}
        known = set(passed.get(self.digest, []))
        names = {name for expression in expressions for name in self.names(expression)} - known
        if names:
            expression = f"^({'|'.join(re.escape(name) for name in sorted(names))})$"
            self.compile(names)
            failed = self.test(expression, False)
            if failed:
                raise Wrong(f"these fail without any mutation: {', '.join(name for name, _, _ in failed)}: see {self.log}")
            record.write_text(json.dumps({self.digest: sorted(known | names)}))
        return len(names)

    def try_out(self, mutation):
        self.log.write_text(f"{mutation.name}\n")
        names = self.names(mutation.tests)
        if not names:
            raise Wrong(f"no test is called {mutation.tests}")
        before = mutation.apply(self.src)
        try:
            self.compile(names)
            failed = self.test(mutation.tests, True)
        finally:
            shutil.copyfile(self.log, BUILD / f"{mutation.name}.log")
            for path, text in before.items():
                path.write_text(text)
        return failed[0] if failed else None


def tell(mutation, result):
    if isinstance(result, Wrong):
        return f"ERROR: {result}"
    if result is None:
        return f"survived, as is known: {mutation.survives}" if mutation.survives else "SURVIVED"
    name, promise, late = result
    return f"killed by {name}{', ' + promise if promise else ''}{' (by time)' if late else ''}"


def try_all(mutations, options):
    trees = [Tree(number, options) for number in range(min(options.jobs, len(mutations)))]
    free, results, lock = queue.SimpleQueue(), {}, threading.Lock()

    def one(mutation):
        tree = free.get()
        try:
            result = tree.try_out(mutation)
        except Wrong as wrong:
            result = wrong
        free.put(tree)
        with lock:
            results[mutation.name] = result
            print(f"{len(results):3} of {len(mutations)}  {mutation.name}: {tell(mutation, result)}", flush=True)

    try:
        for tree in trees:
            tree.place.mkdir(parents=True, exist_ok=True)
            tree.log.write_text("")
            tree.make()
            free.put(tree)
        count = trees[0].check_unchanged({mutation.tests for mutation in mutations})
        print(f"unchanged: {count} tests pass" if count else "unchanged: the tests have passed before", flush=True)
        with concurrent.futures.ThreadPoolExecutor(len(trees)) as pool:
            list(pool.map(one, mutations))
    finally:
        for tree in trees:
            tree.close()
    return results


def report(mutations, results):
    """The table, and the answer of the program."""
    widths = [max(len(row) for row in column) for column in ([m.family for m in mutations], [m.name for m in mutations])]
    print()
    for mutation in mutations:
        print(f"{mutation.family:{widths[0]}}  {mutation.name:{widths[1]}}  {tell(mutation, results[mutation.name])}")
    wrong = [m for m in mutations if isinstance(results[m.name], Wrong)]
    survived = [m for m in mutations if results[m.name] is None]
    unknown = [m for m in survived if not m.survives]
    print(f"\n{len(mutations)} mutations in {len({m.family for m in mutations})} families: "
          f"{len(mutations) - len(wrong) - len(survived)} killed, {len(survived)} survived "
          f"({len(survived) - len(unknown)} known to), {len(wrong)} not tried")
    for mutation in mutations:
        if mutation.survives and mutation not in survived + wrong:
            print(f"{mutation.name} is said to survive, and did not: take that away")
    return 3 if wrong else 1 if unknown else 0


def main():
    parser = argparse.ArgumentParser(prog="tests/mutations.sh")
    processors = len(os.sched_getaffinity(0))
    parser.add_argument("--jobs", type=int, default=max(1, processors // 2))
    parser.add_argument("--limit", type=int, default=120)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("names", nargs="*", metavar="MUTATION")
    options = parser.parse_args()
    options.compilers = max(1, processors // max(1, options.jobs))
    options.temporary = os.environ.get("TMPDIR") or ("/dev/shm" if os.access("/dev/shm", os.W_OK) else "/tmp")
    mutations = read_mutations()
    unknown = set(options.names) - {mutation.name for mutation in mutations}
    if unknown or options.jobs < 1 or options.limit < 1:
        parser.error(f"no mutation is called {', '.join(sorted(unknown))}" if unknown else "a number above 0 is wanted")
    if options.names:
        mutations = [mutation for mutation in mutations if mutation.name in options.names]
    if options.list:
        for mutation in mutations:
            print(f"{mutation.family}: {mutation.name}\n    breaks: {mutation.promise}\n    tests: {mutation.tests}")
            if mutation.survives:
                print(f"    survives: {mutation.survives}")
        return 0
    if options.check:
        return check(mutations)
    try:
        return report(mutations, try_all(mutations, options))
    except Wrong as wrong:
        print(wrong, file=sys.stderr)
        return 3


def check(mutations):
    """Whether each still fits: in copies of the files that it changes."""
    answer = 0
    tests = [path.stem if path.suffix == ".c" else path.name
             for path in (ROOT / "tests").iterdir() if path.suffix in (".c", ".sh", ".py")]
    for mutation in mutations:
        with tempfile.TemporaryDirectory(prefix="varve-mutation-") as folder:
            tree = pathlib.Path(folder)
            try:
                for name, _, _ in mutation.edits:
                    (tree / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(ROOT / name, tree / name)
                mutation.apply(tree)
                if not any(re.search(mutation.tests, name) for name in tests):
                    raise Wrong(f"no test is called {mutation.tests}")
            except (Wrong, OSError) as wrong:
                print(f"{mutation.family}.txt: {mutation.name}: {wrong}")
                answer = 3
    if answer == 0:
        print(f"{len(mutations)} mutations fit")
    return answer


if __name__ == "__main__":
    sys.exit(main())
