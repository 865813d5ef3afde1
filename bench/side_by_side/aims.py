"""What Varve must reach beside the others in the same run, and what it aims at."""

from .results import median, ratio, show

PEERS = ("sqlite", "sqlite-zstd", "lmdb", "rocksdb", "leveldb", "jsonl")
SAFE = ("sqlite", "sqlite-zstd", "rocksdb", "leveldb")  # whole after a crash of the system, batches all or nothing
DURABLE = ("sqlite", "sqlite-zstd", "lmdb", "rocksdb", "leveldb", "jsonl")
PACKING = ("sqlite-zstd", "rocksdb", "leveldb")


def _best(results, figure, engines, higher):
    there = [(median(results, figure, e), e) for e in engines if median(results, figure, e) is not None]
    return (max(there) if higher else min(there))[1] if there else None


def _line(results, text, value, must, aim, higher):
    """One line of the table; None where something was not measured."""
    if value is None:
        return None
    good = (lambda limit: value >= limit) if higher else (lambda limit: value <= limit)
    return {"what": text, "value": value, "must": must, "aim": aim, "higher": higher,
            "met": good(must), "aim_met": None if aim is None else good(aim)}


def _against(results, text, figure, other, must, aim=None, times_faster=False):
    """Varve's figure / another's; for times, how often faster: the other's / Varve's."""
    value = ratio(results, figure, "varve", other) if other else None
    if value and times_faster:
        value = 1 / value
    higher = times_faster or figure.endswith(("_s", "mb_s"))
    return _line(results, text, value, must, aim, higher)


def judge(results):
    """A list of lines, in the order of the table of phases."""
    def best(figure, engines, higher):
        return _best(results, figure, engines, higher)

    r = results
    safe = best("ingest.events_s", SAFE, True)
    one = best("durable_1.events_s", DURABLE, True)
    hundred = best("durable_100.events_s", DURABLE, True)
    packer = best("packed.mb_s", PACKING, True)
    lines = [
        _against(r, "ingest, buffered / SQLite", "ingest.events_s", "sqlite", 5),
        _against(r, f"ingest, buffered / best that survives a crash ({safe})", "ingest.events_s", safe, 2.5),
        _against(r, "ingest, buffered / LMDB without sync", "ingest.events_s", "lmdb", 1),
        _against(r, "ingest, buffered / write + XXH3", "ingest.events_s", "limit-xxh3", 0.45, 0.7),
        _against(r, "worst batch / LMDB's", "ingest.worst_batch_ms", "lmdb", 1),
        _line(r, "worst batch, ms", median(r, "ingest.worst_batch_ms", "varve"), float("inf"), 20, False),
        _against(r, "durable one by one / overwriting + fdatasync", "durable_1.events_s", "limit", 0.85, 0.95),
        _against(r, f"durable one by one / best peer ({one})", "durable_1.events_s", one, 1),
        _against(r, f"durable by 100 / best peer ({hundred})", "durable_100.events_s", hundred, 1.8),
        _against(r, "durable by 100 / overwriting + fdatasync", "durable_100.events_s", "limit", 0, 0.7),
        _against(r, "look-up, 1 M sessions, times as fast as LMDB", "look_up_1m.ns", "lmdb", 3, None, True),
        _line(r, "look-up, 1 M sessions, ns", median(r, "look_up_1m.ns", "varve"), float("inf"), 150, False),
        _against(r, f"replay, packed / best peer that compresses ({packer})", "packed.mb_s", packer, 2.5),
        _against(r, "replay, packed / zstd and a look at what it gives", "packed.mb_s", "zstd", 0.7, 0.85),
        _against(r, "replay, packed / zstd that nobody reads from", "packed.mb_s", "zstd-alone", 0, 0.7),
        _against(r, "replay, not packed / LMDB", "replay.events_s", "lmdb", 1.3),
        _against(r, "replay, not packed / from memory", "replay.events_s", "limit", 0, 0.7),
        _against(r, "scan, times as fast as the best peer", "scan.ms", best("scan.ms", PEERS, False), 1, None, True),
        _against(r, "scan / plain array", "scan.ms", "limit", float("inf"), 1.3),
        _line(r, "disk / payload, packed", median(r, "disk_hot.ratio", "varve"), 0.22, 0.18, False),
        _line(r, "disk / payload, packed smallest", median(r, "disk_cold.ratio", "varve"), 0.19, 0.16, False),
        _against(r, "disk, times below the best peer", "disk_hot.ratio", best("disk_hot.ratio", PEERS, False), 1,
                 None, True),
        _against(r, "new process: open + get / open + pread", "new_get.p50_us", "limit", 1.3, 1.15),
        _against(r, "new process: open + get, times as fast as the best peer", "new_get.p50_us",
                 best("new_get.p50_us", PEERS, False), 1, None, True),
        _against(r, "new process: durable append / open + flock + pwrite + fdatasync", "new_append.p50_us", "limit",
                 1.3, 1.15),
        _against(r, "new process: durable append, times as fast as the best peer", "new_append.p50_us",
                 best("new_append.p50_us", PEERS, False), 1, None, True),
        _against(r, "first import of transcripts / one ccusage daily", "transcripts.first_ms", "ccusage", 2, 1),
        _against(r, "usage daily afterwards, times as fast as ccusage", "transcripts.later_ms", "ccusage", 20, 100,
                 True),
        _line(r, "cost of an event, last GB / first", median(r, "growth.ratio", "varve"), 1.1, 1.0, False),
        _line(r, "private memory while ingesting, MB", median(r, "ingest.private_mb", "varve"), 64, 16, False),
    ]
    return [line for line in lines if line]


def _bound(value, higher):
    if value is None or value in (0, float("inf")):
        return ""
    return (">= " if higher else "<= ") + f"{value:g}"


def markdown(lines):
    """The table of aims."""
    rows = ["| Varve | reached | must | aim | |", "| --- | ---: | ---: | ---: | --- |"]
    for line in lines:
        bound = line["must"] not in (0, float("inf"))
        verdict = "aim" if line["aim_met"] else "MISSED" if not line["met"] else "met" if bound else "below its aim"
        rows.append(f"| {line['what']} | {show(line['value'])} | {_bound(line['must'], line['higher'])} | "
                    f"{_bound(line['aim'], line['higher'])} | {verdict} |")
    return "\n".join(rows) + "\n"
