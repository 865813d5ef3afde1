#!/usr/bin/env python3
"""What `varve events --follow` promises: every event once and as soon as it is there, through compactions, by lsn again after
a break; and what `varve stats` tells of the locks.

Environment: VARVE the command.
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import unittest

VARVE = os.environ["VARVE"]


class FollowTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="varve-test-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.store = self.folder / "store"

    def run_varve(self, *args, stdin=None, expect=0):
        run = subprocess.run([VARVE, "--store", self.store, "--format", "jsonl", *args], capture_output=True, input=stdin, text=True)
        self.assertEqual(run.returncode, expect, f"varve {args}: {run.stderr}")
        return run

    def append(self, text, session="session-1", kind="message"):
        self.run_varve("append", "--one", stdin=json.dumps({"session_id": session, "event_type": kind, "text": text}))

    def follow(self, *args, form="jsonl"):
        process = subprocess.Popen([VARVE, "--store", self.store, "--format", form, "events", "--follow", *args],
                                   stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        return process

    def next(self, process):
        return json.loads(process.stdout.readline())

    def test_every_event_comes_once_and_at_once(self):
        self.append("0")
        process = self.follow()
        self.assertEqual(self.next(process)["text"], "0")
        for n in range(1, 12):  # each is read before the next is appended
            self.append(str(n))
            self.assertEqual(self.next(process)["text"], str(n))
            if n % 4 == 0:
                self.run_varve("compact")

    def test_it_goes_on_where_another_ended(self):
        for n in range(5):
            self.append(str(n))
        process = self.follow("--limit", "3")
        seen = [self.next(process) for _ in range(3)]
        self.assertEqual(process.wait(), 0)
        process = self.follow("--from", str(seen[-1]["lsn"] + 1))
        self.assertEqual([self.next(process)["text"] for _ in range(2)], ["3", "4"])
        process.send_signal(signal.SIGKILL)
        self.append("5")
        process = self.follow("--from-lsn", str(seen[-1]["lsn"] + 1))
        self.assertEqual([self.next(process)["text"] for _ in range(3)], ["3", "4", "5"])

    def test_only_what_was_asked_for_comes(self):
        self.append("a0")
        process, types = self.follow("session-1"), self.follow("--type", "special")
        self.append("b0", session="session-2")
        self.append("a1")
        self.append("c", session="session-2", kind="special")
        self.append("a2")
        self.assertEqual([self.next(process)["text"] for _ in range(3)], ["a0", "a1", "a2"])
        self.assertEqual(self.next(types)["text"], "c")

    def test_a_table_comes_at_once_too(self):
        self.append("first")
        process = self.follow(form="table")
        self.assertIn("session", process.stdout.readline())
        self.assertIn("first", process.stdout.readline())
        self.append("second")
        self.assertIn("second", process.stdout.readline())

    def test_a_store_that_no_writer_has_opened_yet_is_waited_for(self):
        self.append("0")
        (self.store / "CONTROL").unlink()  # as after a restart of the machine
        process = self.follow()
        self.assertEqual(self.next(process)["text"], "0")
        self.append("1")
        self.assertEqual(self.next(process)["text"], "1")

    def test_it_goes_forward_only(self):
        self.append("0")
        for args in (["--reverse"], ["--order", "time"]):
            run = self.run_varve("events", "--follow", *args, expect=2)
            self.assertIn("--follow", run.stderr)

    def test_stats_tell_of_the_locks(self):
        for n in range(3):
            self.append(str(n))
        self.run_varve("compact")
        stats = json.loads(self.run_varve("stats").stdout)
        self.assertGreaterEqual(stats["append_lock"]["taken"], 3)
        self.assertGreaterEqual(stats["sync_lock"]["taken"], 3)
        self.assertEqual(stats["compact_lock"]["taken"], 1)
        for lock in ("append_lock", "sync_lock", "compact_lock"):
            self.assertEqual(sum(stats[lock]["waits_below_us"].values()), stats[lock]["waits"])
            self.assertNotIn("holder", stats[lock])


if __name__ == "__main__":
    unittest.main()
