"""What the reader has found, in the words of the varve command: the fields of its JSON lines."""
import json

from .layout import *  # noqa: F403 (names of numbers)
from .fold import COUNTS, type_name

SOURCES = ("api", "hook", "otel", "transcript")
ROLES = (None, "user", "assistant", "system", "tool")
KINDS = ("message", "agent_progress", "recovered")
EOLS = ("lf", "crlf", "none", "joined")
TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens",
          "reasoning_tokens")
STATUSES = (None, "idle", "busy", "wait", "done", "active", "completed", "failed", "cancelled", "unknown")
SESSION_TYPES = (None, "main", "forked", "subagent")
MODES = (None, "interactive", "autonomous", "acp")
CHANNELS = (None, "cli", "tui", "telegram", "discord", "slack", "acp")
NAMES = {S_FRAMEWORK: "framework", S_TOOL_USE_ID: "tool_use_id", S_SPAWNED_AGENT: "spawned_agent_id",
         S_TOOL_NAME: "tool_name", S_SUBAGENT_TYPE: "subagent_type", S_PERMISSION_MODE: "permission_mode",
         S_TRANSCRIPT_PATH: "transcript_path", S_CWD: "cwd", S_GIT_BRANCH: "git_branch", S_MODEL: "model", S_TEXT: "text",
         S_METADATA: "metadata", S_FINISH_REASON: "finish_reason", S_NATIVE_ID: "native_id",
         S_NATIVE_PARENT: "native_parent", S_REQUEST_ID: "request_id", S_MESSAGE_ID: "message_id",
         S_AGENT_ID: "agent_id", S_VERSION: "version", S_TITLE: "title", S_ERROR: "error", S_GIT_DIR: "git_dir",
         S_GIT_WORKTREE: "git_worktree", S_GITHUB_REPO: "github_repo", S_PARENT_ID: "parent_session_id",
         S_PARENT_MACHINE: "parent_machine_id", S_PARENT_TOOL_CALL: "parent_tool_call_id", S_GOAL: "goal",
         S_CALLBACKS: "callbacks", S_LABELS: "labels", S_BOOT_ID: "boot_id", S_PID_NAMESPACE: "pid_namespace",
         S_PROJECT: "project", S_SUBTYPE: "subtype"}
EVENT_FLAGS = {F_RECOVERED: "is_recovered", F_LOWER_BOUND: "output_is_lower_bound", F_USER: "is_user_message",
               F_ASSISTANT: "is_assistant_message", F_API_ERROR: "is_api_error", F_COMPACTION: "is_compaction",
               F_TURN: "is_turn", F_UNPRICED: "is_unpriced", F_HIDDEN: "is_hidden"}


def text(value):
    return None if value is None else value.decode(errors="replace")


def value(data):
    """JSON as it is, all else as text."""
    if data is None:
        return None
    try:
        return whole(json.loads(data.decode(), parse_float=str))
    except (ValueError, RecursionError):
        return text(data)


def whole(found):
    """A value without halves of characters, which some sources leave: U+FFFD stands for them."""
    if isinstance(found, str):
        return "".join("\ufffd" if 0xD800 <= ord(letter) < 0xE000 else letter for letter in found)
    if isinstance(found, list):
        return [whole(one) for one in found]
    if isinstance(found, dict):
        return {whole(name): whole(one) for name, one in found.items()}
    return found


