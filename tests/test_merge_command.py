#!/usr/bin/env python3
"""What `varve merge` promises, on the sample transcripts: stores that took in different files, some of them
the same, are together what one store is that took in all; in any order, however often; and each
mistake is one clear line.

Environment: VARVE the command, SAMPLES the folder of samples.
"""
import itertools
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

VARVE = os.environ["VARVE"]
SAMPLES = pathlib.Path(os.environ["SAMPLES"])
STORES = "abc"
IN_MANY_FILES = ("5642a1b4-1f2d-4ef8-9453-f447ceefaede", "8972c20b-8b6f-45b2-9775-eb5e8f05ad4c")


def run(store, *args):
    return subprocess.run([VARVE, "--store", str(store), "--format", "jsonl", *map(str, args)], capture_output=True)


def varve(store, *args):
    done = run(store, *args)
    if done.returncode != 0:
        raise AssertionError(f"varve {args}: exit {done.returncode}: {done.stderr.decode()}")
    return done.stdout


def rows(store, *args):
    return [json.loads(line) for line in varve(store, *args).splitlines()]


def files():
    """Each input, and whether store 0, 1, 2 takes it: every one is in two of them, but for every fourth."""
    found = sorted(SAMPLES.glob("claude/projects/**/*.jsonl"))
    found += [SAMPLES / "hooks/hooks.jsonl", SAMPLES / "otel/logs.jsonl"]
    return [(path, [n % 3 != s and (n % 4 != 0 or (n + 1) % 3 == s) for s in range(3)]) for n, path in enumerate(found)]


def reports(store):
    """What can be asked of a store, but for what names places in it."""
    shown = {}
    for by in ("total", "daily", "monthly", "session", "model", "project"):
        shown[by] = rows(store, "usage", by)
    shown["sessions"] = rows(store, "sessions", "--all")
    for session in shown["sessions"]:
        one = rows(store, "show", session["session_id"])[0]
        for place in ("row", "last_lsn", "last_seq", "lsn", "seq"):
            one.pop(place, None)
        if one["session_id"] in IN_MANY_FILES:
            one.pop("transcript_path")  # of a line that stands in several files the first that came counts
        shown[session["session_id"]] = one
    return shown


class MergeTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="varve-test-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def fill(self):
        for s, name in enumerate(STORES):
            varve(self.folder / name, "import", *(path for path, takers in files() if takers[s]))
        varve(self.folder / "one", "import", *(path for path, _ in files()))

    def of_one_machine(self):
        """The stores begin as copies of one that is empty, and so have one machine id."""
        (self.folder / "nothing").mkdir()
        varve(self.folder / "one", "import", self.folder / "nothing")
        for name in STORES:
            shutil.copytree(self.folder / "one", self.folder / name)
        self.fill()

    def merge(self, target, *sources):
        return rows(self.folder / target, "merge", *(self.folder / source for source in sources))

    def paid(self, name):
        return rows(self.folder / name, "usage", "total")[0]["by_kind"]["message"]["cost_usd"]

    def check_whole(self, target):
        self.assertEqual(run(self.folder / target, "verify", "--deep").returncode, 0)

    def size(self, target):
        return {key: value for key, value in rows(self.folder / target, "stats")[0].items() if not key.endswith("_lock")}

    def test_any_order_gives_what_one_import_gives(self):
        self.of_one_machine()
        wanted = reports(self.folder / "one")
        for number, order in enumerate(itertools.permutations(STORES)):
            target = f"merged-{number}"
            first = self.merge(target, *order)
            self.assertEqual([row["source"] for row in first], [str(self.folder / name) for name in order])
            self.assertGreater(first[1]["duplicates"], 0)
            self.assertEqual(reports(self.folder / target), wanted)
            size = self.size(target)
            again = self.merge(target, *order)
            for row in again:
                added = {key: row[key] for key in row if key not in ("source", "duplicates")}
                self.assertEqual(set(added.values()), {0}, row)
            self.assertEqual(self.size(target), size)
            self.assertEqual(reports(self.folder / target), wanted)
            self.check_whole(target)
        self.merge("a", "merged-0")  # and back
        self.assertEqual(reports(self.folder / "a"), wanted)
        self.check_whole("a")

    def test_machines_stay_apart_and_what_was_paid_counts_once(self):
        self.fill()
        parts = [self.paid(name) for name in STORES]
        found = []
        for number, order in enumerate(itertools.permutations(STORES)):
            target = f"merged-{number}"
            self.merge(target, *order)
            found.append((rows(self.folder / target, "usage", "daily"), rows(self.folder / target, "sessions", "--all")))
            self.assertLess(self.paid(target), sum(parts))
            # a line of two machines that names no message is two
            self.assertAlmostEqual(self.paid(target), self.paid("one"), delta=0.02)
            self.check_whole(target)
        for other in found[1:]:
            self.assertEqual(other, found[0])

    def test_a_store_that_is_no_longer_written_to_can_be_merged(self):
        self.of_one_machine()
        self.merge("there", "a")
        for name in ("CONTROL", "LOCK.append", "LOCK.sync"):
            (self.folder / "a" / name).unlink(missing_ok=True)
        shutil.rmtree(self.folder / "a" / "idx")
        before = sorted(str(path) for path in (self.folder / "a").rglob("*"))
        self.merge("here", "a")
        self.assertEqual(sorted(str(path) for path in (self.folder / "a").rglob("*")), before)
        self.assertEqual(reports(self.folder / "here"), reports(self.folder / "there"))

    def refused(self, code, *args, says):
        done = run(self.folder / "store", "merge", *args)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertEqual(done.stdout, b"")
        self.assertIn(says, done.stderr.decode())
        self.assertEqual(len([line for line in done.stderr.splitlines() if line.startswith(b"varve: ")]), 1, done.stderr)

    def test_mistakes_are_told_in_a_line(self):
        (self.folder / "empty").mkdir()
        self.refused(2, says="wants")
        self.refused(3, self.folder / "nowhere", says="no store at")
        self.assertFalse((self.folder / "store").exists())
        self.refused(3, self.folder / "empty", says="no store at")
        self.refused(3, __file__, says="no store at")
        self.refused(3, self.folder / "store", says="into itself")
        os.symlink("store", self.folder / "link")
        self.refused(3, self.folder / "link", says="into itself")


if __name__ == "__main__":
    unittest.main()
