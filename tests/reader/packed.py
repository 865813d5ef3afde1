"""Manifests and packed segments: blocks made records again."""
import struct

from .layout import (BODIED, FRAME, P_PAYLOAD, P_POSITION, RECORD_MAX, S_MESSAGE_ID, S_REQUEST_ID, Body, Frame, need,
                     summed)
from .sums import EMPTY_KEY, LOW, charge_key, charge_part, line_uid, low64, sum64, unpack_zstd

ROW_SIZES = (1024, 128, 32, 128)
LEFT_UID, LEFT_CHARGE, LEFT_CHARGE_PART, LEFT_PAYLOAD = 1, 2, 4, 8
ALL64 = (1 << 64) - 1


class Manifest:
    def __init__(self, data):
        need(len(data) >= 64, "manifest", "SHORT")
        summed(data, b"VARVEMAN", 64, len(data))
        self.store_uuid, self.generation, count, _ = struct.unpack_from("<16sQII", data, 32)
        need(len(data) <= 1 << 20 and len(data) == 64 * (1 + count), "manifest size")
        self.entries, last = [], 0
        for n in range(count):
            entry = struct.unpack_from("<QQQQqqIIQ", data, 64 + 64 * n)
            need(last <= entry[0] < entry[1] and entry[6] != 0 and entry[7] <= 1, "manifest entry")
            last = entry[1]
            self.entries.append(dict(zip(("first_lsn", "end_lsn", "size", "sum", "time_min", "time_max", "number", "tier",
                                          "events"), entry)))


class Block:
    def __init__(self, data, at, what):
        (self.offset, self.fixed_size, self.data_size, self.fixed_plain, self.data_plain, self.fixed_sum, self.data_sum,
         self.first, self.count) = struct.unpack_from("<QIIIIIIII", data, at)
        self.what = what

    def part(self, data, at, size, plain, wanted):
        stored = data[at:at + size]
        need(low64(stored, at) == wanted, f"{self.what} at {at}", "BAD_SUM")
        return stored if size == plain else unpack_zstd(stored, plain)

    def parts(self, data):
        fixed = self.part(data, self.offset, self.fixed_size, self.fixed_plain, self.fixed_sum)
        text = b"" if self.data_size == 0 else self.part(data, self.offset + self.fixed_size, self.data_size, self.data_plain,
                                                         self.data_sum)
        need(fixed is not None and text is not None, "part is no zstd frame of its size")
        return fixed, text


class Run:
    def __init__(self, data, at):
        (self.session, self.line_key, self.row, self.flags, self.first, self.records, self.first_seq, self.first_lsn,
         self.last_lsn, self.pins_first, self.pins, self.payload_bytes, self.events) = struct.unpack_from(
             "<16s16sIIIIQQQIIQQ", data, at)


