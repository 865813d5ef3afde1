#!/usr/bin/env python3
"""The mi6 view once more, from the documentation alone: reads what varve's events command prints
of a whole store and works out mi6's 40 fields of every session by SPEC.md ("Charges", "Session
fold") and docs/MODELS.md. Prints one object a line, or is imported.

    varve --format jsonl events --all --no-payload | tests/mi6_reference.py

What the events do not tell is UNKNOWN: when a record without a time of its own was stored.
"""
import collections
import datetime
import decimal
import json
import sys

UNKNOWN = "not told by the events"
SOURCES = ("api", "hook", "otel", "transcript")
KINDS = ("message", "agent_progress", "recovered")
TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_5m_tokens",
          "cache_write_1h_tokens", "reasoning_tokens")
REASONING = TOKENS.index("reasoning_tokens")
OUTPUT = TOKENS.index("output_tokens")
ROWS_OF_A_MESSAGE = 32
NEVER = float("inf")

STATUS_OF_TYPE = {"SessionStart": "idle", "Stop": "idle", "UserPromptSubmit": "busy",
                  "PreToolUse": "busy", "PostToolUse": "busy", "PermissionRequest": "wait",
                  "SessionEnd": "done"}
MI6_STATUS = {"idle": "idle", "busy": "busy", "active": "busy", "wait": "wait", "done": "done",
              "completed": "done", "failed": "done", "cancelled": "done", "unknown": "done"}
ACTIVITY = {"UserPromptSubmit", "PreToolUse", "PostToolUse", "PermissionRequest", "SubagentStart",
            "ApiRequest", "user", "assistant"}
LAST = {"framework": "framework", "cwd": "cwd", "local_git_dir": "local_git_dir",
        "git_branch": "git_branch", "git_worktree_path": "git_worktree_path",
        "github_repo": "github_repo", "github_issue": "github_issue", "github_pr": "github_pr",
        "git_additions": "git_additions", "git_deletions": "git_deletions", "model": "model",
        "transcript_path": "transcript_path"}
OTHER_NAMES = {"local_git_dir": "git_dir", "git_worktree_path": "git_worktree"}
COUNTS = {"compaction_count": "compactions", "message_count": "user_messages",
          "tool_call_count": "tool_calls", "api_request_count": "api_requests",
          "api_error_count": "api_errors"}


# ---- Records ----

def nanoseconds(text):
    """ISO 8601 with Z to ns since 1970, exactly."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    moment = datetime.datetime.fromisoformat(whole).replace(tzinfo=datetime.timezone.utc)
    since = moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return (since.days * 86400 + since.seconds) * 10**9 + int(fraction.ljust(9, "0") or 0)


def signed32(number):
    return number - (1 << 32) if number >= 1 << 31 else number


class Record:
    """A line of the events' output; .get gives its fields."""

    def __init__(self, fields):
        for name, other in OTHER_NAMES.items():
            if other in fields:
                fields[name] = fields.pop(other)
        self.get = fields.get
        self.has = fields.__contains__
        self.session = (fields["session_id"], fields["machine_id"])
        self.event = fields["record"] == "event"
        self.type = fields.get("type")
        self.source = fields.get("source", "api")
        self.time = nanoseconds(fields["time"]) if "time" in fields else None
        self.tokens = [max(0, fields.get(name, 0)) for name in TOKENS]
        self.cost = None
        if fields.get("cost_usd") is not None:
            self.cost = int(decimal.Decimal(fields["cost_usd"]) * 10**9)
        self.kind = KINDS.index(fields.get("charge_kind", "message"))
        self.sidechain = bool(fields.get("is_sidechain"))
        self.usage = self.cost is not None or any(name in fields for name in TOKENS)
        self.user = bool(fields.get("is_user_message")) or self.type == "UserPromptSubmit"
        self.place = None  # the time by which it is ordered

    def order(self):
        """Canonical order; what the events do not tell of it is left to the order of arrival."""
        return (self.place, SOURCES.index(self.source), self.get("position", 0),
                self.get("uid", "0" * 32))


def give_places(records):
    """A record without a time stands behind the one before it in its source; settings, where they
    were stored: behind all that they were stored after."""
    before = {}
    for record in records:
        key = (record.session, record.source)
        if record.get("order_time") is not None:
            record.place = nanoseconds(record.get("order_time"))
        elif record.time is not None:
            record.place = record.time
        elif record.event:
            record.place = before.get(key, -NEVER)
        else:
            record.place = NEVER
        if record.event:
            before[key] = record.place


def first(records):
    return min(records, key=Record.order, default=None)  # of equal ones, that which came first


