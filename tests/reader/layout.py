"""The bytes of STORE, segments, records and bodies, each with the checks that SPEC.md lists."""
import struct

from .sums import LOW, cursor_key, low64, sum64

KIND_EVENT, KIND_SESSION, KIND_CURSOR, KIND_FORK, KIND_REWIND, KIND_TOMBSTONE, KIND_BASE, KIND_SYNC = range(1, 9)
BODIED, MARKS = (KIND_EVENT, KIND_SESSION, KIND_FORK), (KIND_REWIND, KIND_TOMBSTONE)
BATCH_END, HAS_TIME = 1, 2
RECORD_MAX, SEGMENT_HEADER, FRAME, FIXED = 285212672, 4096, 64, 192
TYPES = dict(enumerate("""SessionStart SessionEnd UserPromptSubmit PreToolUse PostToolUse PermissionRequest Stop
    SubagentStart SubagentStop PreCompact Notification ApiRequest ApiError TurnEnd PostToolUseFailure PostToolBatch
    PermissionDenied StopFailure TaskCreated TaskCompleted TeammateIdle PostCompact Setup InstructionsLoaded
    UserPromptExpansion MessageDisplay ConfigChange CwdChanged FileChanged WorktreeCreate WorktreeRemove user assistant
    progress system attachment file-history-snapshot queue-operation summary last-prompt mode permission-mode ai-title
    custom-title pr-link frame-link""".split(), 1)) | {60: "blank", 61: "unparsed"}
(S_TYPE, S_FRAMEWORK, S_TOOL_USE_ID, S_SPAWNED_AGENT, S_TOOL_NAME, S_SUBAGENT_TYPE, S_PERMISSION_MODE, S_TRANSCRIPT_PATH,
 S_CWD, S_GIT_BRANCH, S_MODEL, S_TEXT, S_METADATA, S_FINISH_REASON, S_NATIVE_ID, S_NATIVE_PARENT, S_REQUEST_ID,
 S_MESSAGE_ID, S_AGENT_ID, S_VERSION, S_TITLE, S_ERROR, S_GIT_DIR, S_GIT_WORKTREE, S_GITHUB_REPO, S_SESSION_ID,
 S_MACHINE_ID, S_PARENT_ID, S_PARENT_MACHINE, S_PARENT_TOOL_CALL, S_GOAL, S_CALLBACKS, S_LABELS, S_STATUS,
 S_SESSION_TYPE, S_MODE, S_CHANNEL, S_BOOT_ID, S_PID_NAMESPACE, S_PROJECT, S_CURSOR_NAME, S_SUBTYPE) = range(1, 43)
P_COST, P_DURATION, P_PROCESS_START, P_UID, P_CHARGE, P_POSITION, P_PID = (1 << n for n in range(6, 13))
P_TURN, P_TOOL_CALLS, P_ISSUE, P_PR, P_ADDITIONS, P_DELETIONS, P_PAYLOAD, P_SIDECHAIN = (1 << n for n in range(13, 21))
P_USAGE = 0x7F
(F_SIDECHAIN, F_RECOVERED, F_LOWER_BOUND, F_USER, F_ASSISTANT, F_API_ERROR, F_COMPACTION, F_TURN, F_UNPRICED, F_EOL_SET,
 F_STUB, F_HIDDEN, F_ORIGIN, F_REPEATED) = (1 << n for n in range(14))
API, HOOK, OTEL, TRANSCRIPT = range(4)


class Bad(Exception):
    """Bytes that do not hold: result is one of the names in the table of SPEC.md."""

    def __init__(self, result, what=""):
        super().__init__(f"{result} {what}".strip())
        self.result = result


def need(holds, what, result="BAD_FIELD"):
    if not holds:
        raise Bad(result, what)


def check_features(data):
    compat, read_compat, incompat, major, _minor = struct.unpack_from("<IIIHH", data, 16)
    need(major == 0 and incompat == 0, "features", "BAD_VERSION")
    return read_compat != 0, compat


def summed(data, magic, size, end=None):
    """The first three checks of every file: size, magic, sum over bytes 16 to end; then features."""
    need(len(data) >= size, "file", "SHORT")
    need(data[:8] == magic, magic.decode(), "BAD_MAGIC")
    need(struct.unpack_from("<Q", data, 8)[0] == sum64(data[16:end or size]), "file", "BAD_SUM")
    check_features(data)


class StoreFile:
    def __init__(self, data):
        summed(data, b"VARVESTO", 4096)
        self.uuid, self.hash_seed, self.created, self.segment_size, machine_size = struct.unpack_from("<16sQqII", data, 32)
        need(65536 <= self.segment_size <= 1 << 30 and machine_size <= 128, "STORE")
        self.machine = data[72:72 + machine_size]


