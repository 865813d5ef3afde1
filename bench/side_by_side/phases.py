"""The phases: each runs every engine in turn, so that what the machine does meanwhile meets all of them."""

import contextlib
import pathlib
import shutil

from .figures import WIDE, WRITERS
from .programs import ATOMIC, COMPRESSES, LIMIT, MANY, PROCESSES, Failed

EXPECTED = ("sessions", "events", "bytes", "check", "tokens", "cost")


class Run:
    """One run: sizes, the engines, and what was measured."""

    def __init__(self, programs, backed, sizes, directory, say):
        self.programs = programs
        self.backed = backed
        self.sizes = sizes
        self.directory = pathlib.Path(directory)
        self.say = say
        self.values = {}  # figure -> engine -> list, one a repetition
        self.holds = {}  # engine -> what its store holds
        self.errors = []
        self.repetition = 0

    def engines(self, bits=0, without=0):
        """Those that have all of the properties and none of the others, another one first each time."""
        fit = [e for e in self.programs.engines.values() if e.can & bits == bits and not e.can & without]
        first = self.repetition % len(fit) if fit else 0
        return fit[first:] + fit[:first]

    def keep(self, phase, engine, told):
        """What is no figure of the table is not kept."""
        for name, value in told.items():
            self.values.setdefault(f"{phase}.{name}", {}).setdefault(engine, []).append(value)

    def place(self, engine, what="store"):
        return self.directory / f"{engine.name}.{what}"

    def clear(self, path):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def guarded(self):
        """An engine that fails is told, and the others go on."""
        try:
            yield
        except Failed as failure:
            self.errors.append(str(failure))
            self.say(f"FAILED {failure}")

    def measure(self, phase, engine, worker_phase, path, **options):
        """One phase of one engine."""
        self.backed.settle()
        with self.guarded():
            told = engine.run(worker_phase, path, seed=self.sizes.seed, **options)
            self.keep(phase, engine.name, told)
            return told
        return None


def expected(told):
    """What a store holds, for those who read it."""
    return {f"expect_{name}": told[name] for name in EXPECTED}


def ingest(run):
    """Fills a store for each engine, and leaves it for the phases that read: what it holds."""
    holds = {}
    for engine in run.engines():
        run.clear(run.place(engine))
        told = run.measure("ingest", engine, "fill", run.place(engine), events=run.sizes.events)
        if told:
            holds[engine.name] = told
            run.say(f"ingest {engine.name}: {told['events_s']:,.0f} events/s")
    return holds


def read(run, holds):
    """Questions to the stores as they were appended."""
    events, sizes = run.sizes.events, run.sizes
    for phase, worker, options in (
            ("look_up", "look-up", {"count": sizes.look_ups, "rounds": sizes.rounds}),
            ("look_up_cold", "look-up-cold", {"rounds": sizes.cold_rounds}),
            ("replay", "replay", {}),
            ("scan", "scan", {"rounds": sizes.scans}),
            ("usage", "usage", {"rounds": sizes.rounds})):
        for engine in run.engines():
            if engine.name not in holds or (phase == "usage" and not engine.uses):
                continue
            if engine.name == "limit-xxh3":
                continue
            run.measure(phase, engine, worker, run.place(engine), events=events, **options,
                        **expected(holds[engine.name]))
        run.say(phase)
    for engine in run.engines(without=LIMIT):
        if engine.name in holds:
            run.measure("disk", engine, "disk", run.place(engine), **expected(holds[engine.name]))


