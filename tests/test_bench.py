#!/usr/bin/env python3
"""The side-by-side benchmark runs: every phase that can run here gives figures for every engine, the totals are
right (a wrong one is an error of the run), and the results can be told as a table and as a page. How large the
figures are does not matter here."""

import json
import os
import pathlib
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
        cls.done = bench("run", "--quick", "--engines", "varve,jsonl,sqlite", "--dir", cls.place.name, "--out", cls.out)
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
        page, table = (os.path.join(self.place.name, name) for name in ("page.html", "table.md"))
        done = bench("report", self.out, "--html", page, "--markdown", table)
        html, text = (pathlib.Path(path).read_text(encoding="utf-8") for path in (page, table))
        os.remove(page)
        os.remove(table)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("What Varve must reach", html)
        self.assertNotIn("http://", html.replace("http://www.w3.org/", ""))
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
        self.assertEqual(wrong.returncode, 3)
        self.assertIn("wrong total: events 500, appended were 501", wrong.stderr)

    def test_list_names_engines_and_phases(self):
        done = bench("list")
        self.assertEqual(done.returncode, 0)
        for word in ("varve", "limit", "ingest", "transcripts"):
            self.assertIn(word, done.stdout)


if __name__ == "__main__":
    unittest.main()
