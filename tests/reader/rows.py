"""Session records as the index has them: the rows in packed segments, and the records that they name (SPEC.md "Index")."""
import struct

from .layout import *  # noqa: F403 (names of numbers)
from .show import CHANNELS, EOLS, MODES, NAMES, SESSION_TYPES, SOURCES, STATUSES, TOKENS, money, name_of, seconds, text, time, tokens_of, value
from .sums import EMPTY_KEY

FLAGS = ("defined", "ended", "has_end", "has_time", "has_cost", "has_context", "transcript", "lower_bound", "unpriced",
         "hidden", "deleted", "has_status_time", "has_pid", "has_process_start", "labels", "eol_set", "cycle", "started",
         "rewound", "trimmed", "forgotten")
(R_IDENTITY, R_LAST_SETTING, R_LAST_MARK, R_TITLE, R_FIRST_TEXT, R_LAST_TEXT, R_CWD, R_GIT_BRANCH, R_MODEL, R_TRANSCRIPT_PATH,
 R_PERMISSION_MODE, R_STATUS, R_CONTEXT, R_PID, R_FRAMEWORK, R_GOAL, R_MODE, R_CHANNEL, R_SESSION_TYPE, R_PARENT,
 R_PARENT_TOOL_CALL, R_SUBAGENT_TYPE, R_CALLBACKS, R_GIT_DIR, R_GIT_WORKTREE, R_GITHUB_REPO, R_ISSUE, R_PR, R_ADDITIONS,
 R_DELETIONS, R_LIFE, R_VERSION, R_PROJECT, R_EOL) = range(34)
TEXTS = {S_PARENT_TOOL_CALL: R_PARENT_TOOL_CALL, S_SUBAGENT_TYPE: R_SUBAGENT_TYPE, S_TITLE: R_TITLE, S_GOAL: R_GOAL,
         S_PROJECT: R_PROJECT, S_FRAMEWORK: R_FRAMEWORK, S_VERSION: R_VERSION, S_MODEL: R_MODEL,
         S_PERMISSION_MODE: R_PERMISSION_MODE, S_CWD: R_CWD, S_TRANSCRIPT_PATH: R_TRANSCRIPT_PATH, S_GIT_DIR: R_GIT_DIR,
         S_GIT_BRANCH: R_GIT_BRANCH, S_GIT_WORKTREE: R_GIT_WORKTREE, S_GITHUB_REPO: R_GITHUB_REPO}
NONE64 = (1 << 64) - 1


class SessionRow:
    def __init__(self, data):
        """'data': the hot row from byte 8 on, then the whole cold row."""
        hot = bytes(8) + data[:248]
        cold = data[248:]
        self.key, self.last_seq, self.last_lsn = struct.unpack_from("<16sQQ", hot, 8)
        (self.first_started, self.last_started, self.first_ended, self.last_ended, self.last_activity,
         self.status_time) = struct.unpack_from("<6q", hot, 40)
        self.tokens = struct.unpack_from("<6q", hot, 88)
        self.cost, self.cost_children, self.context, flags, self.parent = struct.unpack_from("<qqqII", hot, 136)
        self.counts = dict(zip(("user_messages", "assistant_messages", "tool_calls", "api_requests", "api_errors", "compactions",
                                "turns"), struct.unpack_from("<7I", hot, 168)))
        self.revivals, self.model, self.framework, self.pid, self.children, self.process_start = struct.unpack_from(
            "<IIIiIq", hot, 196)
        (self.status, self.mode, self.channel, self.session_type, self.best_source, self.eol, self.sources,
         _) = hot[224:232]
        self.events, self.payload_bytes, self.height = struct.unpack_from("<QQI", hot, 232)
        self.has = {name for n, name in enumerate(FLAGS) if flags >> n & 1}
        self.by_source = [self.source(cold, 8 + 96 * n) for n in range(4)]
        self.refs = struct.unpack_from("<46Q", cold, 392)
        need(cold[:8] == bytes(8), "cold row")

    @staticmethod
    def source(cold, at):
        *tokens, cost = struct.unpack_from("<7q", cold, at)
        numbers = struct.unpack_from("<8IQ", cold, at + 56)
        row = {"events": numbers[8]} | dict(zip(
            ("user_messages", "assistant_messages", "tool_calls", "api_requests", "api_errors", "compactions", "turns"), numbers))
        return row | dict(zip(TOKENS, tokens)) | {"cost_usd": money(cost) if numbers[7] else None}


