#!/usr/bin/env python3
"""What tests/second_reader.py, written from SPEC.md alone, reads in a store is what the varve command says of it: every event,
every session record, every transcript; in raw and packed segments, behind forks, rewinds, merges, retention and damage.

Environment: VARVE the command, SAMPLES the folder of samples. VARVE_LONG: more histories.
"""
import io
import os
import pathlib
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import second_reader
from reader.fold import Sessions
from reader.log import Log
from support.random_store import History, small_segments, varve
from support.readings import mine, theirs
from support.views import generate

SAMPLES = pathlib.Path(os.environ["SAMPLES"])
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # where nothing waits for a disk
HISTORIES = 60 if os.environ.get("VARVE_LONG") else 3


class SecondReaderTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="varve-test-", dir=MEMORY))
        self.addCleanup(shutil.rmtree, self.folder)
        self.store = self.folder / "store"

    def theirs(self, *args):
        return theirs(self.store, *args)

    def same(self, theirs, mine, what):
        self.assertEqual(len(theirs), len(mine), what)
        for their, my in zip(theirs, mine):
            wrong = {name: (their.get(name, "-"), my.get(name, "-"))
                     for name in their.keys() | my.keys() if their.get(name, "-") != my.get(name, "-")}
            self.assertEqual(wrong, {}, f"{what} {my.get('session_id')} {my.get('lsn', '')}: (varve, second reader)")

    def check_sessions(self, *readings):
        shown, names = {}, sorted(row["session_id"] for row in self.theirs("sessions", "--all"))
        for rows in readings:
            self.assertEqual(sorted(row["session_id"] for row in rows), names)
            for row in mine(rows):
                who = row["session_id"], row["machine_id"]
                if who not in shown:
                    shown[who] = self.theirs("show", who[0], "--machine", who[1])
                    shown[who][0].pop("row")
                self.same(shown[who], [row], "session")

    def check_events(self, log, sessions):
        self.same(self.theirs("events", "--all", "--hidden"), mine(second_reader.events(log, sessions, [])), "log")
        for one in sessions.by_key.values():
            if one.records and not one.deleted:
                name, machine = one.name.decode(), one.machine.decode()
                self.same(self.theirs("events", "--all", name, "--machine", machine),
                          mine(second_reader.show.event(record, one) for record in sessions.visible(one)), name)

    def check_transcripts(self, sessions):
        names = [row["session_id"] for row in self.theirs("sessions", "--all") if row["framework"] == "claude_code"]
        self.assertGreater(len(names), 15)
        for name in names:
            self.assertEqual(varve(self.store, "restore", name), second_reader.restore(sessions, name), name)

    def check(self, faults=0):
        log = Log(self.store)
        self.assertEqual(len(log.faults), faults, log.faults)
        sessions = Sessions(log)
        self.check_events(log, sessions)
        packed = log.packed and log.packed[-1].end_lsn == log.end
        self.check_sessions(second_reader.records(log, sessions), *([second_reader.from_rows(log)] if packed else []))
        return log

    def import_samples(self):
        varve(self.store, "import", SAMPLES / "claude", SAMPLES / "hooks", SAMPLES / "otel")

    def test_samples_raw_and_packed(self):
        varve(self.store, "import", SAMPLES / "claude")
        self.check_transcripts(Sessions(Log(self.store)))
        self.import_samples()
        log = self.check()
        self.assertEqual(len(log.packed), 0)
        self.assertGreater(len(log.inputs()), 20)
        varve(self.store, "compact", "--all")
        packed = self.check()
        self.assertEqual(len(packed.packed), 1)
        self.assertEqual(packed.inputs(), log.inputs())
        varve(self.store, "compact", "--all", "--block", "4K", "--level", 1)
        self.check()

    def test_every_field_of_a_session(self):
        generate(self.store)
        varve(self.store, "compact", "--all")
        self.check()

    def test_histories_with_forks_rewinds_and_deletions(self):
        for seed in range(HISTORIES):
            self.store = self.folder / f"store-{seed}"
            small_segments(self.store)
            history = History(self.store, seed)
            history.run(7)
            self.check()
            varve(self.store, "compact")
            history.run(2)
            if not list((self.store / "seg").glob("*.seg")) or Sessions(Log(self.store)).whole:
                self.check()
            varve(self.store, "compact")
            varve(self.store, "compact", "--all")
            self.check()

    def test_a_segment_that_is_full_is_packed_hot_and_what_follows_stays_raw(self):
        small_segments(self.store)
        history = History(self.store, 5)
        for _ in range(8):
            history.append(40)
        varve(self.store, "compact")
        history.append(40)
        log = self.check()
        self.assertTrue(log.packed and log.packed[0].tier == 0 and log.end > log.packed[-1].end_lsn)

    def test_merged_stores(self):
        histories = [History(self.folder / f"from-{seed}", seed, sessions=5) for seed in (70, 71)]
        histories[1].names[:3] = histories[0].names[:3]
        for history in histories:
            history.run(3)
        for order in ((0, 1), (1, 0)):
            self.store = self.folder / f"merged-{order[0]}"
            varve(self.store, "merge", *(histories[n].store for n in order))
            self.check()
            varve(self.store, "merge", *(histories[n].store for n in order))
            varve(self.store, "compact", "--all")
            self.check()

    def test_what_retention_and_forgetting_leave(self):
        self.import_samples()
        varve(self.store, "compact", "--all")
        History(self.store, 9).run(3)
        names = [row["session_id"] for row in self.theirs("sessions")]
        varve(self.store, "delete", names[-1])
        varve(self.store, "gc", "--older-than", "1d", "--keep-sessions")
        varve(self.store, "compact", "--all")
        log = self.check()
        self.assertFalse(Sessions(log).whole)
        varve(self.store, "gc", "--older-than", "1d")
        varve(self.store, "compact", "--all")
        self.check()

    def test_damage_makes_a_hole_and_the_rest_is_served(self):
        self.import_samples()
        path = next((self.store / "seg").glob("*.log"))
        data = bytearray(path.read_bytes())
        log = Log(self.store)
        for record in (log.records[40], log.records[120]):
            data[(record.lsn & 0xFFFFFFFF) + 100] ^= 4
        path.write_bytes(data)
        damaged = Log(self.store)
        self.assertEqual(len(damaged.faults), 2)
        self.assertEqual(len(damaged.records), len(log.records) - 2)
        shutil.copytree(self.store, self.folder / "copy")
        self.store = self.folder / "copy"
        sessions = Sessions(Log(self.store))
        self.same(self.theirs("events", "--all", "--hidden"), mine(second_reader.events(damaged, sessions, [])), "log")

    def test_a_tail_without_witness_is_torn(self):
        History(self.store, 3).append(20)
        (self.store / "CONTROL").unlink()
        path = next((self.store / "seg").glob("*.log"))
        log = Log(self.store)
        with open(path, "r+b") as file:
            file.truncate((log.records[-1].lsn & 0xFFFFFFFF) + 70)
        torn = Log(self.store)
        self.assertEqual(len(torn.faults), 1)
        sessions = Sessions(torn)
        self.same(self.theirs("events", "--all", "--hidden"), mine(second_reader.events(torn, sessions, [])), "log")

    def test_the_program(self):
        self.import_samples()
        for command in (["sessions"], ["events"], ["events", self.theirs("sessions")[0]["session_id"]]):
            real, sys.stdout = sys.stdout, io.StringIO()
            try:
                self.assertEqual(second_reader.main(str(self.store), *command), 0)
                self.assertGreater(len(sys.stdout.getvalue().splitlines()), 5)
            finally:
                sys.stdout = real


if __name__ == "__main__":
    unittest.main()
