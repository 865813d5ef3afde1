"""A store as its files tell it: the records of packed and raw segments, and where the log ends."""
import pathlib
import re
import struct

from .layout import (BATCH_END, Bad, Cursor, KIND_BASE, KIND_CURSOR, KIND_SYNC, SegmentHeader, StoreFile, check_frame, need)
from .packed import Manifest, PackedFile
from .sums import EMPTY_KEY, LOW, sum64


class Log:
    """records: all that count, by lsn. pins: lsn to second copy. faults: what is damaged, in words."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.store = StoreFile((self.path / "STORE").read_bytes())
        self.faults, self.holes, self.packed, self.records, self.pins = [], [], [], [], {}
        self.manifest = self.find_manifest()
        for entry in self.manifest.entries if self.manifest else ():
            self.read_packed(entry)
        self.read_raw()
        self.records.sort(key=lambda record: record.lsn)

    # ---- Packed ----

    def find_manifest(self):
        names = [(int(path.name[9:]), path) for path in self.path.glob("manifest.*") if path.name[9:].isdigit()]
        for generation, path in sorted(names, reverse=True):
            try:
                manifest = Manifest(path.read_bytes())
                need(manifest.generation == generation and manifest.store_uuid == self.store.uuid, path.name)
            except Bad as bad:
                self.faults.append(f"{path.name}: {bad}")
                continue
            if all(self.segment_path(entry["number"], "seg").exists() for entry in manifest.entries):
                return manifest
            self.faults.append(f"{path.name}: names a file that is gone")
        return None

    def segment_path(self, number, kind):
        return self.path / "seg" / f"{number:08d}.{kind}"

    def read_packed(self, entry):
        path = self.segment_path(entry["number"], "seg")
        data = path.read_bytes()
        try:
            need(len(data) == entry["size"] and sum64(data) == entry["sum"], path.name, "BAD_SUM")
            file = PackedFile(data, self.store.uuid, entry["number"])
            need((file.first_lsn, file.end_lsn, file.tier, file.events) ==
                 (entry["first_lsn"], entry["end_lsn"], entry["tier"], entry["events"]), path.name)
            self.packed.append(file)
            self.holes += file.holes
            self.records += file.each_record()
            for pin in file.each_pin():
                self.pins[pin.lsn] = pin
        except Bad as bad:
            self.faults.append(f"{path.name}: {bad}")

    # ---- Raw ----

    def read_raw(self):
        segments = self.raw_segments()
        self.witness = max([self.witness_of_control(), self.packed[-1].end_lsn if self.packed else 0] +
                           [sync for number in segments for sync in self.syncs(segments[number])])
        self.end = self.packed[-1].end_lsn if self.packed else 0
        chain = self.packed[-1].end_chain if self.packed else None
        for number in sorted(segments):
            data, header = segments[number]
            if header is None:
                continue
            if header.hole_from:
                self.holes.append((header.hole_from, header.hole_to))
            elif chain is not None and header.prev_chain != chain:
                self.faults.append(f"segment {number} does not follow the one before")
            after = segments.get(number + 1, (b"", None))[1]
            end = min(len(data), after.prev_end & LOW) if after else len(data)
            self.end = number << 32 | 4096
            chain = self.walk(number, data, header, end)

    def raw_segments(self):
        """number to (bytes, header; None: it was never begun) of the raw segments behind the packed ones."""
        found = {}
        packed_end = self.packed[-1].end_lsn >> 32 if self.packed else 0
        for path in sorted((self.path / "seg").iterdir()):
            match = re.fullmatch(r"(\d{8})\.log", path.name)
            if not match or int(match[1]) <= packed_end:
                continue
            data, number = path.read_bytes(), int(match[1])
            try:
                header = SegmentHeader(data)
                need(header.store_uuid == self.store.uuid and header.number == number, path.name)
            except Bad as bad:
                header = None
                if bad.result not in ("END", "SHORT"):
                    self.faults.append(f"{path.name}: {bad}")
            found[number] = (data, header)
        return found

    def witness_of_control(self):
        try:
            data = (self.path / "CONTROL").read_bytes()
        except OSError:
            return 0
        if len(data) < 4096 or data[:8] != b"VARVECTL" or data[8:24] != self.store.uuid:
            return 0
        return struct.unpack_from("<Q", data, 80)[0]

    def syncs(self, segment):
        data, header = segment
        at = 4096
        while header and at + 64 <= len(data):
            try:
                record = check_frame(data, at, len(data), header.salt, header.number << 32 | at)
            except Bad:
                at += 8
                continue
            if record.kind == KIND_SYNC:
                synced = struct.unpack_from("<Q", record.body)[0]
                if synced <= record.lsn:
                    yield synced
            at += record.length

    def walk(self, number, data, header, end):
        """The records of one segment; returns the chain value at its end. Holes are left out."""
        at, chain, batch = 4096, header.chain, []
        while at < end:
            lsn = number << 32 | at
            try:
                record = check_frame(data, at, end, header.salt, lsn, chain)
            except Bad as bad:
                if bad.result == "END" and not any(data[at:end]) and lsn >= self.witness:
                    return chain
                if lsn >= self.witness:
                    self.faults.append(f"torn tail at {lsn:#x}")
                    return chain
                at = self.step_over(number, data, header, at, end)
                chain = None
                continue
            chain = record.header_sum & LOW
            batch.append(record)
            at += record.length
            if record.flags & BATCH_END:
                self.records += batch
                batch = []
                self.end = number << 32 | at
        return chain

    def step_over(self, number, data, header, at, end):
        begin = at
        while at < end:
            at += 8
            try:
                check_frame(data, at, end, header.salt, number << 32 | at)
                break
            except Bad:
                pass
        at = min(at, end)
        self.holes.append((number << 32 | begin, number << 32 | at))
        self.faults.append(f"hole from {number << 32 | begin:#x} to {number << 32 | at:#x}")
        return at

    # ---- What other modules ask ----

    def by_lsn(self):
        """What an index row may name: a BASE record has the lsn of a record that is gone, or is there as a pin only."""
        return {record.lsn: record for record in self.records if record.kind != KIND_BASE} | self.pins

    def inputs(self):
        """name to state of each input, by the last CURSOR record."""
        found = {}
        for record in self.records:
            if record.kind == KIND_CURSOR and record.session == EMPTY_KEY:
                cursor = Cursor(record.body)
                found[cursor.key] = (cursor.name, cursor.state)
        return dict(pair for pair in found.values() if pair[0])
