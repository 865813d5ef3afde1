#!/usr/bin/env python3
"""What an import promises, on the sample transcripts: right totals in any order of the files, nothing
counted twice, the files again byte for byte, and the same store after any number of kills.

Environment: VARVE the command, SAMPLES the folder of samples, VARVE_LONG more of everything.
"""
import collections
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

VARVE = os.environ["VARVE"]
SAMPLES = pathlib.Path(os.environ["SAMPLES"])
PROJECTS = SAMPLES / "claude" / "projects"
EXPECTED = json.loads((SAMPLES / "expected.json").read_text())
LONG = bool(os.environ.get("VARVE_LONG"))


def varve(store, *args, expect=0):
    run = subprocess.run([VARVE, "--store", str(store), "--format", "jsonl", *map(str, args)], capture_output=True)
    if run.returncode != expect:
        raise AssertionError(f"varve {args}: exit {run.returncode}: {run.stderr.decode()}")
    return run.stdout


def rows(store, *args):
    return [json.loads(line) for line in varve(store, *args).splitlines()]


def files():
    return sorted(PROJECTS.rglob("*.jsonl"))


class ImportTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="varve-test-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def store(self, name="store"):
        return self.folder / name

    def check_totals(self, store):
        total = rows(store, "usage", "total")[0]
        for kind, want in EXPECTED["by_kind"].items():
            got = total["by_kind"][kind]
            for field, number in want.items():
                if field == "cost_usd":
                    self.assertAlmostEqual(got[field], number, places=6, msg=f"{kind} {field}")
                elif field in got:
                    self.assertEqual(got[field], number, f"{kind} {field}")

    def check_sound(self, store):
        varve(store, "verify", "--deep")

    def test_totals_are_those_counted_independently(self):
        store = self.store()
        varve(store, "import", PROJECTS)
        self.check_totals(store)
        self.check_sound(store)

    def test_any_order_of_the_files_gives_the_same_sessions(self):
        store = self.store("first")
        varve(store, "import", PROJECTS)
        want = sorted(varve(store, "sessions", "--all").splitlines())
        for seed in range(20 if LONG else 6):
            paths = files()
            random.Random(seed).shuffle(paths)
            again = self.store(f"shuffled{seed}")
            varve(again, "import", *paths)
            self.check_totals(again)
            self.assertEqual(sorted(varve(again, "usage", "session").splitlines()),
                             sorted(varve(store, "usage", "session").splitlines()))
            if seed == 0:
                self.check_sound(again)
            got = sorted(varve(again, "sessions", "--all").splitlines())
            self.assertEqual([json.loads(line)["session_id"] for line in got],
                             [json.loads(line)["session_id"] for line in want])
            for one, other in zip(got, want):
                one, other = json.loads(one), json.loads(other)
                self.assertEqual(one, other)

    def test_a_second_import_and_a_copy_add_nothing(self):
        store = self.store()
        varve(store, "import", PROJECTS)
        before = varve(store, "sessions", "--all")
        copy = self.folder / "copy"
        shutil.copytree(PROJECTS, copy / "projects")
        for args in ([PROJECTS], ["--check", PROJECTS], [copy]):
            report = rows(store, "import", *args)[0]
            self.assertEqual(report["events_added"], 0, args)
        self.assertEqual(varve(store, "sessions", "--all"), before)
        self.check_totals(store)

    def test_a_file_that_grows_gives_the_same_as_its_last_state_alone(self):
        for path in files():
            data = path.read_bytes()
            cuts = [m.end() for m in re.finditer(rb"\n", data)]
            if len(cuts) < 4:
                continue
            whole, grown = self.store("whole"), self.store("grown")
            target = self.folder / "p" / path.name
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(data)
            varve(whole, "import", target)
            random.seed(len(data))
            steps = sorted(random.sample(range(len(data)), 5)) + [len(data)]
            for size in steps:  # also in the middle of lines
                target.write_bytes(data[:size])
                varve(grown, "import", target)
            self.assertEqual(varve(grown, "sessions", "--all"), varve(whole, "sessions", "--all"), path.name)
            self.assertEqual(varve(grown, "usage", "total"), varve(whole, "usage", "total"), path.name)
            self.check_sound(grown)
            shutil.rmtree(whole)
            shutil.rmtree(grown)

    def test_saved_states_of_a_session_under_several_names_are_one_session(self):
        path = max(files(), key=lambda p: p.stat().st_size)
        data = path.read_bytes()
        lines = data.splitlines(keepends=True)
        last, states = self.store("last"), self.store("states")
        for i, count in enumerate((len(lines) // 3, len(lines) * 2 // 3, len(lines))):
            name = self.folder / f"{i:03}.jsonl"
            name.write_bytes(b"".join(lines[:count]))
            varve(states, "import", name)
        varve(last, "import", self.folder / "002.jsonl")
        self.assertEqual(varve(states, "sessions", "--all"), varve(last, "sessions", "--all"))

    def test_transcripts_come_back_byte_for_byte(self):
        store = self.store()
        varve(store, "import", PROJECTS)
        of = collections.defaultdict(set)
        for path in files():
            subagent = path.stem.startswith("agent-") or "subagents" in path.parts
            ids = re.findall(rb'"sessionId":"([^"]+)"', path.read_bytes())
            session = ids[0].decode() if ids else path.stem
            of[f"{session}/{path.stem}" if subagent else session].add(path)
        good = 0
        for session, paths in of.items():
            texts = sorted((path.read_bytes() for path in paths), key=len)
            if not all(texts[-1].startswith(text) for text in texts) or not texts[-1]:
                continue
            want = texts[-1]
            if not want.endswith(b"\n"):  # an unfinished last line is left for next time
                tail = want.rsplit(b"\n", 1)[-1]
                try:
                    json.loads(tail)
                except ValueError:
                    want = want[: len(want) - len(tail)]
            self.assertEqual(varve(store, "restore", session), want, session)
            good += 1
        self.assertGreater(good, 10)

    def test_every_line_of_two_versions_of_a_session_is_there_once(self):
        store = self.store()
        head = b'{"type":"user","sessionId":"s","uuid":"u0","timestamp":"2026-01-01T00:00:00.000Z","message":{"role":"user","content":"a"}}\n'
        line = head.replace(b"u0", b"u%d")
        one, other = self.folder / "one.jsonl", self.folder / "other.jsonl"
        one.write_bytes(head + b"".join(line % i for i in (1, 2, 3)))
        other.write_bytes(head + b"".join(line % i for i in (1, 7, 3, 3)))
        varve(store, "import", one, other)
        got = varve(store, "restore", "s").splitlines(keepends=True)
        want = [head] + [line % i for i in (1, 2, 3, 7, 3)]
        self.assertEqual(got, want)


class KillTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="varve-test-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.source = self.folder / "projects"
        for copy in range(12):  # more of the same, as other sessions
            for path in files():
                target = self.source / f"{path.relative_to(PROJECTS).parts[0]}-{copy}" / path.name
                target.parent.mkdir(parents=True, exist_ok=True)
                data = re.sub(rb'"sessionId":"([^"]+)"', rb'"sessionId":"\1-%d"' % copy, path.read_bytes())
                target.write_bytes(data)

    def test_an_import_killed_at_any_moment_and_run_again_ends_the_same(self):
        whole = self.folder / "whole"
        begun = time.monotonic()
        varve(whole, "import", self.source)
        length = time.monotonic() - begun
        want = sorted(varve(whole, "sessions", "--all").splitlines())
        moments, kills = (300 if LONG else 50), 0
        for number in range(moments):
            store = self.folder / "killed"
            for more in range(1 + number % 3):  # the first spread over a whole run, more of them anywhere
                process = subprocess.Popen([VARVE, "--store", str(store), "import", str(self.source)],
                                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                time.sleep(length * (number + random.random()) / moments if more == 0 else length * random.random() / 2)
                process.send_signal(signal.SIGKILL)
                kills += process.wait() == -signal.SIGKILL
            varve(store, "import", self.source)
            self.assertEqual(sorted(varve(store, "sessions", "--all").splitlines()), want)
            varve(store, "verify", "--deep")
            shutil.rmtree(store)
        self.assertGreater(kills, moments // 2)
        print(f"{kills} imports were killed before their end", file=sys.stderr)


if __name__ == "__main__":
    unittest.main()
