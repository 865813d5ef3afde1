"""A session's record, folded from the records of the log (SPEC.md "Session fold", "Rules", "Children")."""
from .charges import MOST, Charges
from .layout import *  # noqa: F403 (names of numbers)
from .sums import EMPTY_KEY, session_key

COUNTS = ("user_messages", "assistant_messages", "tool_calls", "api_requests", "api_errors", "compactions", "turns")
STRINGS = {S_TITLE, S_CWD, S_GIT_BRANCH, S_MODEL, S_TRANSCRIPT_PATH, S_PERMISSION_MODE, S_FRAMEWORK, S_VERSION, S_PROJECT,
           S_GIT_DIR, S_GIT_WORKTREE, S_GITHUB_REPO}
STATUS_OF = {"SessionStart": 1, "Stop": 1, "UserPromptSubmit": 2, "PreToolUse": 2, "PostToolUse": 2, "PermissionRequest": 3,
             "SessionEnd": 4}
ACTIVITY = {"UserPromptSubmit", "PreToolUse", "PostToolUse", "PermissionRequest", "SubagentStart", "ApiRequest", "user",
            "assistant"}
BEST_PAID, BEST_DONE = (TRANSCRIPT, OTEL, HOOK), (TRANSCRIPT, HOOK, OTEL)
DEPTH_MAX = 64


def type_name(record, body):
    return TYPES.get(record.type) if record.type else body.strings.get(S_TYPE, b"").decode(errors="replace")


class Source:
    def __init__(self):
        self.tokens, self.cost, self.costed, self.events = [0] * 6, 0, 0, 0
        for name in COUNTS:
            setattr(self, name, 0)