def last(records):
    chosen = None
    for record in records:
        # settings of one moment cannot be told apart: the later one is taken
        if chosen is None or record.order() > chosen.order() or record.place == NEVER:
            chosen = record
    return chosen


# ---- Charges ----

class Row:
    """What the lines of one (message, request, kind, sidechain or not) come to."""

    def __init__(self, record, key, single):
        self.part, self.kind, self.sidechain = key[1:]
        self.single = single
        self.figure = record
        self.owner = record
        self.add(record)

    @staticmethod
    def rank(record):
        """The larger, the better a figure."""
        total = sum(record.tokens) - record.tokens[REASONING]
        early = -record.time if record.time is not None else -NEVER
        cost = record.cost if record.cost is not None else -1
        return (total, early, record.tokens, record.cost is not None, cost,
                -record.get("price_table", 0), -SOURCES.index(record.source))

    @staticmethod
    def owner_rank(record):
        time = record.time if record.time is not None else NEVER
        return (time, record.session[0].encode(), record.session[1].encode())

    def add(self, record):
        if self.rank(record) > self.rank(self.figure):
            self.figure = record
        if self.owner_rank(record) < self.owner_rank(self.owner):
            self.owner = record


def charges_of(rows):
    """The rows of one message, shared out among its charges."""
    least = lambda row: (row.kind,) + Row.owner_rank(row.owner)
    charges = collections.defaultdict(list)
    for row in rows:
        if not row.sidechain:
            charges[row.part].append(row)
    if not charges:
        return [rows]
    home = min(charges, key=lambda part: (min(map(least, charges[part])), part))
    for row in rows:
        if row.sidechain:
            known = row.part != "0" * 16 and row.part in charges
            charges[row.part if known else home].append(row)
    return list(charges.values())


def shares_of(charge):
    """(source, tokens, cost) of what each kind counts."""
    seen, seen_cost, shares = [0] * len(TOKENS), None, []
    for kind in range(len(KINDS)):
        rows = [row.figure for row in charge if row.kind == kind]
        if not rows:
            continue
        figure = max(rows, key=Row.rank)
        tokens = [max(0, mine - theirs) for mine, theirs in zip(figure.tokens, seen)]
        cost = figure.cost
        if cost is not None:
            cost = max(0, cost - max(0, seen_cost or 0)) if shares else max(0, cost)
            seen_cost = max(seen_cost or 0, figure.cost)
        seen = [max(pair) for pair in zip(figure.tokens, seen)]
        if not shares or any(tokens):
            shares.append((figure.source, tokens, cost))
    return shares


def owner_of(charge):
    best = min(charge, key=lambda row: (row.kind, row.sidechain) + Row.owner_rank(row.owner))
    return best.owner.session


def all_charges(records):
    messages, singles = collections.defaultdict(dict), []
    for record in records:
        if not record.event or not record.usage:
            continue
        key = (record.get("charge"), record.get("charge_part"), record.kind, record.sidechain)
        rows = messages[key[0]] if key[0] else {}
        if key in rows:
            rows[key].add(record)
        elif key[0] and len(rows) < ROWS_OF_A_MESSAGE:
            rows[key] = Row(record, key, False)
        else:
            singles.append([Row(record, key, True)])
    for rows in messages.values():
        yield from charges_of(list(rows.values()))
    yield from singles


# ---- Sessions ----

# What tells what was done; the others tell what was paid.
DONE = ("user_messages", "tool_calls", "compactions")


class Counters(collections.Counter):
    def share(self, tokens, cost):
        for name, number in zip(TOKENS, tokens):
            self[name] += number
        if cost is not None:
            self["cost"] += cost
            self["costed"] += 1

    def count(self, record):
        self["events"] += 1
        self["user_messages"] += record.user
        self["tool_calls"] += record.get("tool_calls", int(record.type == "PreToolUse"))
        self["api_errors"] += bool(record.get("is_api_error")) or record.type == "ApiError"
        self["compactions"] += bool(record.get("is_compaction")) or record.type == "PreCompact"
        self["api_requests"] += record.type == "ApiRequest" and not record.usage


def count_all(records):
    counters = collections.defaultdict(Counters)  # (session, source)
    outright = collections.defaultdict(list)
    for record in records:
        if record.event:
            counters[record.session, record.source].count(record)
        elif record.usage or record.has("turn"):
            outright[record.session].append(record)
    for charge in all_charges(records):
        owner = owner_of(charge)
        for number, (source, tokens, cost) in enumerate(shares_of(charge)):
            counters[owner, source].share(tokens, cost)
            counters[owner, source]["api_requests"] += number == 0
    for session, said in outright.items():
        counters[session, "api"].share(last(said).tokens, last(said).cost)
    return counters


