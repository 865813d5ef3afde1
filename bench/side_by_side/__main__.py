"""varve-bench run|list|report."""

import argparse
import importlib.util
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

from . import machine, phases, report, results, transcripts
from .programs import Backed, Programs

MEANT = {  # what to do when a phase is asked for by its name
    "durable": phases.durable, "writers": phases.writers, "read": phases.read, "packed": phases.packed,
    "wide": phases.wide, "mixed": phases.mixed, "new": phases.new_processes, "growth": phases.growth,
}


class Sizes:
    """How much of each. 'quick': as little as shows that everything runs."""

    def __init__(self, asked):
        quick = asked.quick
        self.seed = asked.seed
        self.repeat = asked.repeat or (1 if quick else 3)
        self.events = asked.events or (3000 if quick else 300_000)
        self.durable, self.durable_100 = (40, 400) if quick else (3000, 20_000)
        self.durable_together, self.buffered = (80, 100) if quick else (6400, 5000)
        self.writers = 4 if quick else 64
        self.look_ups, self.rounds, self.cold_rounds, self.scans = (500, 2, 2, 3) if quick else (20_000, 5, 25, 51)
        self.mixed, self.mixed_on = (500, 3000) if quick else (50_000, min(self.events, 100_000))
        self.spawns, self.spawns_at_once = (3, 2) if quick else (200, 50)
        wide = asked.sessions or (2000 if quick else 1_000_000)
        self.wide = {1_000_000: min(wide, 1_000_000), 10_000_000: wide if wide > 1_000_000 else 0}
        self.grow = asked.grow
        self.growing = asked.grow_engines.split(",")
        self.backed = 0 if quick else asked.backed


def say(text):
    print(f"varve-bench: {text}", file=sys.stderr, flush=True)


def tell(run, place, asked, programs):
    """The results as far as they are known."""
    sizes = run.sizes
    one = next(iter(run.holds.values()), {})
    grown = {engine: {name.split(".")[1]: by[engine][-1] for name, by in run.values.items()
                      if name.startswith("growth.ns_event_gb_") and engine in by} for engine in sizes.growing}
    return {
        "machine": place,
        "sizes": {"events": sizes.events, "seed": sizes.seed, "repeat": run.repetition + 1, "quick": asked.quick,
                  "durable": sizes.durable, "wide": sizes.wide[10_000_000] or sizes.wide[1_000_000]},
        "sessions": one.get("sessions", 0),
        "payload_bytes": one.get("bytes", 0),
        "engines": {e.name: {"version": e.version, "about": e.about} for e in programs.engines.values()},
        "absent": programs.absent,
        "growth": {engine: by for engine, by in grown.items() if by},
        "figures": results.gather(run.values),
        "errors": run.errors,
    }


def run_all(asked, programs):
    """Measures, and gives the results. Wrong totals are errors."""
    sizes = Sizes(asked)
    wanted = asked.phases.split(",") if asked.phases else list(phases.PHASES)
    unknown = [name for name in wanted if name not in phases.PHASES]
    if unknown:
        raise SystemExit(f"varve-bench: no such phase: {', '.join(unknown)}")
    if asked.engines:
        chosen = set(asked.engines.split(",")) | {"limit", "limit-xxh3"}
        programs.engines = {n: e for n, e in programs.engines.items() if n in chosen}
    if programs.absent:
        say("left out, not built here: " + ", ".join(programs.absent))
    directory = pathlib.Path(tempfile.mkdtemp(prefix="varve-bench-", dir=asked.dir))
    backed = Backed(programs, sizes.backed)
    run = phases.Run(programs, backed, sizes, directory, say)
    place = machine.describe(str(directory))
    try:
        for run.repetition in range(sizes.repeat):
            say(f"repetition {run.repetition + 1} of {sizes.repeat}")
            if "ingest" in wanted or any(name in wanted for name in phases.NEED_STORES):
                run.holds = phases.ingest(run)
            for name in [n for n in ("read", "packed", "new") if n in wanted]:
                MEANT[name](run, run.holds)
            for path in list(directory.glob("*.store")) + list(directory.glob("*.zeros")):
                run.clear(path)
            for name in [n for n in ("durable", "writers", "mixed", "wide") if n in wanted]:
                MEANT[name](run, run.holds)
            keep(asked, tell(run, place, asked, programs))
        if "growth" in wanted:
            phases.growth(run, run.holds)
        if "transcripts" in wanted and asked.transcripts:
            transcripts.measure(run, asked.transcripts)
    finally:
        backed.close()
        shutil.rmtree(directory, ignore_errors=True)
    return tell(run, place, asked, programs)


