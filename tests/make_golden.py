#!/usr/bin/env python3
"""Makes the golden stores of a format version: tests/golden/<version>/{raw,packed,left} and what each of them says.

    tests/make_golden.py BUILD    BUILD: the directory with the varve command, build/release

Run it once for each version of the format, before that version is released; what is there is never made again. Every later
build must read these stores and say the same (tests/test_golden.py).
"""
import gzip
import json
import os
import pathlib
import shutil
import struct
import sys
import tempfile

TESTS = pathlib.Path(__file__).resolve().parent
SAMPLE = TESTS / "samples" / "claude" / "projects" / "-home-mira-src-harbor"


def fill_raw(store, history):
    """Every kind of record, in one raw segment; what a transcript gave is a part of it."""
    history.append(20)
    history.branch()
    varve(store, "import", store.parent / SAMPLE.name)
    history.run(4, events=4)


def fill_packed(store, history):
    """A cold and a hot packed segment, and a raw one that goes on."""
    small_segments(store)
    history.append(15)
    varve(store, "import", store.parent / SAMPLE.name)
    varve(store, "fork", history.names[1], "a fork")
    varve(store, "compact", "--all")
    while len(list((store / "seg").glob("*.log"))) < 2:
        history.append(20)
    varve(store, "compact")
    history.append(6)


def fill_left(store, history):
    """What retention, a deletion and forgetting leave of sessions, all packed."""
    history.append(30)
    varve(store, "import", store.parent / SAMPLE.name)
    varve(store, "gc", "--older-than", "1d", "--keep-sessions")
    history.append(10)
    varve(store, "delete", history.names[0])
    varve(store, "forget", history.names[1])
    varve(store, "compact", "--all")


def keep(store, to):
    """What a reader needs, and CONTROL, which tells another machine's boot."""
    to.mkdir(parents=True)
    for path in [store / "STORE", store / "CONTROL", *store.glob("manifest.*")]:
        shutil.copy(path, to)
    (to / "seg").mkdir()
    for path in store.glob("seg/*"):
        data = path.read_bytes()
        if path.suffix == ".log":  # zeros that were made ready need not be kept
            data = data.rstrip(b"\0")
            data += bytes(-len(data) % 8 + 64)
        (to / "seg" / path.name).write_bytes(data)


def dump(store, to):
    sessions, events = by_varve(store)
    assert (sessions, events) == by_second_reader(store), "the second reader says something else"
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in [*sessions.values(), *events.values()])
    to.write_bytes(gzip.compress(lines.encode(), mtime=0))


def main(build):
    with tempfile.TemporaryDirectory(prefix="golden-") as folder:
        sample = pathlib.Path(folder) / SAMPLE.name  # its path stands in the store
        sample.mkdir()
        shutil.copy(min(SAMPLE.iterdir()), sample)
        for name, fill, seed in (("raw", fill_raw, 1), ("packed", fill_packed, 2), ("left", fill_left, 3)):
            store = pathlib.Path(folder) / name
            fill(store, History(store, seed, sessions=6))
            version = ".".join(map(str, struct.unpack_from("<HH", (store / "STORE").read_bytes(), 28)))
            to = TESTS / "golden" / version
            if (to / name).exists():
                raise SystemExit(f"make_golden: {to / name} is there already, and stays as it is")
            dump(store, pathlib.Path(folder) / f"{name}.jsonl.gz")
            keep(store, to / name)
            shutil.copy(pathlib.Path(folder) / f"{name}.jsonl.gz", to)
            size = sum(path.stat().st_size for path in (to / name).rglob("*"))
            print(f"{to / name}: {size} bytes")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    os.environ["VARVE"] = str(pathlib.Path(sys.argv[1]) / "varve")
    from support.random_store import History, small_segments, varve
    from support.readings import by_second_reader, by_varve
    main(sys.argv[1])