def time(ns):
    """ISO 8601 with as many digits as it needs: 3, 6 or 9. Years have four digits or more."""
    if ns is None:
        return None
    seconds, nanos = divmod(ns, 10 ** 9)
    days, second = divmod(seconds, 86400)
    # From days to a date of the proleptic Gregorian calendar, whose eras have 146,097 days.
    era, day = divmod(days + 719468, 146097)
    year = (day - day // 1460 + day // 36524 - day // 146096) // 365
    of_year = day - (365 * year + year // 4 - year // 100)
    month = (5 * of_year + 2) // 153
    date = (year + era * 400 + (month >= 10), month + 3 if month < 10 else month - 9, of_year - (153 * month + 2) // 5 + 1)
    digits = 9 if nanos % 1000 else 6 if nanos % 10 ** 6 else 3
    fraction = f"{nanos:09d}"[:digits]
    return f"{date[0]:04d}-{date[1]:02d}-{date[2]:02d}T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}.{fraction}Z"


def money(nanos):
    return None if nanos is None else f"{nanos // 10 ** 9 if nanos >= 0 else -(-nanos // 10 ** 9)}.{abs(nanos) % 10 ** 9:09d}"


def seconds(count):
    limit = ((1 << 63) - 1) // 10 ** 9
    return None if count is None else max(-limit, min(limit, count)) * 10 ** 9


def name_of(number, names, said):
    return text(said) if number == 255 else names[number] if number < len(names) else None


def event(record, session):
    """A mark is shown as a setting that sets nothing."""
    row = {"lsn": record.lsn, "seq": record.seq, "session_id": text(session.name), "machine_id": text(session.machine),
           "record": "event" if record.kind == KIND_EVENT else "session"}
    if record.kind in MARKS:
        return row
    body = Body(record.body)
    if record.kind == KIND_EVENT:
        row["type"] = type_name(record, body)
        row["source"] = SOURCES[body.source]
    if record.has_time:
        row["time"] = time(record.time)
    if body.role:
        row["role"] = ROLES[body.role] if body.role < len(ROLES) else None
    if body.flags & F_SIDECHAIN or body.present & P_SIDECHAIN:
        row["is_sidechain"] = bool(body.flags & F_SIDECHAIN)
    row.update({name: True for flag, name in EVENT_FLAGS.items() if body.flags & flag})
    for number, name in NAMES.items():
        if number in body.strings:
            as_json = number in (S_METADATA, S_CALLBACKS, S_LABELS)
            row[name] = (value if as_json else text)(body.strings[number])
    for name, number, names, string in (
            ("status", body.status, STATUSES, S_STATUS), ("session_type", body.session_type, SESSION_TYPES, S_SESSION_TYPE),
            ("mode", body.mode, MODES, S_MODE), ("channel", body.channel, CHANNELS, S_CHANNEL)):
        said = name_of(number, names, body.strings.get(string))
        if said is not None:
            row[name] = said
    row.update(numbers(body))
    if body.source == TRANSCRIPT and record.kind == KIND_EVENT:
        row["line_end"] = EOLS[body.eol]
    if body.present & P_PAYLOAD:
        row["payload_bytes"] = body.payload_size
        row["payload"] = value(body.payload)
    return row


def numbers(body):
    row = {name: body.tokens[n] for n, name in enumerate(TOKENS) if body.present >> n & 1}
    if body.present & P_COST:
        row |= {"cost_usd": money(body.cost), "price_table": body.price_table}
    for bit, name, number in (
            (P_DURATION, "duration_ms", body.duration), (P_TURN, "turn", body.turn), (P_TOOL_CALLS, "tool_calls", body.tool_calls),
            (P_ISSUE, "github_issue", body.issue), (P_PR, "github_pr", body.pr), (P_ADDITIONS, "git_additions", body.additions),
            (P_DELETIONS, "git_deletions", body.deletions), (P_PID, "pid", body.pid & 0xFFFFFFFF),
            (P_PROCESS_START, "process_started_at", time(seconds(body.process_start))), (P_UID, "uid", body.uid.hex()),
            (P_POSITION, "position", body.position)):
        if body.present & bit:
            row[name] = number
    if body.present & P_CHARGE:
        row |= {"charge": body.charge.hex(), "charge_part": f"{body.charge_part:016x}", "charge_kind": KINDS[body.charge_kind]}
    return row


def tokens_of(tokens):
    return {"input_tokens": tokens[0], "output_tokens": tokens[1], "cache_write_tokens": tokens[3] + tokens[4],
            "cache_read_tokens": tokens[2], "reasoning_tokens": tokens[5], "total_tokens": min(sum(tokens[:5]), (1 << 63) - 1)}


def source_row(source):
    row = {"events": source.events} | {name: getattr(source, name) for name in COUNTS}
    row |= dict(zip(TOKENS, source.tokens))
    return row | {"cost_usd": money(source.cost) if source.costed else None}


def session(one):
    """As 'varve show' has it, but for the number of its row."""
    first_ended, ended, started, revivals = one.live()
    has_cost, own = one.sum_of("costed") > 0, one.sum_of("cost")
    named = one.get(S_PARENT_ID)
    if one.parent is not None and one.parent.deleted:
        named = None
    status, status_name, status_time = one.get("status", (0, None, None))
    pid, start, boot, namespace = one.get("pid", (None, None, None, None))
    row = {"session_id": text(one.name), "machine_id": text(one.machine), "key": one.key.hex(),
           "parent_session_id": text(named and named[1]), "parent_machine_id": text(named and named[0]),
           "children": len(one.children), "agent_id": None, "metadata": None,
           "session_type": name_of(*pair(one, S_SESSION_TYPE, SESSION_TYPES)), "mode": name_of(*pair(one, S_MODE, MODES)),
           "channel": name_of(*pair(one, S_CHANNEL, CHANNELS)), "status": name_of(status, STATUSES, status_name),
           "status_at": time(status_time), "first_started_at": time(one.least), "last_started_at": time(started),
           "first_ended_at": time(first_ended), "last_ended_at": time(ended), "last_activity_at": time(one.greatest),
           "revivals": revivals, "pid": None if pid is None else pid & 0xFFFFFFFF, "process_started_at": time(seconds(start)),
           "boot_id": text(boot), "pid_namespace": text(namespace)}
    for number in (S_PARENT_TOOL_CALL, S_SUBAGENT_TYPE, S_TITLE, S_GOAL, S_PROJECT, S_FRAMEWORK, S_VERSION, S_MODEL,
                   S_PERMISSION_MODE, S_CWD, S_TRANSCRIPT_PATH, S_GIT_DIR, S_GIT_BRANCH, S_GIT_WORKTREE, S_GITHUB_REPO):
        row[NAMES[number]] = text(one.get(number))
    row |= {"github_issue": one.get("issue"), "github_pr": one.get("pr"), "git_additions": one.get("additions"),
            "git_deletions": one.get("deletions"), "events": one.events}
    row |= {name: one.sum_of(name) for name in COUNTS} | tokens_of(one.sum_of("tokens"))
    row |= {"cost_usd": money(own) if has_cost else None, "children_cost_usd": money(one.cost_children),
            "total_cost_usd": money((own if has_cost else 0) + one.cost_children) if has_cost or one.cost_children else None,
            "context_tokens": one.get("context"), "output_is_lower_bound": bool(one.flags & F_LOWER_BOUND),
            "has_unpriced": bool(one.flags & F_UNPRICED)}
    best = one.best((TRANSCRIPT, OTEL, HOOK))
    row |= {"best_source": SOURCES[best] if best in one.sources else None,
            "by_source": {SOURCES[n]: source_row(one.by_source[n]) for n in sorted(one.sources)},
            "is_stub": not one.defined, "is_ended": ended is not None, "is_hidden": bool(one.flags & F_HIDDEN),
            "is_deleted": one.deleted, "is_cut_cycle": one.cycle, "has_transcript": one.taken,
            "last_line_end": EOLS[one.get("eol")] if "eol" in one.fields else None, "payload_bytes": one.payload_bytes}
    if one.records:
        row |= {"last_seq": one.records[-1].seq, "last_lsn": one.records[-1].lsn}
    labels = [name + b"=" + said for name, (_, said) in sorted(one.labels.items()) if said is not None]
    row |= {"labels": value(b"\n".join(labels)) if labels else None, "callbacks": value(one.get(S_CALLBACKS)),
            "first_user_message": text(one.get("first_text")), "last_user_message": text(one.get("last_text"))}
    return row


def pair(one, number, names):
    said, name = one.get(number, (0, None))
    return said, names, name
