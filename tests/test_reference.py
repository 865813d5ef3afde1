#!/usr/bin/env python3
"""The mi6 view of every session is what tests/mi6_reference.py works out from the store's events by
the documentation alone: on the samples, on generated sessions, and on the folder of transcripts
that the environment variable VARVE_DATA names, if it names one.

Environment: VARVE the command, SAMPLES the folder of samples.
"""
import decimal
import os
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import mi6_reference as reference
from support.views import ViewTest, import_samples, rows, run

FIELDS = 40
TIMES = ("first_started_at", "last_started_at", "first_ended_at", "last_ended_at", "last_activity",
         "status_updated_at")
decimal.getcontext().prec = 60


class ReferenceTest(ViewTest):
    def check(self, store):
        events = run(store, "--format", "jsonl", "events", "--all", "--no-payload")
        want = reference.sessions(events.splitlines())
        got = {}
        for row in rows(store, "sessions", "--as", "mi6", "--all"):
            for name in TIMES:
                if row[name] is not None:
                    row[name] = reference.nanoseconds(row[name])
            got[row["session_id"], row["machine_id"]] = row
        self.assertEqual(set(got), set(want))
        unknown = 0
        for session, row in want.items():
            self.assertEqual(len(row), FIELDS)
            self.assertEqual(set(row), set(got[session]))
            for name, value in row.items():
                if value == reference.UNKNOWN:
                    unknown += 1
                    continue
                self.assertEqual(got[session][name], value, f"{session[0]} {name}")
        return len(want), unknown

    def test_the_samples_come_out_as_the_documentation_says(self):
        count, unknown = self.check(self.samples)
        self.assertGreater(count, 10)
        self.assertEqual(unknown, 0)

    def test_generated_sessions_come_out_as_the_documentation_says(self):
        count, _ = self.check(self.generated)
        self.assertGreater(count, 100)

    @unittest.skipUnless(os.environ.get("VARVE_DATA"), "VARVE_DATA names no folder of transcripts")
    def test_real_transcripts_come_out_as_the_documentation_says(self):
        store = self.folder / "data"
        import_samples(store, os.environ["VARVE_DATA"])
        count, unknown = self.check(store)
        self.assertEqual(unknown, 0)
        print(f"{count} sessions of {os.environ['VARVE_DATA']}", file=sys.stderr)


if __name__ == "__main__":
    unittest.main()
