#!/usr/bin/env python3
"""What a hostile user or program may hand to the command: names of any bytes, ids that collide in the index, paths in names,
another user's store. Each is served, or refused in one line; nothing is written but the store.

Environment: VARVE the command.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from reader.layout import StoreFile
from reader.sums import session_key, sum64

VARVE = str(pathlib.Path(os.environ["VARVE"]).resolve())
NOBODY = 65534


class HostileTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="varve-test-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.store = self.folder / "store"

    def run_varve(self, *args, expect=0, stdin=None, form="jsonl", user=None):
        command = [VARVE, "--store", str(self.store), "--format", form, *map(str, args)]
        done = subprocess.run(command, capture_output=True, input=stdin, cwd=self.folder, user=user, check=False)
        self.assertEqual(done.returncode, expect, f"varve {args}: {done.stderr}")
        if expect in (2, 3):
            self.assertLessEqual(done.stderr.count(b"\n"), 2, f"varve {args}: {done.stderr}")
        return done.stdout

    def append(self, *events, expect=0):
        return self.run_varve("append", "-", stdin="".join(json.dumps(event) + "\n" for event in events).encode(), expect=expect)

    def rows(self, *args):
        return [json.loads(line) for line in self.run_varve(*args).decode().splitlines()]

    def test_names_of_any_bytes_stay_one_line_and_harm_no_terminal(self):
        names = ["two\nlines", "\x1b]0;title\x07\x1b[2J", "quote\" \\ 'tick'", "\u202eright to left", "\r", "\ud800",
                 "x" * 1024, "../../../etc/passwd", "/absolute", "-n", "--help", "$(touch pwned)", "%s%n", "a\tb"]
        self.append(*({"session_id": name, "event_type": "UserPromptSubmit", "text": name, "cwd": name, "model": name} for name in names))
        self.append({"session_id": "nul\0inside", "event_type": "user"}, expect=1)
        whole = {name.replace("\ud800", "?") for name in names}
        self.assertEqual({row["session_id"] for row in self.rows("sessions")}, whole)
        self.assertEqual({row["text"] for row in self.rows("events")}, whole)
        self.assertEqual(len(self.run_varve("sessions", form="table").splitlines()), len(names) + 1)
        for command in (["sessions"], ["events"], ["messages"], ["usage", "session"], ["usage", "model"]):
            table = self.run_varve(*command, form="table")
            self.assertFalse(set(table) & set(range(32)) - {10}, f"{command}: a control character")
        for name in sorted(whole):
            if name != "?":
                row, = self.rows("show", "--", name)
                self.assertEqual(row["first_user_message"], name)
                self.assertNotIn(b"\x1b", self.run_varve("show", "--", name, form="table"))
                self.run_varve("export", "--", name)
                self.run_varve("restore", "--", name, expect=3)
                self.run_varve("fork", "--", name, name[:1000] + " fork")
        self.run_varve("verify", "--deep")
        self.assertEqual([path.name for path in self.folder.iterdir()], ["store"])

    def test_names_that_are_too_long_are_refused_in_a_line_and_the_rest_is_stored(self):
        for size in (1025, 65536, 1 << 20):
            self.append({"session_id": "x" * size, "event_type": "user"}, {"session_id": f"good {size}", "event_type": "user"}, expect=1)
        self.append({"session_id": "s", "machine_id": "m" * 129, "event_type": "user"}, expect=1)
        self.append({"session_id": "s", "event_type": "user", "cwd": "c" * ((1 << 20) + 1)}, expect=1)
        self.append({"session_id": "s", "set": {"labels": {"a\nb": "c"}}}, expect=1)
        self.append({"session_id": "", "event_type": "user"}, expect=1)
        self.assertEqual(len(self.rows("sessions")), 3)
        self.append({"session_id": "s", "event_type": "e" * 257}, expect=1)
        self.append({"session_id": "good", "event_type": "e" * 256, "title": "t" * (1 << 20), "text": "é" * 65536})
        row, = self.rows("events", "good", "--no-payload")
        self.assertEqual((len(row["type"]), len(row["text"])), (256, 8192))
        self.run_varve("verify", "--deep")

    def test_ids_whose_keys_meet_in_one_bucket(self):
        self.append({"session_id": "first", "machine_id": "m", "event_type": "user"})
        seed = StoreFile((self.store / "STORE").read_bytes()).hash_seed
        names = [name for name in (f"session {n}" for n in range(150000))
                 if sum64(session_key(b"m", name.encode()), seed) >> 32 & 1023 == 7]
        self.assertGreater(len(names), 100)
        self.append(*({"session_id": name, "machine_id": "m", "event_type": "user", "message_id": name, "tokens_input": 1}
                      for name in names))
        for name in names[::40]:
            self.assertEqual(self.rows("show", name, "--machine", "m")[0]["events"], 1)
        self.assertEqual(len(self.rows("sessions")), len(names) + 1)
        self.run_varve("verify", "--deep")
        self.run_varve("compact", "--all")
        self.assertEqual(len(self.rows("sessions")), len(names) + 1)
        self.run_varve("verify", "--deep")

    def test_machine_and_session_do_not_run_into_each_other(self):
        pairs = [("a", "bc"), ("ab", "c"), ("abc", "a"), ("ab c", "a"), ("a", "bc ")]
        self.append(*({"session_id": name, "machine_id": machine, "event_type": "user", "text": f"{machine}|{name}"}
                      for machine, name in pairs))
        self.assertEqual({(row["machine_id"], row["session_id"], row["text"]) for row in self.rows("events")},
                         {(machine, name, f"{machine}|{name}") for machine, name in pairs})

    def test_times_that_do_not_fit_are_refused(self):
        for time in ("1969-12-31T23:59:59Z", "9999-12-31T23:59:59Z", "2262-04-12T00:00:00Z", "2025-02-30T00:00:00Z",
                     "99999999999999999999-01-01T00:00:00Z", "2025-01-01T00:00:00", "\n", ""):
            done = subprocess.run([VARVE, "--store", str(self.store), "append", "-"], capture_output=True, check=False,
                                  input=json.dumps({"session_id": "s", "event_type": "user", "timestamp": time}).encode())
            self.assertIn(done.returncode, (0, 1), time)
            self.assertEqual(done.stderr.count(b"\n"), done.returncode, time)
        for time in ("99999-01-01", "-1", "2025-13-01", "x" * 70000):
            self.run_varve("sessions", "--active-since", time, expect=2)
            self.run_varve("usage", "daily", "--since", time, expect=2)

    def test_an_imported_name_is_no_path(self):
        line = {"type": "user", "sessionId": "../../evil", "uuid": "u", "timestamp": "2025-11-20T08:30:00Z", "cwd": "/../../x",
                "message": {"role": "user", "content": "m"}}
        transcript = self.folder / "a\nname\x1b[2J.jsonl"
        transcript.write_text(json.dumps(line) + "\n")
        self.run_varve("import", transcript)
        before = sorted(path.name for path in self.folder.iterdir())
        self.assertEqual(self.run_varve("restore", "../../evil"), transcript.read_bytes())
        self.run_varve("export", "../../evil")
        self.run_varve("restore", "../../evil", "-o", "out.jsonl")
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), sorted(before + ["out.jsonl"]))
        for option in ("--machine", "--store"):
            self.assertNotEqual(subprocess.run([VARVE, option], capture_output=True, check=False).returncode, 0)

    @unittest.skipUnless(os.geteuid() == 0, "needs root to become another user")
    def test_a_store_of_another_user(self):
        self.append({"session_id": "s", "event_type": "user", "text": "private"})
        self.folder.chmod(0o755)
        for command in (["sessions"], ["events"], ["verify"], ["compact"], ["append", "-"]):
            self.run_varve(*command, expect=3, user=NOBODY, stdin=b'{"session_id":"s","event_type":"user"}')
        for path in [self.store, *self.store.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        before = {path: path.read_bytes() for path in self.store.rglob("*") if path.is_file()}
        self.assertEqual(len(self.run_varve("events", user=NOBODY).splitlines()), 1)
        self.run_varve("verify", "--deep", user=NOBODY)
        for command in (["append", "-"], ["compact"], ["delete", "s"], ["reindex"], ["hook", "--strict"]):
            self.run_varve(*command, expect=3, user=NOBODY,
                           stdin=b'{"session_id":"s","event_type":"user","hook_event_name":"Stop"}')
        self.assertEqual({path: path.read_bytes() for path in self.store.rglob("*") if path.is_file()}, before)


if __name__ == "__main__":
    unittest.main()
