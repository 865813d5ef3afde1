#!/usr/bin/env python3
"""A second reader of stores: written from SPEC.md alone, to hold the engine against.

    tests/second_reader.py STORE sessions          each session's record, as 'varve show' has it
    tests/second_reader.py STORE events            each event and setting by lsn, as 'varve events --all --hidden' has it
    tests/second_reader.py STORE events SESSION    those of one session that are to be seen, what it shares with its parent too
    tests/second_reader.py STORE restore SESSION   its transcript's bytes
    tests/second_reader.py STORE rows              session records as the index rows in packed segments have them

Session records are folded from the log. Where packing has left records out, they come from the rows, which then must stand
at the end of the log.

One JSON object a line. It takes no lock, believes neither CONTROL nor idx/, and writes nothing. Damage is told on stderr
and makes it exit with 1.
"""
import json
import sys

from reader import show
from reader.fold import Sessions
from reader.layout import BODIED, KIND_EVENT, MARKS, TRANSCRIPT, Body, need
from reader.log import Log
from reader.rows import Rows

ENDS = (b"\n", b"\r\n", b"", b"")


def find(sessions, name):
    for one in sessions.by_key.values():
        if one.name == name.encode():
            return one
    raise SystemExit(f"second reader: no session {name}")


def events(log, sessions, names):
    if names:
        one = find(sessions, names[0])
        # What a fork shares is shown as its own.
        return [show.event(record, one) for record in sessions.visible(one)]
    return [show.event(record, sessions.by_key[record.session]) for record in log.records
            if record.kind in BODIED + MARKS]


def restore(sessions, name):
    one = find(sessions, name)
    lines = [Body(record.body) for record in sessions.visible(one) if record.kind == KIND_EVENT]
    lines = [body for body in lines if body.source == TRANSCRIPT]
    ends = [body.eol for body in lines]
    if "eol" in one.fields:
        ends[-1] = one.get("eol")
    return b"".join(body.payload + ENDS[end] for body, end in zip(lines, ends))


def from_rows(log):
    rows = Rows(log)
    need(rows.lsn == log.end, "the log goes on behind the rows")
    return [rows.show(row) for row in rows.sessions.values()]


def records(log, sessions):
    return [show.session(one) for one in sessions.by_key.values()] if sessions.whole else from_rows(log)


def main(path, command, *names):
    log = Log(path)
    sessions = Sessions(log)
    if command == "restore":
        sys.stdout.buffer.write(restore(sessions, names[0]))
    else:
        made = {"events": lambda: events(log, sessions, names), "sessions": lambda: records(log, sessions),
                "rows": lambda: from_rows(log)}[command]()
        for row in made:
            print(json.dumps(row, ensure_ascii=False))
    for fault in log.faults:
        print(f"second reader: {fault}", file=sys.stderr)
    return 1 if log.faults else 0


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[2] not in ("sessions", "events", "restore", "rows"):
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