def resolved(session, counters):
    def first_of(*sources):
        return next((source for source in sources if counters[session, source]["events"]), None)

    best, knows = first_of("transcript", "otel", "hook"), first_of("transcript", "hook", "otel")
    total = Counters(counters[session, "api"])
    if best:
        paid, done = counters[session, best], counters[session, knows]
        total.update({name: (done if name in DONE else paid)[name] for name in {*paid, *done}})
    return total


def life_of(records):
    """Starts, ends and revivals."""
    life = {"first_ended": None, "last_ended": None, "started": None, "revivals": 0}
    for record in sorted((r for r in records if r.event and r.time is not None), key=Record.order):
        if record.type == "SessionEnd":
            life["last_ended"] = record.time
            if life["first_ended"] is None:
                life["first_ended"] = record.time
        elif record.type == "SessionStart" or record.type in ACTIVITY:
            revived = life["last_ended"] is not None
            life["revivals"] += revived
            life["last_ended"] = None
            if revived or record.type == "SessionStart":
                life["started"] = record.time
    return life


def status_of(records):
    def said(record):
        if record.get("status"):
            return record.get("status")
        timed = record.event and record.time is not None
        return STATUS_OF_TYPE.get(record.type) if timed else None

    record = last([r for r in records if said(r)])
    if record is None:
        return None, None
    known = record.place not in (NEVER, -NEVER)
    return MI6_STATUS.get(said(record)), record.place if known else UNKNOWN


def context_of(records):
    def size(record):
        return sum(record.tokens) - record.tokens[REASONING] - record.tokens[OUTPUT]

    record = last([r for r in records if r.event and r.has("input_tokens") and not r.sidechain
                   and r.kind == 0 and size(r) > 0])
    return size(record) if record else None


def times_of(records, life):
    times = [r.time for r in records if r.time is not None]
    started = min(times, default=0)
    return {"first_started_at": started, "last_activity": max(times, default=0),
            "last_started_at": started if life["started"] is None else life["started"],
            "first_ended_at": life["first_ended"], "last_ended_at": life["last_ended"]}


def session_of(session, records, counters):
    life, total = life_of(records), resolved(session, counters)
    status, status_time = status_of(records)
    view = {"session_id": session[0], "machine_id": session[1], "revival_count": life["revivals"],
            "status": status, "status_updated_at": status_time, "context": context_of(records)}
    view.update(times_of(records, life))
    for name, field in LAST.items():
        record = last([r for r in records if r.has(field)
                       and not (field == "model" and r.event and
                                (r.kind == 1 or (r.source == "otel" and r.sidechain)))])
        view[name] = record.get(field) if record else None
    process = last([r for r in records if r.has("pid")])
    view["pid"] = view["process_start_time"] = None
    if process:
        view["pid"] = signed32(process.get("pid")) if life["last_ended"] is None else None
        if process.has("process_started_at"):
            view["process_start_time"] = nanoseconds(process.get("process_started_at")) // 10**9
    texts = [r for r in records if r.event and r.user and r.has("text")]
    scripts = [r for r in texts if r.source == "transcript"]
    view["first_user_message"] = first(scripts or texts).get("text") if texts else None
    view["last_user_message"] = last(texts).get("text") if texts else None
    for name, count in COUNTS.items():
        view[name] = total[count]
    view["tokens_input"] = total["input_tokens"]
    view["tokens_output"] = total["output_tokens"]
    view["tokens_cache_read"] = total["cache_read_tokens"]
    view["tokens_cache_write"] = total["cache_write_5m_tokens"] + total["cache_write_1h_tokens"]
    view["cost_usd"] = decimal.Decimal(total["cost"]) / 10**9 if total["costed"] else None
    view["n_hook_events"] = counters[session, "hook"]["events"]
    view["n_otel_events"] = counters[session, "otel"]["events"]
    view["transcript_available"] = counters[session, "transcript"]["events"] > 0
    return view


def sessions(lines):
    """{(session id, machine id): mi6's fields}; times are ns, cost is a Decimal."""
    records = [Record(json.loads(line, parse_float=decimal.Decimal)) for line in lines]
    give_places(records)
    counters = count_all(records)
    by_session = collections.defaultdict(list)
    for record in records:
        by_session[record.session].append(record)
    return {session: session_of(session, own, counters) for session, own in by_session.items()}


if __name__ == "__main__":
    for row in sessions(sys.stdin).values():
        print(json.dumps(row, default=str))