def keep(asked, got):
    """Also after each repetition: what was measured is not lost when a long run is ended."""
    with open(asked.out, "w", encoding="utf-8") as file:
        json.dump(got, file, indent=1)
        file.write("\n")


def command_run(asked, programs):
    got = run_all(asked, programs)
    keep(asked, got)
    print(report.markdown(got))
    say(f"results in {asked.out}")
    for line in got["errors"]:
        say(f"failed: {line}")
    return 1 if got["errors"] else 0


def command_list(_asked, programs):
    print("engines:")
    for engine in programs.engines.values():
        print(f"  {engine.name:<12} {engine.version:<8} {engine.about}")
    for name in programs.absent:
        print(f"  {name:<12} not built here: its library was not found")
    print("phases:")
    for name, text in phases.PHASES.items():
        print(f"  {name:<12} {text}")
    return 0


def with_charts():
    """Runs this again by the system's own Python, if that one has matplotlib and this one has not."""
    system = "/usr/bin/python3"
    if importlib.util.find_spec("matplotlib") is None and os.path.exists(system) and "VARVE_BENCH_AGAIN" not in os.environ:
        has = subprocess.run([system, "-c", "import matplotlib"], capture_output=True, check=False)
        if has.returncode == 0:
            os.environ["VARVE_BENCH_AGAIN"] = "1"
            os.execv(system, [system, "-m", "side_by_side", *sys.argv[1:]])


def command_report(asked, _programs):
    if asked.html:
        with_charts()
    with open(asked.results, encoding="utf-8") as file:
        got = json.load(file)
    if asked.html:
        pathlib.Path(asked.html).write_text(report.page(got), encoding="utf-8")
    if asked.markdown:
        pathlib.Path(asked.markdown).write_text(report.markdown(got), encoding="utf-8")
    if not asked.html and not asked.markdown:
        print(report.markdown(got))
    return 0


def parse():
    parser = argparse.ArgumentParser(prog="varve-bench", description="Varve beside other stores, in one run.")
    parser.add_argument("--programs", required=True, help=argparse.SUPPRESS)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="measure; results as JSON, and a Markdown table on the standard output")
    run.add_argument("--out", default="varve-bench.json", help="where the results go (varve-bench.json)")
    run.add_argument("--dir", default=os.environ.get("TMPDIR", "/var/tmp"), help="scratch space, some 20 GB a million events")
    run.add_argument("--events", type=int, help="of the workload (300,000); 1,000,000 are 1.84 GB of payload")
    run.add_argument("--repeat", type=int, help="repetitions (3)")
    run.add_argument("--seed", type=int, default=1)
    run.add_argument("--engines", help="only these, by names with commas; the limits come along")
    run.add_argument("--phases", help="only these, by names with commas")
    run.add_argument("--sessions", type=int, help="for the look-ups among many (1,000,000); 10,000,000 takes long")
    run.add_argument("--grow", type=int, default=0, metavar="GB", help="also grow stores to so many gigabytes")
    run.add_argument("--grow-engines", default="varve,limit-xxh3", metavar="NAMES", help="which (varve,limit-xxh3)")
    run.add_argument("--transcripts", metavar="DIR", help="also import these real transcripts, beside ccusage")
    run.add_argument("--backed", type=int, default=5000, metavar="MB", help="memory kept backed (5000); 0 = none")
    run.add_argument("--quick", action="store_true", help="tiny: shows that everything runs, measures nothing")
    commands.add_parser("list", help="engines and phases that there are here")
    show = commands.add_parser("report", help="results again, as a page or a table")
    show.add_argument("results", metavar="FILE.json")
    show.add_argument("--html", metavar="FILE")
    show.add_argument("--markdown", metavar="FILE")
    return parser.parse_args()


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what is left is cleared away
    asked = parse()
    programs = Programs(asked.programs)
    if "limit" not in programs.engines or "varve" not in programs.engines:
        raise SystemExit("varve-bench: its programs are not built: cmake --preset release -DVARVE_BENCH=ON, then build")
    try:
        return {"run": command_run, "list": command_list, "report": command_report}[asked.command](asked, programs)
    except OSError as failure:
        raise SystemExit(f"varve-bench: {failure}") from None


if __name__ == "__main__":
    sys.exit(main())