class PackedFile:
    def __init__(self, data, store_uuid, number):
        need(len(data) >= 64, "packed file", "SHORT")
        summed(data, b"VARVESEG", 64)
        self.number = struct.unpack_from("<I", data, 48)[0]
        need(0 < self.number <= 99999999 and self.number == number and data[32:48] == store_uuid, "packed header")
        need(len(data) >= 576, "packed file", "SHORT")
        foot = data[-512:]
        summed(foot, b"VARVEEND", 512)
        (uuid, number_again, self.tier, self.first_lsn, self.end_lsn, self.rows_lsn, self.end_chain, _, self.time_min,
         self.time_max, self.records, self.events, self.payload_bytes, self.raw_bytes, tables_at, tables_sum,
         file_sum) = struct.unpack_from("<16sIIQQQIIqqQQQQQQQ", foot, 32)
        self.table_rows = struct.unpack_from("<8Q", foot, 160)
        need(uuid == store_uuid and number_again == number and self.tier <= 1 and self.first_lsn < self.end_lsn
             and max(self.table_rows) <= LOW, "footer")
        need(64 <= tables_at <= len(data) - 512 and tables_at % 8 == 0, "tables_at")
        need(sum64(data[tables_at:-512]) == tables_sum, "tables", "BAD_SUM")
        need(sum64(data[:-512]) == file_sum, "file", "BAD_SUM")
        self.data, self.uuid = data, store_uuid
        self.arrays = [self.array(foot, 224 + 16 * n, size, tables_at)
                       for n, size in enumerate((96, 4, 40, 40, 40, 16))]
        runs, _, main, pins, rows, holes = self.arrays
        self.runs = [Run(data, at) for at in runs]
        self.main = [Block(data, at, "block") for at in main]
        self.pin_blocks = [Block(data, at, "pins") for at in pins]
        self.row_blocks = [Block(data, at, "rows") for at in rows]
        self.holes = [struct.unpack_from("<QQ", data, at) for at in holes]
        need(sum(block.count for block in self.main) == self.records, "records")

    def array(self, foot, at, size, tables_at):
        offset, count, _ = struct.unpack_from("<QII", foot, at)
        need(tables_at <= offset and offset + count * size <= len(self.data) - 512 and offset % 8 == 0, "array")
        return range(offset, offset + count * size, size)

    def each_record(self):
        """Records of the main area, in the order of their ids; 'session' is that of the run."""
        yield from self.each_of(self.main, lambda run: (run.first, run.records))

    def each_pin(self):
        yield from self.each_of(self.pin_blocks, lambda run: (run.pins_first, run.pins))

    def each_of(self, blocks, part):
        owner = {}
        for run in self.runs:
            first, count = part(run)
            for n in range(first, first + count):
                owner[n] = run
        for block in blocks:
            fixed, text = block.parts(self.data)
            for n, record in enumerate(open_block(fixed, text, block, owner)):
                need(block.first + n in owner, "a record in no run")
                yield record

    def each_row(self):
        """(table, number, row as the index has it, from byte 8 on; the cold row behind the hot one)."""
        for block in self.row_blocks:
            fixed, _ = block.parts(self.data)
            yield from ((block.first, *row) for row in open_rows(fixed, block))