def packed(run, holds):
    """The same when packed, beside zstd by itself. An engine that compresses as it writes is as it is."""
    sizes = run.sizes
    limit = run.programs.engines["limit"]
    with run.guarded():
        run.backed.settle()
        told = limit.run("zstd", run.place(limit), seed=sizes.seed, events=sizes.events, rounds=3)
        run.keep("packed", "zstd", {"mb_s": told["mb_s"]})
        run.keep("packed", "zstd-alone", {"mb_s": told["alone_mb_s"]})
        run.keep("cold", "zstd", {"mb_s": told["mb_s"]})
        run.keep("pack", "zstd", {"mb_s_cpu": told["pack_mb_s"]})
        run.keep("disk_hot", "zstd", {"ratio": told["ratio"]})
        run.keep("disk_cold", "zstd", {"ratio": told["ratio"]})
    for phase, disk, cold in (("packed", "disk_hot", 0), ("cold", "disk_cold", 1)):
        for engine in run.engines(without=LIMIT):
            if engine.name not in holds or (cold and engine.name != "varve"):
                continue
            holding = expected(holds[engine.name])
            if engine.packs:
                told = run.measure("pack_cold" if cold else "pack", engine, "pack", run.place(engine), cold=cold,
                                   **holding)
                if not told:
                    continue
            run.measure(disk, engine, "disk", run.place(engine), **holding)
            if engine.may(COMPRESSES):
                run.measure(phase, engine, "replay", run.place(engine), events=sizes.events, **holding)
        run.say(phase)