class SegmentHeader:
    def __init__(self, data):
        need(len(data) >= 4096, "segment header", "SHORT")
        need(any(data[:4096]), "segment header", "END")
        summed(data, b"VARVELOG", 4096)
        (self.store_uuid, self.number, self.prev_chain, self.prev_end, self.salt, self.created, self.hole_from,
         self.hole_to) = struct.unpack_from("<16sIIQQqQQ", data, 32)
        need(0 < self.number <= 99999999 and self.salt != 0, "number, salt")
        if self.number == 1:
            need(self.prev_end == 0 and self.prev_chain == 0, "first segment has a predecessor")
        else:
            offset = self.prev_end & LOW
            need(self.prev_end >> 32 == self.number - 1 and offset >= 4096 and offset % 8 == 0, "prev_end")
        need((self.hole_from == 0) == (self.hole_to == 0), "hole")
        need(self.hole_from == 0 or self.hole_from < self.hole_to <= (self.number << 32 | 4096), "hole")
        self.chain = low64(data[16:4096])


class Frame:
    """A record: its frame and where it stands. Body bytes are those behind the frame, padding included."""
    pin_sum = None

    def __init__(self, lsn, data, at=0):
        (self.header_sum, self.length, self.kind, self.flags, self.type, self.session, self.seq, self.time, self.prev,
         self.chain, self.body_sum) = struct.unpack_from("<QIBBH16sQqQII", data, at)
        self.lsn = lsn
        self.body = None

    @property
    def has_time(self):
        return bool(self.flags & HAS_TIME)


def check_frame(data, at, end, salt, lsn, chain=None):
    need(end - at >= FRAME, "frame", "SHORT")
    head = data[at:at + FRAME]
    need(any(head), "frame", "END")
    frame = Frame(lsn, head)
    seed = sum64(struct.pack("<QQ", salt, lsn))
    need(frame.header_sum == sum64(head[8:], seed), "header", "BAD_SUM")
    need(FRAME <= frame.length <= RECORD_MAX and frame.length % 8 == 0 and frame.kind != 0 and frame.flags <= 3
         and frame.prev < lsn, "frame")
    need(chain is None or frame.chain == chain, "chain", "BAD_CHAIN")
    need(end - at >= frame.length, "record", "SHORT")
    body = data[at + FRAME:at + frame.length]
    need(frame.body_sum == low64(body), "body", "BAD_SUM")
    frame.body = body
    return frame


FIXED_FORMAT = struct.Struct("<QBBBBI6q q q q 16s16sQQ iI iiiiii BBBB IHHIQ".replace(" ", ""))
assert FIXED_FORMAT.size == FIXED


class Body:
    """What an EVENT, SESSION or FORK record says. 'strings' maps ids to bytes."""

    def __init__(self, data):
        need(len(data) >= FIXED, "body")
        values = FIXED_FORMAT.unpack_from(data)
        (self.present, self.source, self.role, self.charge_kind, self.eol, self.flags) = values[:6]
        self.tokens = list(values[6:12])
        (self.cost, self.duration, self.process_start, self.uid, self.charge, self.charge_part, self.position, self.pid,
         self.price_table, self.turn, self.tool_calls, self.issue, self.pr, self.additions, self.deletions,
         self.session_type, self.mode, self.status, self.channel, self.payload_size, count, reserved, strings_size,
         self.prev_set) = values[12:]
        need(self.source <= 3 and self.charge_kind <= 2 and self.eol <= 3, "closed set")
        need(reserved == 0, "reserved")
        need(self.payload_size <= 1 << 28 and (self.payload_size == 0 or self.present & P_PAYLOAD), "payload")
        at = FIXED + 8 * count
        rest = len(data) - at - strings_size - self.payload_size
        need(0 <= rest <= 7 and not any(data[len(data) - rest:]), "size")
        self.strings, last, text = {}, 0, at
        for n in range(count):
            number, zero, size = struct.unpack_from("<HHI", data, FIXED + 8 * n)
            need(number > last and zero == 0 and text - at + size <= strings_size, "directory")
            self.strings[number] = data[text:text + size]
            last, text = number, text + size
        need(text - at == strings_size, "strings")
        self.payload = data[text:text + self.payload_size] if self.present & P_PAYLOAD else None


def content_sum(body):
    """The body sum as if the place where it is stored were not said in it."""
    plain = bytearray(body)
    flags = struct.unpack_from("<I", plain, 12)[0]
    if flags & F_ORIGIN:
        present = struct.unpack_from("<Q", plain, 0)[0]
        struct.pack_into("<Q", plain, 0, present & ~P_UID)
        plain[152 - 64:168 - 64] = bytes(16)
    struct.pack_into("<I", plain, 12, flags & ~(F_ORIGIN | F_REPEATED))
    struct.pack_into("<Q", plain, 248 - 64, 0)
    return low64(plain)


class Mark:
    """Of a REWIND or TOMBSTONE."""

    def __init__(self, data):
        need(len(data) >= 40 and len(data) - 40 <= 7 and not any(data[40:]), "mark")
        self.uid, self.seq, self.first, self.to = struct.unpack_from("<16sQQQ", data)
        self.last_activity = struct.unpack_from("<q", data)[0]


class Cursor:
    def __init__(self, data):
        need(len(data) >= 24, "cursor")
        self.key, name_size, state_size = struct.unpack_from("<16sII", data)
        rest = len(data) - 24 - name_size - state_size
        need(name_size <= 4096 and state_size <= 4096 and 0 <= rest <= 7 and not any(data[len(data) - rest:]), "cursor")
        self.name, self.state = data[24:24 + name_size], data[24 + name_size:24 + name_size + state_size]
        need(not self.name or self.key == cursor_key(self.name), "cursor key")
