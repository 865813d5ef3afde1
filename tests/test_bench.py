#!/usr/bin/env python3
"""The side-by-side benchmark runs: every phase that can run here gives figures for every engine, the totals are
right (a wrong one is an error of the run), and the results can be told as a table and as a page. How large the
figures are does not matter here. VARVE_LONG=1: with all engines that are built."""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

VARVE = os.environ.get("VARVE", "")
BENCH = pathlib.Path(VARVE).parent / "bench" / "varve-bench"
PHASES = ["ingest", "durable_1", "durable_100", "durable_1_processes", "durable_4_threads", "buffered_8_processes",
          "look_up", "look_up_cold", "look_up_1m", "replay", "packed", "cold", "scan", "usage", "disk", "disk_hot",
          "disk_cold", "new_get", "new_append", "new_append_none", "new_8", "new_16", "mixed"]


def bench(*words):
    return subprocess.run([str(BENCH), *words], capture_output=True, text=True, check=False,
                          env=dict(os.environ, PYTHON=sys.executable))


@unittest.skipUnless(BENCH.exists(), "the benchmark is not built")
class Bench(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = tempfile.TemporaryDirectory()
        cls.out = os.path.join(cls.place.name, "out.json")
        only = [] if os.environ.get("VARVE_LONG") else ["--engines", "varve,jsonl"]
        cls.done = bench("run", "--quick", *only, "--dir", cls.place.name, "--out", cls.out)
        cls.results = json.loads(pathlib.Path(cls.out).read_text(encoding="utf-8")) if cls.done.returncode == 0 else {}

    @classmethod
    def tearDownClass(cls):
        cls.place.cleanup()

    def test_runs_without_an_error(self):
        self.assertEqual(self.done.returncode, 0, self.done.stderr)
        self.assertEqual(self.results["errors"], [])

    def test_every_phase_has_figures_of_varve(self):
        measured = {name.split(".")[0] for name, by in self.results["figures"].items() if "varve" in by}
        self.assertEqual([phase for phase in PHASES if phase not in measured], [])

    def test_every_figure_is_a_number_and_has_its_ratios(self):
        for name, by_engine in self.results["figures"].items():
            for engine, figure in by_engine.items():
                self.assertGreaterEqual(figure["min"], 0, name)
                self.assertLessEqual(figure["min"], figure["median"], name)
                self.assertLessEqual(figure["median"], figure["max"], name)
                self.assertEqual(set(figure["ratio_to"]), set(by_engine) - {engine}, name)

    def test_nothing_is_left_behind(self):
        self.assertEqual(os.listdir(self.place.name), ["out.json"])

    def test_results_are_told_as_table_and_page(self):
        few = dict(self.results, figures={name: by for name, by in self.results["figures"].items()
                                          if name in ("ingest.events_s", "look_up.ns")})
        with tempfile.TemporaryDirectory() as place:
            names = [os.path.join(place, name) for name in ("few.json", "page.html", "table.md")]
            pathlib.Path(names[0]).write_text(json.dumps(few), encoding="utf-8")
            done = bench("report", names[0], "--html", names[1], "--markdown", names[2])
            html, text = (pathlib.Path(name).read_text(encoding="utf-8") for name in names[1:])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue("What Varve must reach" in html and "look-up of a session, warm" in html)
        self.assertEqual(re.findall(r'(?:src|href)="(?!#)[^"]*"', html), [], "the page needs nothing from elsewhere")
        self.assertIn("| ingest, batches of 1,000, buffered", text)

    def test_a_wrong_total_is_an_error(self):
        worker = BENCH.parent / "engine-varve"
        with tempfile.TemporaryDirectory() as place:
            store = os.path.join(place, "store")
            subprocess.run([worker, "fill", "--path", store, "--events", "500"], check=True, capture_output=True)
            good = subprocess.run([worker, "scan", "--path", store, "--expect-events", "500"], capture_output=True,
                                  text=True, check=False)
            wrong = subprocess.run([worker, "scan", "--path", store, "--expect-events", "501"], capture_output=True,
                                   text=True, check=False)
        self.assertEqual(good.returncode, 0, good.stderr)
        self.assertNotEqual(wrong.returncode, 0)
        self.assertIn("wrong total: events 500, appended were 501", wrong.stderr)

    def test_list_names_engines_and_phases(self):
        done = bench("list")
        self.assertEqual(done.returncode, 0)
        for word in ("varve", "limit", "ingest", "transcripts"):
            self.assertIn(word, done.stdout)


if __name__ == "__main__":
    unittest.main()