class Rows:
    """The newest of each row in the packed segments of a log; where the log goes on behind 'lsn', more may have happened."""

    def __init__(self, log):
        tables = [{}, {}, {}, {}]
        self.lsn = max((file.rows_lsn for file in log.packed), default=0)
        for file in sorted(log.packed, key=lambda file: (file.rows_lsn, file.number)):
            for table, number, data in file.each_row():
                tables[table][number] = data
        self.records = log.by_lsn()
        self.sessions = {number: SessionRow(data) for number, data in sorted(tables[0].items()) if data[:16] != EMPTY_KEY}
        self.usage, self.cursors = tables[1], tables[2]
        self.names = {number: data[20:20 + struct.unpack_from("<I", data, 16)[0]] for number, data in tables[3].items()}

    def body(self, row, ref):
        """Of a deleted session the records that its row names may be gone."""
        lsn = row.refs[ref]
        if lsn not in self.records and "deleted" in row.has:
            return None
        return Body(self.records[lsn].body) if lsn else None

    def string(self, row, ref, number):
        body = self.body(row, ref)
        return None if body is None else body.strings.get(number)

    def identity(self, row):
        if "forgotten" in row.has:
            return None, None
        record = self.records[row.refs[R_IDENTITY]]
        body = Body(record.body)
        if record.session == row.key:
            return body.strings[S_MACHINE_ID], body.strings[S_SESSION_ID]
        return body.strings.get(S_PARENT_MACHINE, body.strings[S_MACHINE_ID]), body.strings[S_PARENT_ID]

    def labels(self, row):
        """All that set some, from the last SESSION record back."""
        found, lsn = {}, row.refs[R_LAST_SETTING]
        while lsn and (lsn in self.records or "deleted" not in row.has):
            record = self.records[lsn]
            body = Body(record.body)
            uid = EMPTY_KEY if body.flags & F_ORIGIN or not body.present & P_UID else body.uid
            tail = record.pin_sum if record.pin_sum is not None else content_sum(record.body)
            canon = (record.time, body.source, body.position if body.present & P_POSITION else 0, uid, tail, -lsn)
            for line in body.strings.get(S_LABELS, b"").split(b"\n"):
                name, equals, said = line.partition(b"=")
                if line and (name not in found or canon > found[name][0]):
                    found[name] = (canon, said if equals else None)
            lsn = body.prev_set
        lines = [name + b"=" + said for name, (_, said) in sorted(found.items()) if said is not None]
        return value(b"\n".join(lines)) if lines else None

    def show(self, row):
        """As show.session has it."""
        has, flag = row.has, lambda name, said: said if name in row.has else None
        machine, name = self.identity(row)
        parent = self.body(row, R_PARENT)
        if parent is not None and row.parent and (row.parent - 1 not in self.sessions
                                                  or "deleted" in self.sessions[row.parent - 1].has):
            parent = None
        pid = self.body(row, R_PID)
        shown = {"session_id": text(name), "machine_id": text(machine), "key": row.key.hex(),
                 "parent_session_id": text(parent and parent.strings.get(S_PARENT_ID)),
                 "parent_machine_id": text(parent and parent.strings.get(S_PARENT_MACHINE)), "children": row.children,
                 "agent_id": None, "metadata": None,
                 "session_type": name_of(row.session_type, SESSION_TYPES, self.string(row, R_SESSION_TYPE, S_SESSION_TYPE)),
                 "mode": name_of(row.mode, MODES, self.string(row, R_MODE, S_MODE)),
                 "channel": name_of(row.channel, CHANNELS, self.string(row, R_CHANNEL, S_CHANNEL)),
                 "status": name_of(row.status, STATUSES, self.string(row, R_STATUS, S_STATUS)),
                 "status_at": time(flag("has_status_time", row.status_time)),
                 "first_started_at": time(flag("has_time", row.first_started)),
                 "last_started_at": time(flag("has_time", row.last_started)),
                 "first_ended_at": time(flag("has_end", row.first_ended)), "last_ended_at": time(flag("ended", row.last_ended)),
                 "last_activity_at": time(flag("has_time", row.last_activity)), "revivals": row.revivals,
                 "pid": flag("has_pid", row.pid & 0xFFFFFFFF),
                 "process_started_at": time(seconds(flag("has_process_start", row.process_start))),
                 "boot_id": text(pid and pid.strings.get(S_BOOT_ID)),
                 "pid_namespace": text(pid and pid.strings.get(S_PID_NAMESPACE))}
        for number, ref in TEXTS.items():
            shown[NAMES[number]] = text(self.string(row, ref, number))
        for label, ref, field in (("github_issue", R_ISSUE, "issue"), ("github_pr", R_PR, "pr"),
                                  ("git_additions", R_ADDITIONS, "additions"), ("git_deletions", R_DELETIONS, "deletions")):
            body = self.body(row, ref)
            shown[label] = None if body is None else getattr(body, field)
        cost = row.cost if "has_cost" in has else None
        shown |= {"events": row.events} | row.counts | tokens_of(row.tokens)
        shown |= {"cost_usd": money(cost), "children_cost_usd": money(row.cost_children),
                  "total_cost_usd": money((cost or 0) + row.cost_children) if cost is not None or row.cost_children else None,
                  "context_tokens": flag("has_context", row.context), "output_is_lower_bound": "lower_bound" in has,
                  "has_unpriced": "unpriced" in has,
                  "best_source": SOURCES[row.best_source] if row.sources >> row.best_source & 1 else None,
                  "by_source": {SOURCES[n]: row.by_source[n] for n in range(4) if row.sources >> n & 1},
                  "is_stub": "defined" not in has, "is_ended": "ended" in has, "is_hidden": "hidden" in has,
                  "is_deleted": "deleted" in has, "is_cut_cycle": "cycle" in has, "has_transcript": "transcript" in has,
                  "last_line_end": EOLS[row.eol] if "eol_set" in has else None, "payload_bytes": row.payload_bytes}
        if row.last_lsn:
            shown |= {"last_seq": row.last_seq, "last_lsn": row.last_lsn}
        shown |= {"labels": self.labels(row) if "labels" in has else None,
                  "callbacks": value(self.string(row, R_CALLBACKS, S_CALLBACKS)),
                  "first_user_message": text(self.string(row, R_FIRST_TEXT, S_TEXT)),
                  "last_user_message": text(self.string(row, R_LAST_TEXT, S_TEXT))}
        return shown
