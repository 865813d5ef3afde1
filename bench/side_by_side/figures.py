"""What is measured: every figure once, with its unit, which way is better, and the limits beside it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One row of the table. 'limits' are the engines of which each shows what the machine can do."""

    name: str
    title: str
    unit: str
    better: str  # "higher" or "lower"
    limits: tuple = ("limit",)


def _writers(kind, who, number, sync):
    name = f"{sync}_{number}_{kind}"
    who = who if number > 1 else who.removesuffix("es") if kind == "processes" else who.removesuffix("s")
    return [
        Figure(f"{name}.events_s", f"{sync}, {number} writing {who}", "events/s", "higher"),
        Figure(f"{name}.p50_us", f"{sync}, {number} writing {who}, median", "us", "lower"),
        Figure(f"{name}.p99_us", f"{sync}, {number} writing {who}, p99", "us", "lower"),
        Figure(f"{name}.p999_us", f"{sync}, {number} writing {who}, p99.9", "us", "lower"),
    ]


WRITERS = (1, 4, 16, 64)
WIDE = ((1_000_000, "1 M"), (10_000_000, "10 M"))


def _all():
    both = ("limit", "limit-xxh3")
    rows = [
        Figure("ingest.events_s", "ingest, batches of 1,000, buffered", "events/s", "higher", both),
        Figure("ingest.events_s_synced", "the same with the final sync", "events/s", "higher", both),
        Figure("ingest.worst_batch_ms", "worst batch while ingesting", "ms", "lower", both),
        Figure("ingest.private_mb", "private memory while ingesting", "MB", "lower", ()),
        Figure("durable_1.events_s", "durable, one by one", "events/s", "higher"),
        Figure("durable_1.p99_us", "durable, one by one, p99", "us", "lower"),
        Figure("durable_100.events_s", "durable, batches of 100", "events/s", "higher"),
    ]
    for number in WRITERS:
        rows += _writers("processes", "processes", number, "durable")
    for number in WRITERS:
        rows += _writers("threads", "threads", number, "durable")
    rows += _writers("processes", "processes", 8, "buffered")
    rows += [
        Figure("look_up.ns", "look-up of a session, warm", "ns", "lower"),
        Figure("look_up.first_ns", "look-up of a session, first round", "ns", "lower"),
        Figure("look_up_cold.open_get_ms", "open and look-up, nothing in memory", "ms", "lower"),
    ]
    for _, text in WIDE:
        key = text.replace(" ", "").lower()
        rows += [
            Figure(f"look_up_{key}.ns", f"look-up of a session, warm, {text} sessions", "ns", "lower"),
            Figure(f"scan_{key}.ms", f"scan of {text} session records", "ms", "lower"),
        ]
    rows += [
        Figure("replay.events_s", "replay, as appended, library caches cold", "events/s", "higher"),
        Figure("replay.again_events_s", "replay again", "events/s", "higher"),
        Figure("packed.events_s", "replay, packed, library caches cold", "events/s", "higher"),
        Figure("packed.mb_s", "replay, packed, payload", "MB/s", "higher", ("zstd",)),
        Figure("cold.mb_s", "replay, packed smallest, payload", "MB/s", "higher", ("zstd",)),
        Figure("pack.mb_s_cpu", "packing, payload by processor time", "MB/s", "higher", ("zstd",)),
        Figure("scan.ms", "scan of the session records", "ms", "lower"),
        Figure("usage.ms", "usage by day and model", "ms", "lower", ()),
        Figure("usage.first_ms", "usage by day and model, first time", "ms", "lower", ()),
        Figure("disk.ratio", "disk / payload, as appended", "", "lower", ()),
        Figure("disk_hot.ratio", "disk / payload, packed", "", "lower", ("zstd",)),
        Figure("disk_cold.ratio", "disk / payload, packed smallest", "", "lower", ("zstd",)),
        Figure("new_get.p50_us", "new process: open, look up a session", "us", "lower"),
        Figure("new_append.p50_us", "new process: one durable append", "us", "lower"),
        Figure("new_append_none.p50_us", "new process: one append, not synced", "us", "lower"),
        Figure("new_8.us", "8 new processes at once, durable append: time for each", "us", "lower"),
        Figure("new_8.p99_us", "8 new processes at once, p99 of a process", "us", "lower"),
        Figure("new_16.us", "16 new processes at once, durable append: time for each", "us", "lower"),
        Figure("new_16.p99_us", "16 new processes at once, p99 of a process", "us", "lower"),
        Figure("mixed.write_alone", "a writer alone, batches of 100", "events/s", "higher", ()),
        Figure("mixed.write_beside", "a writer beside a reader", "events/s", "higher", ()),
        Figure("mixed.read_alone", "a reader alone: look-up and replay", "sessions/s", "higher", ()),
        Figure("mixed.read_beside", "a reader beside a writer", "sessions/s", "higher", ()),
        Figure("growth.ratio", "cost of an event in the last GB against the first", "", "lower", ()),
        Figure("transcripts.first_ms", "real transcripts: first import, or the report", "ms", "lower", ()),
        Figure("transcripts.later_ms", "real transcripts: usage by day, afterwards", "ms", "lower", ()),
    ]
    return rows


FIGURES = {figure.name: figure for figure in _all()}