def take_planes(fixed, at, width, count):
    """Images of 'width' bytes of 'count' things, and the offset behind the planes."""
    bitmap, size = fixed[at:at + (width + 7) // 8], (width + 7) // 8
    at += size
    images = [bytearray(width) for _ in range(count)]
    for j in range(size * 8):
        if bitmap[j // 8] >> j % 8 & 1:
            need(j < width and at + count <= len(fixed), "plane")
            for n in range(count):
                images[n][j] = fixed[at + n]
            at += count
    return images, at


def open_rows(fixed, block):
    need(len(fixed) >= 8, "rows", "SHORT")
    count, width = struct.unpack_from("<II", fixed)
    need(count == block.count and width == ROW_SIZES[block.first] - 4, "rows")
    images, at = take_planes(fixed, 8, width, count)
    need(at == len(fixed), "rows left over")
    number = 0
    for n, image in enumerate(images):
        step = struct.unpack_from("<I", image)[0]
        need(n == 0 or step > 0, "rows rise")
        number += step
        yield number, bytes(image[4:])


class Stream:
    def __init__(self, data):
        self.data, self.at = data, 0

    def varint(self):
        value = 0
        for n in range(5):
            need(self.at < len(self.data), "varint")
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 127) << 7 * n
            if byte < 128:
                need(value <= LOW, "varint")
                return value
        need(False, "varint")

    def take(self, size):
        need(self.at + size <= len(self.data), "data")
        self.at += size
        return self.data[self.at - size:self.at]


def open_block(fixed, text, block, owner):
    """The records of a block, with bodies as they were in the log; only sums and chain are gone."""
    need(len(fixed) >= 40, "block", "SHORT")
    count, stream_size = struct.unpack_from("<II", fixed)
    need(0 < count <= 16384 and count == block.count, "n")
    images, at = take_planes(fixed, 8, 256, count)
    need(at + stream_size == len(fixed), "stream", "SHORT")
    stream, data = Stream(fixed[at:]), Stream(text)
    state = {"lsn": 0, "time": 0, "seq": ALL64, "position": 0, "strings": {}}
    for n, image in enumerate(images):
        yield open_record(image, stream, data, state, owner[block.first + n])
    need(stream.at == len(stream.data) and data.at == len(data.data), "left over")


def open_record(image, stream, data, state, run):
    need(not any(image[56:60]) and not any(image[244:248]), "plane that must be zero")
    lsn_step, size, kind, flags, number, session, seq_step, time_step, prev = struct.unpack_from("<QIBBH16sQQQ", image)
    frame = Frame.__new__(Frame)
    frame.lsn = lsn = (state["lsn"] + lsn_step) & ALL64
    frame.seq = (state["seq"] + 1 + seq_step) & ALL64
    time = (state["time"] + time_step) & ALL64
    frame.time = time - (1 << 64) if time >> 63 else time
    frame.prev = state["lsn"] if prev == 0 else (lsn - prev) & ALL64
    frame.kind, frame.flags, frame.type = kind, flags, number
    frame.session = run.session if session == EMPTY_KEY else session
    frame.pin_sum = struct.unpack_from("<I", image, 60)[0] or None
    need(kind != 0 and flags <= 3 and frame.prev < lsn, "record")
    frame.left_payload = False
    if size != 0:
        need(FRAME <= size <= RECORD_MAX and size % 8 == 0, "length")
        frame.length, frame.body = size, data.take(size - FRAME)
    else:
        need(kind in BODIED, "kind")
        frame.body = open_body(image, stream, data, state, run, frame)
        frame.length = FRAME + len(frame.body)
    state.update(lsn=lsn, seq=frame.seq, time=time)
    return frame


def open_body(image, stream, data, state, run, frame):
    fixed = bytearray(image[64:256])
    present, flags = struct.unpack_from("<Q", fixed)[0], struct.unpack_from("<I", fixed, 12)[0]
    payload_size, count, left, _, prev_set = struct.unpack_from("<IHHIQ", fixed, 236 - 64)
    need(left <= 15, "left")
    strings, last = [], 0
    for _ in range(count):
        word = stream.varint()
        number = word >> 1
        need(last < number <= 65535, "string id")
        if word & 1:
            need(number < 64 and number in state["strings"], "same")
            value = state["strings"][number]
        else:
            value = data.take(stream.varint())
        strings.append((number, value))
        state["strings"][number] = value
        last = number
    known = dict(strings)
    payload = b"" if left & LEFT_PAYLOAD else data.take(payload_size)
    if left & LEFT_UID:
        need(present & P_PAYLOAD and not left & LEFT_PAYLOAD, "uid of no payload")
        fixed[152 - 64:168 - 64] = line_uid(run.line_key, payload)
    if left & LEFT_CHARGE:
        fixed[168 - 64:184 - 64] = charge_key(known[S_MESSAGE_ID])
    if left & LEFT_CHARGE_PART:
        struct.pack_into("<Q", fixed, 184 - 64, charge_part(known[S_REQUEST_ID]))
    if present & P_POSITION:
        position = (struct.unpack_from("<Q", fixed, 192 - 64)[0] + state["position"]) & ALL64
        struct.pack_into("<Q", fixed, 192 - 64, position)
        state["position"] = (position + payload_size + {0: 1, 1: 2}.get(fixed[11], 0)) & ALL64
    texts = b"".join(value for _, value in strings)
    frame.left_payload = bool(left & LEFT_PAYLOAD)
    struct.pack_into("<IHHIQ", fixed, 236 - 64, 0 if frame.left_payload else payload_size, count, 0, len(texts),
                     (frame.lsn - prev_set) & ALL64 if prev_set else 0)
    entries = b"".join(struct.pack("<HHI", number, 0, len(value)) for number, value in strings)
    body = bytes(fixed) + entries + texts + payload
    body += bytes(-len(body) % 8)
    Body(body)
    return body