def durable(run, _holds):
    """Each append on disk before the next."""
    for phase, events, batch in (("durable_1", run.sizes.durable, 1), ("durable_100", run.sizes.durable_100, 100)):
        for engine in run.engines():
            if engine.name == "limit-xxh3":
                continue
            path = run.place(engine, "durable")
            run.clear(path)
            # Plain files sync two for each session of a batch: a tenth is enough to know.
            some = events if engine.may(ATOMIC | LIMIT) else max(events // 10, batch)
            run.measure(phase, engine, "durable", path, events=some, batch=batch)
            run.clear(path)
        run.say(phase)


def _write_together(run, phase, engine, **options):
    path = run.place(engine, "writers")
    run.clear(path)
    run.measure(phase, engine, "writers", path, **options)
    run.clear(path)


def writers(run, _holds):
    """Many at once, each event by itself."""
    for number in [n for n in WRITERS if n <= run.sizes.writers]:
        count = max(run.sizes.durable_together // number, 10)
        for kind, threads, needed in (("processes", 0, PROCESSES), ("threads", 1, 0)):
            for engine in run.engines(needed):
                if engine.name != "limit-xxh3":
                    _write_together(run, f"durable_{number}_{kind}", engine, writers=number, count=count, durable=1,
                                    threads=threads)
        run.say(f"durable, {number} writers")
    for engine in run.engines(PROCESSES):
        if engine.name != "limit-xxh3":
            _write_together(run, "buffered_8_processes", engine, writers=8, count=run.sizes.buffered)
    run.say("buffered, 8 writers")


def wide(run, _holds):
    """Look-ups among very many sessions."""
    for sessions, text in WIDE:
        key = text.replace(" ", "").lower()
        count = run.sizes.wide.get(sessions, 0)
        for engine in run.engines(MANY) if count else []:
            if engine.name == "limit-xxh3":
                continue
            path = run.place(engine, "wide")
            run.clear(path)
            run.backed.settle()
            with run.guarded():
                seed = run.sizes.seed
                holding = {}
                if not engine.may(LIMIT):
                    holding = expected(engine.run("fill", path, seed=seed, events=count, wide=1))
                    holding["expect_check"] = None
                else:
                    holding = {"expect_sessions": count, "expect_events": count}
                run.keep(f"look_up_{key}", engine.name,
                         engine.run("look-up", path, seed=seed, events=count, wide=1, count=run.sizes.look_ups,
                                    rounds=run.sizes.rounds, **holding))
                run.keep(f"scan_{key}", engine.name,
                         engine.run("scan", path, seed=seed, events=count, wide=1, rounds=run.sizes.rounds, **holding))
            run.clear(path)
        if count:
            run.say(f"look-up among {count:,}")


def mixed(run, _holds):
    """A writer and a reader, on a store that is filled first."""
    for engine in run.engines(without=LIMIT):
        path = run.place(engine, "mixed")
        run.clear(path)
        with run.guarded():
            told = engine.run("fill", path, seed=run.sizes.seed, events=run.sizes.mixed_on)
            run.measure("mixed", engine, "mixed", path, events=run.sizes.mixed_on, count=run.sizes.mixed, readers=1,
                        expect_sessions=told["sessions"])
        run.clear(path)
    run.say("mixed")


def _new(run, engine, what, **options):
    return engine.command(what, run.place(engine, "zeros" if engine.may(LIMIT) and what == "append" else "store"),
                          **options)


def _counted(run, there):
    """Events of each store."""
    return {engine.name: engine.run("count", run.place(engine))["events"]
            for engine in there if not engine.may(LIMIT)}


def new_processes(run, holds):
    """Programs that do one thing and end, in turn; and many of them at once. What they appended must be there."""
    there = [e for e in run.engines() if e.name in holds and e.name not in ("limit", "limit-xxh3")]
    there = [run.programs.engines["limit"], *there]
    session = holds[there[0].name]["session"]
    with run.guarded():
        there[0].run("prepare", run.place(there[0], "zeros"))
        before = _counted(run, there)
        rounds, few, appended = run.sizes.spawns, run.sizes.spawns_at_once, 0
        for phase, commands in (
                ("new_get", [_new(run, e, "get", session=session) for e in there]),
                ("new_append", [_new(run, e, "append", durable=1) for e in there]),
                ("new_append_none", [_new(run, e, "append", durable=0) for e in there])):
            run.backed.settle()
            for engine, told in zip(there, run.programs.spawns(rounds, 1, commands)):
                run.keep(phase, engine.name, told)
            appended += 0 if phase == "new_get" else rounds + 3  # the first three warm up
            run.say(phase)
        together = [e for e in there if e.may(PROCESSES)]
        for parallel in (8, 16):
            run.backed.settle()
            commands = [_new(run, e, "append", durable=1) for e in together]
            for engine, told in zip(together, run.programs.spawns(few, parallel, commands)):
                run.keep(f"new_{parallel}", engine.name, told)
            run.say(f"{parallel} new processes at once")
        many = few * (8 + 16)
        after = _counted(run, there)
        for engine in there[1:]:
            want = before[engine.name] + appended + (many if engine.may(PROCESSES) else 0)
            if after[engine.name] != want:
                raise Failed(f"{engine.name}: new processes: wrong total: {after[engine.name]} events, not {want}")


def growth(run, _holds):
    """What an event costs as the store grows, packed at every gigabyte."""
    for engine in run.engines():
        if run.sizes.grow == 0 or engine.name not in run.sizes.growing:
            continue
        path = run.place(engine, "growth")
        run.clear(path)
        told = run.measure("growth", engine, "fill", path, events=1 << 62, gigabytes=run.sizes.grow)
        if told:
            run.keep("growth", engine.name,
                     {"ratio": told[f"ns_event_gb_{run.sizes.grow}"] / told["ns_event_gb_1"]})
        run.clear(path)
        run.say(f"growth {engine.name}")


PHASES = {
    "ingest": "batches of 1,000, not synced one by one; with the sync at the end; worst batch; private memory",
    "durable": "each event, and each batch of 100, on disk before the next",
    "writers": "1, 4, 16, 64 processes and threads, durable; 8 processes, buffered",
    "read": "look-ups, replay, scan, usage, disk: the stores as appended",
    "packed": "disk and replay when packed, beside zstd by itself",
    "wide": "look-ups and scan among 1 M (10 M) sessions",
    "mixed": "a writer and a reader on one store",
    "new": "new processes that look up or append once, in turn, and 8 and 16 at once",
    "growth": "cost of an event as the store grows (--grow)",
    "transcripts": "real transcripts, beside ccusage (--transcripts)",
}
NEED_STORES = ("read", "packed", "new")
