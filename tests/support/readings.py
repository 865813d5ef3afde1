"""All that a store says, read in two ways: by the varve command and by the second reader."""
import json

import second_reader
from reader.fold import Sessions
from reader.log import Log
from support.random_store import varve


def plain(row):
    """Money without zeros at its end, so that 0.50 is 0.5; the same for what is inside."""
    for name, value in row.items():
        if name.endswith("cost_usd") and value is not None:
            text = str(value)
            row[name] = text.rstrip("0").rstrip(".") if "." in text else text
    for inner in row.get("by_source", {}).values():
        plain(inner)
    return row


def parse(line):
    return plain(json.loads(line, parse_float=str))


def theirs(store, *args, expect=(0,)):
    """What the varve command prints, one object a line."""
    return [parse(line) for line in varve(store, *args, expect=expect).decode(errors="replace").splitlines()]


def mine(rows):
    """What the second reader made, in the same form."""
    return [parse(json.dumps(row)) for row in rows]


def by_varve(store):
    """(session records by key, but of those that are forgotten; events by lsn)"""
    sessions = {}
    for name in {row["session_id"] for row in theirs(store, "sessions", "--all")} - {None}:
        row, = theirs(store, "show", name)
        del row["row"]
        sessions[row["key"]] = row
    return sessions, {row["lsn"]: row for row in theirs(store, "events", "--all", "--hidden")}


def by_second_reader(store):
    log = Log(store)
    if log.faults:
        raise AssertionError(log.faults)
    sessions = Sessions(log)
    return ({row["key"]: row for row in mine(second_reader.records(log, sessions))
             if row["session_id"] is not None},
            {row["lsn"]: row for row in mine(second_reader.events(log, sessions, []))})
