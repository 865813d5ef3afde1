#!/usr/bin/env python3
"""What `varve repair` prints, in words and as jsonl, and how it exits.

Environment: VARVE the command.
"""
import json
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
import unittest

VARVE = os.environ["VARVE"]


class RepairTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="varve-test-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.store = self.folder / "store"
        self.append(0, 300)
        self.varve("compact", "--all")
        self.append(300, 400)

    def append(self, first, end):
        events = ({"session_id": f"s{i % 3}", "event_type": "message", "role": "user", "text": f"text {i}"}
                  for i in range(first, end))
        self.varve("append", "--strict", stdin="".join(json.dumps(event) + "\n" for event in events))

    def varve(self, *args, expect=0, stdin=None):
        run = subprocess.run([VARVE, "--store", str(self.store), *args], capture_output=True, input=stdin, text=True)
        self.assertEqual(run.returncode, expect, f"varve {args}: {run.stdout}{run.stderr}")
        return run

    def rows(self, *args, expect=0):
        out = self.varve("--format", "jsonl", *args, expect=expect).stdout
        return [json.loads(line) for line in out.splitlines()]

    def files(self):
        return {path.relative_to(self.store): path.read_bytes() for path in self.store.rglob("*") if path.is_file()}

    def only(self, pattern):
        paths = list(self.store.glob(pattern))
        self.assertEqual(len(paths), 1, pattern)
        return paths[0]

    def flip(self, path, at):
        content = bytearray(path.read_bytes())
        content[at] ^= 4
        path.write_bytes(content)

    def main_block(self, packed):
        """Where the first block of records begins in a packed segment (SPEC.md "Packed file")."""
        content = packed.read_bytes()
        blocks, = struct.unpack_from("<Q", content, len(content) - 512 + 256)
        return struct.unpack_from("<QI", content, blocks)

    def test_a_store_without_damage(self):
        before = self.files()
        for more in ([], ["--dry-run"]):
            self.assertIn("nothing to repair", self.varve("repair", *more).stdout)
            (summary,) = self.rows("repair", *more)
            self.assertEqual(summary, {"mended": 0, "moved": 0, "lost": 0, "lost_bytes": 0, "lost_records": 0, "left": 0,
                                       "dry_run": bool(more)})
        self.assertEqual(self.files(), before)

    def test_mended_without_loss(self):
        self.only("manifest.*").unlink()
        self.flip(self.store / "STORE", 40)
        self.varve("sessions", expect=3)
        before = self.files()
        dry = self.rows("repair", "--dry-run")
        self.assertEqual(self.files(), before)
        self.assertTrue(dry[-1]["dry_run"])
        done = self.rows("repair")
        self.assertEqual(dry[:-1], done[:-1])
        self.assertEqual({row["kind"] for row in done[:-1]}, {"mended"})
        self.assertEqual((done[-1]["mended"], done[-1]["lost"]), (len(done) - 1, 0))
        self.assertIn("nothing to repair", self.varve("repair").stdout)
        self.varve("verify", "--deep")
        self.assertEqual(len(self.rows("events")), 400)

    def test_what_is_lost_is_listed(self):
        packed = self.only("seg/*.seg")
        damaged = bytearray(packed.read_bytes())
        offset, size = self.main_block(packed)
        for at in range(offset, offset + size):
            damaged[at] ^= 0x55
        packed.write_bytes(damaged)
        rows = self.rows("repair", "--dry-run", expect=1)
        self.assertEqual(rows[:-1], self.rows("repair", expect=1)[:-1])
        sessions = {row["session_id"]: row for row in rows if "session_id" in row}
        self.assertLessEqual({"s0", "s1", "s2"}, set(sessions))
        lost = sum(row["last_seq"] - row["first_seq"] + 1 for row in sessions.values())
        self.assertEqual(rows[-1]["lost_records"], lost)
        self.assertGreater(rows[-1]["lost_bytes"], 0)
        self.assertEqual({row["kind"] for row in rows[:-1]}, {"mended", "lost"})
        kept = list((self.store / "quarantine").iterdir())
        self.assertIn(bytes(damaged), [path.read_bytes() for path in kept])
        verify = self.rows("verify", "--deep")
        self.assertEqual(verify[-1]["faults"], 0)
        self.assertGreater(verify[-1]["notes"], 0)
        self.assertIn("nothing to repair", self.varve("repair").stdout)
        self.append(400, 450)
        self.varve("compact", "--all")
        self.varve("gc", "--older-than", "300d")
        self.varve("verify", "--deep")
        self.assertEqual(len(self.rows("events")), 450 - lost + sum(row["first_seq"] == 0 for row in sessions.values()))

    def test_words_for_people(self):
        packed = self.only("seg/*.seg")
        self.flip(packed, self.main_block(packed)[0] + 9)
        out = self.varve("repair", "--dry-run", expect=1).stdout
        self.assertIn("LOST: session s0: seq 1 to", out)
        self.assertIn("dry run: nothing was changed", out)
        out = self.varve("repair", expect=1).stdout
        self.assertIn("more in quarantine/", out)
        self.assertIn("goes into a new packed segment", out)

    def test_a_lost_identity(self):
        (self.store / "STORE").unlink()
        machine = "m" * 129
        self.varve("repair", "--machine", machine, expect=2)
        self.varve("repair", "--machine", "other")
        self.assertEqual(self.rows("stats")[0]["machine_id"], "other")

    def test_what_cannot_be_done(self):
        self.assertEqual(self.varve("repair", "now", expect=2).stdout, "")
        self.store = self.folder / "nowhere"
        run = self.varve("repair", expect=3)
        self.assertEqual(run.stderr.count("\n"), 1)
        self.assertFalse(self.store.exists())
        self.store.mkdir()
        self.varve("repair", expect=3)
        self.assertEqual(list(self.store.iterdir()), [])


if __name__ == "__main__":
    unittest.main()
