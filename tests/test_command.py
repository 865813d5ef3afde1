#!/usr/bin/env python3
"""The command among people and programs: tables that fit the terminal, colours only there, times in the user's
zone and sizes that can be read; the same in CSV and JSON Lines, exactly and in UTC; and whoever interrupts it
finds everything whole.

Environment: VARVE the command.
"""
import csv
import fcntl
import io
import json
import os
import pathlib
import pty
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import unicodedata
import unittest

VARVE = os.environ["VARVE"]
LISTS = ["sessions", "events", "messages", "usage daily", "usage session", "usage model", "reconcile --all"]
RECORDS = ["stats", "count sessions", "count events", "show blue", "verify", "usage"]
ODD = 'a "quoted", text\nof two lines\tand a tab; \u96ea \x1b[31mred'


def columns(text):
    return sum(0 if unicodedata.combining(ch) else 2 if unicodedata.east_asian_width(ch) in "WF" else 1 for ch in text)


class CommandTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="varve-test-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.env = {"PATH": os.environ["PATH"], "HOME": str(cls.folder), "VARVE_STORE": str(cls.folder / "store"),
                   "TZ": "UTC", "TERM": "xterm"}
        lines = [{"session_id": "blue", "event_type": "UserPromptSubmit", "timestamp": "2025-01-31T23:30:00.125Z", "text": ODD,
                  "role": "user"},
                 {"session_id": "blue", "event_type": "ApiRequest", "timestamp": "2025-01-31T23:31:00Z", "model": "some-model",
                  "tokens_input": 1234567, "tokens_output": 7, "cost_usd": 1.234567891},
                 {"session_id": "blue", "set": {"title": ODD, "labels": {"run": "7"}, "cwd": "/" + "long/" * 40}},
                 {"session_id": "green" * 12, "event_type": "Stop", "timestamp": "2025-07-01T10:00:00Z"}]
        run = subprocess.run([VARVE, "append"], input="\n".join(map(json.dumps, lines)), text=True, env=cls.env,
                             capture_output=True)
        assert run.returncode == 0, run.stderr

    def say(self, line, code=0, **env):
        args = line if isinstance(line, list) else line.split()
        run = subprocess.run([VARVE, *args], capture_output=True, env={**self.env, **env})
        self.assertEqual(run.returncode, code, run.stderr.decode())
        return run.stdout.decode()

    def on_terminal(self, line, width, **env):
        """What the command prints on a terminal so wide."""
        parent, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        process = subprocess.Popen([VARVE, *line.split()], stdout=child, stderr=subprocess.DEVNULL,
                                   stdin=subprocess.DEVNULL, env={**self.env, **env})
        os.close(child)
        said = b""
        while True:
            try:
                more = os.read(parent, 65536)
            except OSError: # the other end is closed
                break
            if not more:
                break
            said += more
        os.close(parent)
        self.assertEqual(process.wait(), 0)
        return said.decode().replace("\r\n", "\n")

    # ---- For people ----

    def test_tables_fit_the_terminal(self):
        for line in LISTS:
            for width in (40, 64, 80, 132):
                for row in self.on_terminal(line, width, NO_COLOR="1").splitlines():
                    self.assertLessEqual(columns(row), width, f"{line} at {width}: {row}")

    def test_colours_are_for_terminals_that_want_them(self):
        self.assertIn("\x1b[1m", self.on_terminal("sessions", 80))
        for line, env in [("sessions", {"NO_COLOR": "1"}), ("sessions", {"TERM": "dumb"}),
                          ("--format csv sessions", {}), ("--format jsonl sessions", {})]:
            self.assertNotIn("\x1b", self.on_terminal(line, 80, **env), line)
        self.assertIn("\x1b[1m", self.on_terminal("sessions", 80, NO_COLOR=""))
        for line in LISTS + RECORDS:
            self.assertNotIn("\x1b", self.say(line), line)

    def test_people_see_times_in_their_zone_and_programs_in_utc(self):
        self.assertIn("last activity (UTC)", self.say("sessions"))
        self.assertIn("2025-01-31 23:31:00", self.say("sessions"))
        berlin = self.say("sessions", TZ="Europe/Berlin")
        self.assertIn("last activity (local)", berlin)
        self.assertIn("2025-02-01 00:31:00", berlin)
        self.assertIn("2025-07-01 12:00:00", berlin) # summer time
        self.assertIn("2025-01-31T20:01:00.000-03:30", self.say("show blue", TZ="America/St_Johns"))
        for form in ("jsonl", "csv"):
            for line in LISTS + RECORDS:
                if line != "reconcile --all":
                    self.assertEqual(self.say(f"--format {form} {line}", TZ="Europe/Berlin"), self.say(f"--format {form} {line}"))
        self.assertIn("2025-01-31T23:31:00.000Z", self.say("--format csv sessions", TZ="Europe/Berlin"))

    def test_sizes_and_money_are_readable_to_people_and_exact_to_programs(self):
        self.assertRegex(self.say("stats"), r"log_bytes +\d+\.\d KiB\n")
        self.assertIn("1.2346", self.say("sessions"))
        for row in self.rows("stats"):
            self.assertRegex(row["log_bytes"], r"^\d+$")
        self.assertEqual(self.rows("sessions")[1]["total_cost_usd"], "1.234567891")
        self.assertEqual(self.rows("usage")[0]["cost_usd"], "1.234567891")
        self.assertEqual(self.rows("usage")[0]["input_tokens"], "1234567")

    # ---- CSV ----

    def rows(self, line):
        return list(csv.DictReader(io.StringIO(self.say(f"--format csv {line}"), newline="")))

    def test_csv_says_what_json_says(self):
        for line in LISTS + RECORDS[:4]:
            objects = [json.loads(row) for row in self.say(f"--format jsonl {line}").splitlines()]
            rows = self.rows(line)
            self.assertEqual(len(rows), len(objects), line)
            for row, thing in zip(rows, objects):
                for name, cell in row.items():
                    value = thing
                    for part in name.split(".") if name not in thing else [name]:
                        value = value.get(part, {}) if isinstance(value, dict) else value
                    if value in ({}, None): # a column of the table only, or null
                        continue
                    if isinstance(value, bool):
                        self.assertEqual(cell, str(value).lower(), (line, name))
                    elif isinstance(value, (int, float)):
                        self.assertEqual(float(cell), value, (line, name))
                    elif isinstance(value, str):
                        self.assertEqual(cell, value.replace("\x1b", "\ufffd"), (line, name))

    def test_csv_has_its_names_without_rows_too(self):
        self.assertEqual(self.say("--format csv sessions --model none-such"),
                         self.say("--format csv sessions").splitlines()[0] + "\n")
        self.assertEqual(self.say("--format csv verify"), "file,offset,what,is_fault\n")

    def test_csv_tells_null_from_empty(self):
        self.say(["set", "empty", "--create", "--title", ""])
        line = self.say("--format csv show empty").splitlines()
        names, cells = line[0].split(","), line[1].split(",")
        self.assertEqual(cells[names.index("title")], '""')
        self.assertEqual(cells[names.index("goal")], "")
        self.say("delete empty")

    # ---- Interrupted ----

    def test_who_interrupts_append_finds_what_was_stored(self):
        store = str(self.folder / "interrupted")
        process = subprocess.Popen([VARVE, "--store", store, "append"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env=self.env)
        for number in range(100):
            process.stdin.write(b'{"session_id": "s", "event_type": "Stop"}\n')
        process.stdin.flush()
        deadline = 2000 # what has come is stored when nothing more is there
        while deadline and not self.count(store) == "100":
            deadline -= 1
        self.assertTrue(deadline, "what has come is not stored")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(), -signal.SIGINT)
        self.assertEqual(process.stderr.read(), b"")
        process.stdin.close(), process.stdout.close(), process.stderr.close()
        self.assertEqual(self.count(store), "100")
        self.say(["--store", store, "verify", "--deep"])

    def count(self, store):
        run = subprocess.run([VARVE, "--store", store, "--format", "csv", "count", "events"], capture_output=True, text=True,
                             env=self.env)
        return run.stdout.split("\n")[1] if run.returncode == 0 else ""

    def test_who_interrupts_restore_finds_nothing_or_all(self):
        folder = self.folder / "restored"
        folder.mkdir()
        source = self.folder / "large.jsonl"
        line = {"type": "user", "sessionId": "5e5510f0-0000-4000-8000-000000000001", "message": {"role": "user", "content": "x" * 10000}}
        source.write_text("".join(json.dumps({**line, "uuid": str(n)}) + "\n" for n in range(2000)))
        store = str(self.folder / "large")
        self.say(["--store", store, "import", str(source)])
        for delay in range(6):
            process = subprocess.Popen([VARVE, "--store", store, "restore", "5e5510f0", "-o", str(folder / "out.jsonl")],
                                       env=self.env)
            for _ in range(delay): # somewhere in its life, no matter where
                subprocess.run(["true"])
            process.send_signal(signal.SIGINT)
            process.wait()
            left = sorted(path.name for path in folder.iterdir())
            self.assertIn(left, ([], ["out.jsonl"]))
            if left:
                self.assertEqual((folder / "out.jsonl").read_bytes(), source.read_bytes())
                (folder / "out.jsonl").unlink()
        self.say(["--store", store, "restore", "5e5510f0", "-o", str(folder / "out.jsonl")])
        self.assertEqual((folder / "out.jsonl").read_bytes(), source.read_bytes())

    # ---- Mistakes ----

    def test_what_is_unknown_gets_the_nearest_name(self):
        for line, wanted in [("sesions", "'sessions'"), ("sessions --ordr cost", "--order"), ("usage dayly", "'daily'"),
                             ("sessions --as mix-typscript", "mix-typescript"), ("help sesions", "'sessions'")]:
            run = subprocess.run([VARVE, *line.split()], capture_output=True, text=True, env=self.env)
            self.assertEqual((run.returncode, run.stdout), (2, ""), line)
            self.assertIn(f"did you mean {wanted}?", run.stderr, line)


if __name__ == "__main__":
    unittest.main()
