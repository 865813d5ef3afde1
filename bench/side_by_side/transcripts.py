"""Real transcripts: the first import and each later question, beside ccusage, which reads all files each time."""

import os
import pathlib
import shutil
import statistics
import subprocess
import time

IMPORTS, REPORTS = 5, 5


def find_ccusage(directory):
    """Its program; where there is npm it is installed into 'directory'. None: it cannot be had."""
    found = shutil.which("ccusage")
    if found is None and shutil.which("npm") is not None:
        place = pathlib.Path(directory) / "ccusage"
        place.mkdir(exist_ok=True)
        subprocess.run(["npm", "install", "--silent", "--no-save", "--no-audit", "--no-fund", "--prefix", str(place),
                        "ccusage"], capture_output=True, check=False, timeout=300)
        program = place / "node_modules" / ".bin" / "ccusage"
        found = str(program) if program.exists() else None
    return found


def _timed(words, environment=None):
    begun = time.perf_counter()
    done = subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment, check=False)
    took = time.perf_counter() - begun
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{words[0]}: {done.stderr.decode(errors='replace').strip()}")
    return took


def measure(run, folder):
    """Keeps 'transcripts' figures of varve, and of ccusage if it is there."""
    work = run.directory / "transcripts"
    projects = work / "config" / "projects"
    run.clear(work)
    shutil.copytree(folder, projects)
    size = sum(path.stat().st_size for path in projects.rglob("*") if path.is_file())
    environment = dict(os.environ, CLAUDE_CONFIG_DIR=str(work / "config"))
    program = find_ccusage(run.directory)
    if program is None:
        run.say("ccusage is not here and cannot be installed: left out")
    store = work / "store"
    varve = [str(run.programs.varve), "--store", str(store)]
    imports, reports, later = [], [], []
    for _ in range(IMPORTS + 1):  # the first of each warms up
        run.clear(store)
        imports.append(_timed([*varve, "import", str(projects)]))
        if program is not None:
            reports.append(_timed([program, "daily", "--offline"], environment))
    told = run.programs.spawns(20, 1, [[*varve, "usage", "daily"]])
    later.append(told[0]["p50_us"] / 1e3)
    run.keep("transcripts", "varve",
             {"first_ms": statistics.median(imports[1:]) * 1e3, "later_ms": later[0], "bytes": size})
    if program is not None:
        milliseconds = statistics.median(reports[1:]) * 1e3
        run.keep("transcripts", "ccusage", {"first_ms": milliseconds, "later_ms": milliseconds})
    run.clear(work)
    run.say(f"transcripts, {size / 1e6:,.0f} MB")
