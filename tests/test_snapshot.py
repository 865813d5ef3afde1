#!/usr/bin/env python3
"""What `varve snapshot` promises to people: the record it prints, the recipe of the README, one clear line for each refusal.

Environment: VARVE the command.
"""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

VARVE = os.environ["VARVE"]


class SnapshotTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="varve-test-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.store, self.dest = self.folder / "store", self.folder / "snap"

    def run_varve(self, *args, expect=0, stdin=None, store=None):
        command = [VARVE, "--store", str(store or self.store), "--format", "jsonl", *map(str, args)]
        run = subprocess.run(command, capture_output=True, input=stdin, text=True)
        self.assertEqual(run.returncode, expect, f"varve {args}: {run.stderr}")
        if expect == 3:
            self.assertEqual(run.stderr.count("\n"), 1, f"varve {args}: not one line: {run.stderr}")
            self.assertEqual(run.stdout, "", f"varve {args}: prints although it fails")
        return run

    def append(self, session, count, size=200, store=None):
        events = [{"session_id": session, "event_type": "message", "role": "user", "text": f"{session} {n} " + "x" * size}
                  for n in range(count)]
        self.run_varve("append", "--strict", stdin="".join(json.dumps(event) + "\n" for event in events), store=store)

    def snapshot(self, dest=None, store=None):
        return json.loads(self.run_varve("snapshot", dest or self.dest, store=store).stdout)

    def told(self, store=None):
        return [self.run_varve(*command, store=store).stdout
                for command in (["sessions", "--all"], ["events"], ["usage"], ["messages"])]

    def files(self, of):
        return {str(path.relative_to(of)): path.read_bytes() for path in sorted(of.rglob("*")) if path.is_file()}

    def test_a_snapshot_tells_what_the_store_told(self):
        self.append("a", 5)
        self.run_varve("compact", "--all")
        self.append("b", 5)
        done = self.snapshot()
        self.assertEqual(set(done), {"linked_files", "copied_files", "unchanged_files", "removed_files", "copied_bytes", "tail_lsn"})
        self.assertEqual((done["linked_files"], done["copied_files"], done["unchanged_files"]), (1, 1, 0))
        self.assertEqual(str(done["tail_lsn"]), str(json.loads(self.run_varve("stats").stdout)["tail_lsn"]))
        before = self.told()
        self.assertEqual(self.told(self.dest), before)
        self.run_varve("verify", "--deep", store=self.dest)
        self.append("c", 5)
        self.assertEqual(self.told(self.dest), before)
        done = self.snapshot()
        self.assertEqual((done["linked_files"], done["copied_files"], done["unchanged_files"]), (0, 1, 1))
        self.assertEqual(self.told(self.dest), self.told())

    def test_any_tool_carries_a_snapshot_and_a_lost_store_is_replaced_by_it(self):
        self.append("a", 5)
        self.run_varve("compact", "--all")
        self.append("b", 5)
        self.snapshot()
        tools = [["cp", "-r"], ["cp", "-a"]] + ([["rsync", "-a"]] if shutil.which("rsync") else [])
        for number, tool in enumerate(tools):
            away = self.folder / f"away-{number}"
            source = str(self.dest) + ("/" if tool[0] == "rsync" else "")
            subprocess.run([*tool, source, str(away)], check=True)
            self.assertEqual(self.told(away), self.told(), tool)
            self.run_varve("verify", "--deep", store=away)
        archive = self.folder / "archive.tar"
        subprocess.run(["tar", "-C", str(self.dest), "-cf", str(archive), "."], check=True)
        before = self.told()
        shutil.rmtree(self.store)
        self.store.mkdir()
        subprocess.run(["tar", "-C", str(self.store), "-xf", str(archive)], check=True)
        self.assertEqual(self.told(), before)
        self.append("c", 5)
        self.run_varve("verify", "--deep")
        self.assertEqual(len(self.run_varve("sessions").stdout.splitlines()), 3)

    def test_a_store_that_nobody_writes_to_may_be_copied_and_one_in_use_not(self):
        self.append("a", 5)
        away = self.folder / "away"
        shutil.copytree(self.store, away)
        self.assertEqual(self.told(away), self.told())
        self.run_varve("verify", "--deep", store=away)
        # A tool that has read the segment when events and a compaction come, and then reads the rest.
        torn = self.folder / "torn"
        shutil.copytree(self.store, torn)
        self.append("b", 5)
        self.run_varve("compact", "--all")
        self.append("c", 5)
        shutil.copy(self.store / "seg" / "00000002.log", torn / "seg")
        self.assertNotEqual(self.told(torn), self.told())

    def test_refusals_change_nothing(self):
        self.append("a", 5)
        self.run_varve("snapshot", expect=2)
        self.run_varve("snapshot", "", expect=2)
        self.run_varve("snapshot", self.dest, "more", expect=2)
        before = self.files(self.store)
        for dest in (self.store, self.store / "seg", self.store / "new", self.folder):
            self.run_varve("snapshot", dest, expect=3)
        self.assertEqual(self.files(self.store), before)
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["store"])
        self.run_varve("snapshot", self.dest, store=self.folder / "nowhere", expect=3)
        self.assertFalse(self.dest.exists())
        self.snapshot()
        self.append("b", 1, store=self.dest)
        before = self.files(self.dest)
        refused = self.run_varve("snapshot", self.dest, expect=3)
        self.assertIn("it was written to", refused.stderr)
        self.assertEqual(self.files(self.dest), before)


if __name__ == "__main__":
    unittest.main()