class Session:
    """One session: identity, records by lsn, and what they fold to."""

    def __init__(self, key, machine, name, log_uuid):
        self.key, self.machine, self.name, self.uuid = key, machine, name, log_uuid
        self.records, self.defined, self.deleted, self.trimmed = [], False, False, None
        self.parent = self.parent_name = None
        self.cycle = False
        self.children, self.cost_children = [], 0
        self.clear()

    def clear(self):
        self.sources, self.by_source = set(), [Source() for _ in range(4)]
        self.fields, self.labels, self.least, self.greatest = {}, {}, None, None
        self.payload_bytes = self.events = 0
        self.flags, self.taken, self.life = 0, False, []

    # ---- Fields ----

    def canon(self, record, body):
        uid = EMPTY_KEY if body.flags & F_ORIGIN or not body.present & P_UID else body.uid
        tail = record.pin_sum if record.pin_sum is not None else content_sum(record.body)
        return (record.time, body.source, body.position if body.present & P_POSITION else 0, uid, tail)

    def last(self, field, canon, value):
        if field not in self.fields or canon > self.fields[field][0]:
            self.fields[field] = (canon, value)

    def first(self, field, canon, value):
        if field not in self.fields or canon < self.fields[field][0]:
            self.fields[field] = (canon, value)

    def get(self, field, default=None):
        return self.fields[field][1] if field in self.fields else default

    def hidden_above(self):
        """For each record: seq above which a later REWIND hides it."""
        limit, limits = None, {}
        for record in reversed(self.records):
            limits[record.lsn] = limit
            if record.kind == KIND_REWIND:
                mark = Mark(record.body)
                limit = mark.seq if limit is None else min(limit, mark.seq)
        return limits

    def fold(self):
        limits = self.hidden_above()
        for record in self.records:
            if record.kind == KIND_TOMBSTONE:
                mark = Mark(record.body)
                if mark.seq == (1 << 64) - 1:
                    self.deleted = True
                else:
                    self.trimmed = mark.seq
            if record.kind not in BODIED:
                continue
            body = Body(record.body)
            limit = limits[record.lsn]
            if record.kind != KIND_EVENT:
                self.fold_setting(record, body)
            elif limit is None or record.seq <= limit:
                self.fold_event(record, body)
            elif body.present & P_USAGE or type_name(record, body) == "ApiRequest":
                self.sources.add(body.source)
                self.fold_paid(record, body)

    def fold_both(self, record, body, canon):
        if record.has_time:
            self.least = record.time if self.least is None else min(self.least, record.time)
            self.greatest = record.time if self.greatest is None else max(self.greatest, record.time)
        for number, text in body.strings.items():
            agents = body.charge_kind == 1 or body.source == OTEL and body.flags & F_SIDECHAIN
            if number in STRINGS and not (number == S_MODEL and agents):
                self.last(number, canon, text)
        for bit, name in ((P_ISSUE, "issue"), (P_PR, "pr"), (P_ADDITIONS, "additions"), (P_DELETIONS, "deletions")):
            if body.present & bit:
                self.last(name, canon, getattr(body, name))
        if body.present & P_PID:
            start = body.process_start if body.present & P_PROCESS_START else None
            self.last("pid", canon, (body.pid, start, body.strings.get(S_BOOT_ID), body.strings.get(S_PID_NAMESPACE)))
        if body.status:
            self.say_status(record, canon, body.status, body.strings.get(S_STATUS))

    def say_status(self, record, canon, status, name=None):
        self.last("status", canon, (status, name, record.time))

    def fold_setting(self, record, body):
        canon = self.canon(record, body)
        self.fold_both(record, body, canon)
        for number in (S_GOAL, S_CALLBACKS):
            if number in body.strings:
                self.last(number, canon, body.strings[number])
        for number, value in ((S_SESSION_TYPE, body.session_type), (S_MODE, body.mode), (S_CHANNEL, body.channel)):
            if value:
                self.last(number, canon, (value, body.strings.get(number)))
        for number in (S_PARENT_TOOL_CALL, S_SUBAGENT_TYPE):
            if number in body.strings:
                self.first(number, canon, body.strings[number])
        if S_PARENT_ID in body.strings:
            self.first(S_PARENT_ID, canon, (body.strings.get(S_PARENT_MACHINE), body.strings[S_PARENT_ID]))
        for line in body.strings.get(S_LABELS, b"").split(b"\n"):
            name, equals, value = line.partition(b"=")
            if line and (name not in self.labels or canon > self.labels[name][0]):
                self.labels[name] = (canon, value if equals else None)
        if body.flags & F_EOL_SET:
            self.last("eol", canon, body.eol)
        self.flags |= body.flags & F_HIDDEN
        for n in range(6):
            if body.present >> n & 1:
                self.last(("tokens", n), canon, max(body.tokens[n], 0))
        if body.present & P_COST:
            self.last("cost", canon, max(body.cost, 0))
        if body.present & P_TURN:
            self.last("turns", canon, max(body.turn, 0))

    def fold_paid(self, record, body):
        if type_name(record, body) == "ApiRequest" and not body.present & P_USAGE and not body.flags & F_REPEATED:
            self.by_source[body.source].api_requests += 1

    def fold_event(self, record, body):
        canon, name, source = self.canon(record, body), type_name(record, body), self.by_source[body.source]
        self.fold_both(record, body, canon)
        self.sources.add(body.source)
        self.events += 1
        source.events += 1
        self.payload_bytes += body.payload_size
        said = bool(body.flags & F_USER) or name == "UserPromptSubmit"
        source.user_messages += said
        source.assistant_messages += bool(body.flags & F_ASSISTANT)
        source.tool_calls += max(body.tool_calls, 0) if body.present & P_TOOL_CALLS else name == "PreToolUse"
        source.api_errors += bool(body.flags & F_API_ERROR) or name == "ApiError"
        source.compactions += bool(body.flags & F_COMPACTION) or name == "PreCompact"
        source.turns += bool(body.flags & F_TURN) or name == "TurnEnd"
        self.fold_paid(record, body)
        self.flags |= body.flags & (F_LOWER_BOUND | F_UNPRICED)
        self.taken |= body.source == TRANSCRIPT
        tokens = [max(count, 0) for count in body.tokens]
        if body.present & 1 and not body.flags & F_SIDECHAIN and body.charge_kind == 0:
            context = tokens[0] + tokens[2] + tokens[3] + tokens[4]
            if context > 0:
                self.last("context", canon, context)
        if said and S_TEXT in body.strings:
            self.first("first_text", (body.source != TRANSCRIPT, canon), body.strings[S_TEXT])
            self.last("last_text", canon, body.strings[S_TEXT])
        if record.has_time:
            if not body.status and name in STATUS_OF:
                self.say_status(record, canon, STATUS_OF[name])
            step = {"SessionStart": "start", "SessionEnd": "end"}.get(name, "go" if name in ACTIVITY else None)
            if step:
                self.life.append((canon, record.lsn, step, record.time))

    # ---- What the parts come to ----

    def live(self):
        """first_ended, last_ended (None: it goes on), last_started, revivals."""
        first_ended = ended = started = None
        revivals = 0
        for _, _, step, time in sorted(self.life):
            if step == "end":
                first_ended = time if first_ended is None else first_ended
                ended = time
            else:
                if ended is not None:
                    revivals, ended, started = revivals + 1, None, time
                if step == "start":
                    started = time
        return first_ended, ended, self.least if started is None else started, revivals

    def say_outright(self):
        api = self.by_source[API]
        for n in range(6):
            if ("tokens", n) in self.fields:
                api.tokens[n] += self.get(("tokens", n))
        if "cost" in self.fields:
            api.cost += self.get("cost")
            api.costed += 1
        if "turns" in self.fields:
            api.turns += self.get("turns")

    def best(self, order):
        return next((source for source in order if source in self.sources), API)

    def sum_of(self, name):
        order = BEST_PAID if name in ("tokens", "cost", "costed", "api_requests", "api_errors") else BEST_DONE
        parts = [getattr(self.by_source[source], name) for source in sorted({API, self.best(order)})]
        if name == "tokens":
            return [min(sum(column), MOST) for column in zip(*parts)]
        return min(sum(parts), MOST if name == "cost" else (1 << 32) - 1)


