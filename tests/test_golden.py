#!/usr/bin/env python3
"""The stores in tests/golden, made by tests/make_golden.py with each version of the format, say in this build what they said
then: as they lie there, when they are written to, and when they are packed. The second reader says the same.

Environment: VARVE the command.
"""
import gzip
import json
import pathlib
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from support.random_store import varve
from support.readings import by_second_reader, by_varve

GOLDEN = pathlib.Path(__file__).resolve().parent / "golden"


class GoldenTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="varve-test-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def same(self, expected, found, what):
        """Fields that a later build adds are let pass."""
        self.assertEqual(expected.keys(), found.keys(), what)
        for name, row in expected.items():
            wrong = {field: (value, found[name].get(field, "-")) for field, value in row.items()
                     if found[name].get(field, "-") != value}
            self.assertEqual(wrong, {}, f"{what} {name}: (then, now)")

    def holds(self, store, expected, what, reading=by_varve):
        sessions, events = reading(store)
        self.same(expected[0], sessions, f"{what}: session")
        self.same(expected[1], events, f"{what}: lsn")

    def each(self):
        for dumped in sorted(GOLDEN.glob("*/*.jsonl.gz")):
            name = dumped.name.partition(".")[0]
            store = self.folder / f"{dumped.parent.name}-{name}"
            shutil.copytree(dumped.parent / name, store)
            rows = [json.loads(line) for line in gzip.decompress(dumped.read_bytes()).decode().splitlines()]
            yield store, store.name, ({row["key"]: row for row in rows if "key" in row},
                                      {row["lsn"]: row for row in rows if "key" not in row})

    def test_each_version_is_there(self):
        self.assertIn("0.2", [path.name for path in GOLDEN.iterdir()])
        for path in GOLDEN.iterdir():
            self.assertEqual({entry.name for entry in path.glob("*.gz")}, {f"{name}.jsonl.gz" for name in ("raw", "packed", "left")})

    def test_they_say_what_they_said(self):
        for store, name, expected in self.each():
            before = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
            self.holds(store, expected, name)
            self.holds(store, expected, name, by_second_reader)
            varve(store, "verify", "--deep")
            self.assertEqual({path: path.read_bytes() for path in store.rglob("*") if path.is_file()}, before)

    def test_they_are_written_to_and_packed(self):
        for store, name, expected in self.each():
            line = {"session_id": "a later session", "event_type": "SessionStart", "text": "a later text"}
            varve(store, "append", "-", stdin=json.dumps(line).encode())
            for step in ("append", "compact", "compact --all", "reindex"):
                if step != "append":
                    varve(store, *step.split())
                sessions, events = by_varve(store)
                self.assertEqual(len(sessions), len(expected[0]) + 1)
                self.same(expected[0], {key: row for key, row in sessions.items() if key in expected[0]}, f"{name} {step}")
                self.same({lsn: row for lsn, row in expected[1].items() if lsn in events},
                          {lsn: row for lsn, row in events.items() if lsn in expected[1]}, f"{name} {step}")
                self.assertGreater(len(events), len(expected[1]))
            varve(store, "verify", "--deep")


if __name__ == "__main__":
    unittest.main()
