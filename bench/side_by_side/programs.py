"""The programs that measure, and the memory that is kept backed meanwhile. See bench/worker/worker.h."""

import json
import pathlib
import subprocess
import time

from . import machine

ORDER = ["limit", "limit-xxh3", "varve", "sqlite", "sqlite-zstd", "lmdb", "rocksdb", "leveldb", "jsonl"]
PROCESSES, COMPRESSES, SURVIVES, LIMIT, MANY, ATOMIC = 1, 2, 4, 8, 16, 32


class Failed(Exception):
    """A worker said no: its line."""


class Engine:
    """One engine's program."""

    def __init__(self, path):
        self.path = path
        told = json.loads(subprocess.run([path, "about"], capture_output=True, text=True, check=True).stdout)
        self.name = told["name"]
        self.about = told["about"]
        self.version = told["version"]
        self.can = told["can"]
        self.packs = bool(told["packs"])
        self.uses = bool(told["uses"])

    def may(self, bit):
        """Whether it has any of these properties."""
        return bool(self.can & bit)

    def command(self, phase, path, **options):
        """The words of a call. Options without a value are left out."""
        words = [str(self.path), phase, "--path", str(path)]
        for name, value in options.items():
            if value is not None:
                words += ["--" + name.replace("_", "-"), str(value)]
        return words

    def run(self, phase, path, **options):
        """Runs a phase; what it measured, by name."""
        done = subprocess.run(self.command(phase, path, **options), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            line = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"ended by {done.returncode}"
            raise Failed(f"{self.name} {phase}: {line}")
        return json.loads(done.stdout)


class Programs:
    """All programs of a build."""

    def __init__(self, build):
        self.build = pathlib.Path(build)
        found = {path.name.removeprefix("engine-"): path for path in (self.build / "bench").glob("engine-*")}
        self.engines = {name: Engine(found[name]) for name in ORDER if name in found}
        self.absent = [name for name in ORDER if name not in found]
        self.varve = self.build / "varve"

    def spawns(self, rounds, parallel, commands):
        """New processes; what was measured, a dictionary for each command."""
        words = [str(self.build / "bench" / "spawns"), str(rounds), str(parallel)]
        for command in commands:
            words += ["--", *command]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failed(done.stderr.strip() or "spawns failed")
        return [json.loads(line) for line in done.stdout.splitlines()]


class Backed:
    """Keeps memory backed while it lives: see bench/support/backing.h."""

    def __init__(self, programs, megabytes):
        self.process = None
        if megabytes > 0:
            self.process = subprocess.Popen(
                [str(programs.build / "bench" / "backed"), str(megabytes)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            self.process.stdout.readline()

    def settle(self):
        """Waits, not for ever, until the helper has taken in again what was given up."""
        before = machine.memory_free()
        for _ in range(60 if self.process else 0):
            time.sleep(0.05)
            now = machine.memory_free()
            if abs(now - before) < 32 << 20:
                break
            before = now

    def close(self):
        if self.process:
            self.process.stdin.close()
            self.process.wait()