class Sessions:
    """All sessions of a log, by key; stubs too. What they fold to holds only if 'whole': of no session records are gone."""

    def __init__(self, log):
        self.log, self.by_key = log, {}
        self.identities = {pin.session: pin for pin in log.pins.values() if pin.kind in (KIND_SESSION, KIND_FORK)}
        for record in log.records:
            if record.session != EMPTY_KEY and record.kind != KIND_SYNC:
                self.at(record).records.append(record)
        self.whole = not any(record.kind == KIND_BASE for record in log.records)
        self.names = {}
        for record in log.records:
            if record.kind in BODIED:
                model = Body(record.body).strings.get(S_MODEL)
                if model is not None:
                    self.names.setdefault(model[:100], len(self.names) + 1)
        for session in list(self.by_key.values()):
            session.fold()
        self.charge()
        self.link()

    def at(self, record):
        session = self.by_key.get(record.session)
        if session is None:
            first = record if record.kind in (KIND_SESSION, KIND_FORK) else self.identities.get(record.session)
            if first is None:  # it is forgotten
                need(record.kind in (KIND_BASE, KIND_TOMBSTONE), f"{record.lsn:#x}: a session without identity")
                return self.by_key.setdefault(record.session, Session(record.session, None, None, self.log.store.uuid))
            body = Body(first.body)
            session = self.make(body.strings[S_MACHINE_ID], body.strings[S_SESSION_ID])
            need(session.key == record.session, f"{record.lsn:#x}: key")
            session.defined = True
        return session

    def make(self, machine, name):
        key = session_key(machine, name)
        if key not in self.by_key:
            self.by_key[key] = Session(key, machine, name, self.log.store.uuid)
        return self.by_key[key]

    def charge(self):
        charges = Charges(self.names)
        for record in self.log.records:
            if record.kind == KIND_EVENT:
                owner = self.by_key[record.session]
                charges.add(record, Body(record.body), (owner.name, owner.machine))
        for owner, source, tokens, cost, first in charges.shares():
            session = self.by_key[session_key(owner[1], owner[0])]
            into = session.by_source[source]
            into.tokens = [a + b for a, b in zip(into.tokens, tokens)]
            into.cost += cost or 0
            into.costed += cost is not None
            into.api_requests += first
        for session in self.by_key.values():
            session.say_outright()

    def link(self):
        for session in list(self.by_key.values()):
            named = session.get(S_PARENT_ID)
            if named is not None:
                session.parent = self.make(session.machine if named[0] is None else named[0], named[1])
        for session in self.by_key.values():
            seen, above = [session], session.parent
            while above is not None and above is not session and above not in seen:
                seen.append(above)
                above = above.parent
            if above is session and session is min(seen, key=lambda one: one.key):
                session.parent, session.cycle = None, True
        for session in self.by_key.values():
            if session.parent is not None:
                session.parent.children.append(session)
                above = session.parent
                while above is not None:
                    above.cost_children += session.sum_of("cost")
                    above = above.parent

    # ---- Events of one session ----

    def visible(self, session):
        """Its records that are to be seen, those that it shares with its parent too, first to last."""
        by_lsn, found = {record.lsn: record for record in self.log.records}, []
        lsn, key = session.records[-1].lsn, session.key
        while lsn:
            record = by_lsn.get(lsn)
            if record is None or key is not None and record.session != key:
                break
            key = record.session
            if record.kind == KIND_BASE:
                break
            if record.kind in BODIED + MARKS:
                found.append(record)
            if record.kind in (KIND_FORK, KIND_REWIND):
                key = None
            lsn = Mark(record.body).to if record.kind == KIND_REWIND else record.prev
        return found[::-1]
