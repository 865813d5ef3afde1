"""Counts transcripts from the finished files: what a right import of them shows.

Knows the rules of charging, and nothing of how the samples were made or of the engine.
"""

import collections
import json
import pathlib
import re

KINDS = ("message", "agent_progress", "recovered")

Price = collections.namedtuple("Price", "input output write read")
Tokens = collections.namedtuple("Tokens", "input output write_5m write_1h read")
NOTHING = Tokens(0, 0, 0, 0, 0)

# Nano-dollars a token. A second price holds for what lies above 200,000 tokens of a field.
BAND = 200_000
SONNET_PRICES = (Price(3000, 15000, 3750, 300), Price(6000, 22500, 7500, 600))
OPUS_PRICES = (Price(5000, 25000, 6250, 500), None)
OLD_OPUS_PRICES = (Price(15000, 75000, 18750, 1500), None)
PRICES = {
    "claude-fable-5": (Price(10000, 50000, 12500, 1000), None),
    "claude-haiku-4-5-20251001": (Price(1000, 5000, 1250, 100), None),
    "claude-opus-4-20250514": OLD_OPUS_PRICES,
    "claude-opus-4-1-20250805": OLD_OPUS_PRICES,
    "claude-opus-4-5-20251101": OPUS_PRICES,
    "claude-opus-4-6": OPUS_PRICES,
    "claude-opus-4-7": OPUS_PRICES,
    "claude-opus-4-8": OPUS_PRICES,
    "claude-opus-5": OPUS_PRICES,
    "claude-sonnet-4-20250514": SONNET_PRICES,
    "claude-sonnet-4-5-20250929": SONNET_PRICES,
    "claude-sonnet-5": (Price(2000, 10000, 2500, 200), None),
}

# A line that carries usage, seen as far as charging goes. `order` decides between equals.
Row = collections.namedtuple("Row", "kind session message request sidechain time model tokens cost "
                                    "lower_bound order")


def cost_of(model, tokens):
    """In nano-dollars. What has no price costs nothing."""
    base, above = PRICES.get(model, (Price(0, 0, 0, 0), None))

    def field(count, price, price_above):
        over = max(0, count - BAND) if above else 0
        return (count - over) * price + over * price_above

    dear = above or base
    return (field(tokens.input, base.input, dear.input)
            + field(tokens.output, base.output, dear.output)
            + field(tokens.write_5m, base.write, dear.write)
            + tokens.write_1h * 2 * base.input
            + field(tokens.read, base.read, dear.read))


def tokens_of(usage):
    parts = usage.get("cache_creation")
    if not isinstance(parts, dict):
        parts = {"ephemeral_5m_input_tokens": usage.get("cache_creation_input_tokens")}
    return Tokens(usage.get("input_tokens") or 0, usage.get("output_tokens") or 0,
                  parts.get("ephemeral_5m_input_tokens") or 0,
                  parts.get("ephemeral_1h_input_tokens") or 0,
                  usage.get("cache_read_input_tokens") or 0)


RECORD_START = re.compile(r'\{"(?:parentUuid|type)"')


def parse(text_of_line):
    """The line's object, or None if it is not one object as a whole."""
    try:
        value = json.loads(text_of_line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def recover(text_of_line):
    """The whole records that a damaged line still holds."""
    found, at = [], 0
    while match := RECORD_START.search(text_of_line, at):
        try:
            value, at = json.JSONDecoder().raw_decode(text_of_line, match.start())
            found.append(value)
        except ValueError:
            at = match.start() + 1
    return found


def lines_of(data):
    """(payload, ended) of each line: its bytes without its end, and whether it had one."""
    pieces = data.split(b"\n")
    last = pieces.pop()
    for piece in pieces:
        yield piece.removesuffix(b"\r"), True
    if last:
        yield last, False


def row_of(value, recovered, session, unique, order):
    """The Row of an object that carries usage, else None. `unique` stands for a message id that is
    not there: such a line is a charge by itself."""
    kind, inner = "message", value
    if value.get("type") == "progress":
        data = value.get("data")
        kind, inner = "agent_progress", data.get("message") if isinstance(data, dict) else None
    message = inner.get("message") if isinstance(inner, dict) else None
    usage = message.get("usage") if isinstance(message, dict) else None
    if not isinstance(usage, dict):
        return None
    release = re.match(r"(\d+)\.(\d+)\.(\d+)", value.get("version") or "")
    release = tuple(int(n) for n in release.groups()) if release else ()
    tokens, model = tokens_of(usage), message.get("model") or ""
    return Row("recovered" if recovered else kind, session, message.get("id") or unique,
               inner.get("requestId"), bool(value.get("isSidechain")), value.get("timestamp") or "",
               model, tokens, cost_of(model, tokens), (2, 1, 12) <= release <= (2, 1, 114), order)


class Session:
    def __init__(self, parent):
        self.parent = parent
        self.files = []
        self.lower_bound = False


class Count:
    """Everything below a directory."""

    def __init__(self, root):
        self.lines = collections.Counter()
        self.bytes = 0
        self.sessions = {}
        self.rows = []
        self.seen = set()  # (session, payload, which of its like in the file)
        self.files = sorted(root.rglob("*.jsonl"), key=pathlib.Path.as_posix)
        for path in self.files:
            self._file(path, path.relative_to(root))

    def _file(self, path, name):
        data = path.read_bytes()
        self.bytes += len(data)
        lines = [(payload, ended, payload.decode("utf-8", "replace"))
                 for payload, ended in lines_of(data)]
        parsed = [parse(words) for _, _, words in lines]
        named = next((v["sessionId"] for v in parsed if v and v.get("sessionId")), None)
        session, parent = named or path.stem, None
        if path.stem.startswith("agent-") or "subagents" in name.parts:
            folders = name.parts[:-1]
            if not named and "subagents" in folders:
                named = folders[folders.index("subagents") - 1]
            parent, session = named, f"{named}/{path.stem}"
        if lines:
            self.sessions.setdefault(session, Session(parent)).files.append(name.as_posix())
        met = collections.Counter()
        for (payload, ended, words), value in zip(lines, parsed):
            self._line(session, payload, ended, words, value, met)

    def _line(self, session, payload, ended, words, value, met):
        self.lines["lines"] += 1
        if value is None and payload and not ended:
            self.lines["unfinished_lines"] += 1
            return
        met[payload] += 1
        place = (session, payload, met[payload])
        again = place in self.seen
        self.seen.add(place)
        recovered = False
        if not payload:
            self.lines["blank_lines"] += 1
            values = []
        elif value is None:
            recovered = True
            values = recover(words)
            self.lines["damaged_lines"] += 1
            self.lines["recovered_records"] += len(values)
        else:
            values = [value]
        if again:
            self.lines["lines_met_again"] += 1
            return
        for number, each in enumerate(values):
            row = row_of(each, recovered, session, (*place, number), len(self.rows))
            if row:
                self.rows.append(row)
                self.sessions[session].lower_bound |= row.lower_bound


def charges_of(rows):
    """The rows of each charge. A sidechain's message that the main chain has under another request
    belongs to that one."""
    requests = collections.defaultdict(set)
    for row in rows:
        if not row.sidechain:
            requests[row.message].add(row.request)
    charges = collections.defaultdict(list)
    for row in rows:
        request, main = row.request, requests.get(row.message, ())
        if row.sidechain and main and request not in main:
            if len(main) > 1:
                raise ValueError(f"{row.message}: which of {len(main)} requests is meant?")
            request, = main
        charges[row.message, request].append(row)
    return charges.values()


def counted_of(charge):
    """(row, tokens, cost) of each kind: the fullest line, less what earlier kinds have counted."""
    most, most_cost = NOTHING, 0
    for kind in KINDS:
        rows = [row for row in charge if row.kind == kind]
        if rows:
            row = min(rows, key=lambda row: (-sum(row.tokens), row.time, row.order))
            yield (row, Tokens(*(max(0, a - b) for a, b in zip(row.tokens, most))),
                   max(0, row.cost - most_cost))
            most = Tokens(*map(max, row.tokens, most))
            most_cost = max(row.cost, most_cost)


class Totals:
    def __init__(self):
        self.tokens, self.cost = NOTHING, 0

    def add(self, tokens, cost):
        self.tokens = Tokens(*(a + b for a, b in zip(self.tokens, tokens)))
        self.cost += cost

    def report(self):
        t = self.tokens
        return {"input_tokens": t.input, "output_tokens": t.output,
                "cache_write_tokens": t.write_5m + t.write_1h, "cache_read_tokens": t.read,
                "total_tokens": sum(t), "cost_usd": self.cost / 1e9, "cost_nano_usd": self.cost}


def report(count):
    """What a right import of the counted files shows, as it goes into expected.json."""
    by_kind = {kind: Totals() for kind in KINDS}
    by_day, by_model, by_session = (collections.defaultdict(Totals) for _ in range(3))
    naive = Totals()
    for row in count.rows:
        naive.add(row.tokens, row.cost)
    charges = charges_of(count.rows)
    for charge in charges:
        owner = min(charge, key=lambda row: (KINDS.index(row.kind), row.sidechain, row.time,
                                             row.session))
        for row, tokens, cost in counted_of(charge):
            day = row.time[:10] or "1970-01-01"
            for totals in (by_kind[row.kind], by_day[day], by_model[row.model],
                           by_session[owner.session]):
                totals.add(tokens, cost)
    by_model.pop("<synthetic>", None)
    sessions = {}
    for name, session in sorted(count.sessions.items()):
        sessions[name] = {"parent": session.parent, "files": session.files,
                          "output_is_lower_bound": session.lower_bound,
                          **by_session[name].report()}
    parents = {session.parent for session in count.sessions.values() if session.parent}
    kinds_of_lines = ("lines", "blank_lines", "lines_met_again", "damaged_lines",
                      "recovered_records", "unfinished_lines")
    models = {row.model for row in count.rows}
    return {
        "files": len(count.files), "bytes": count.bytes,
        **{kind: count.lines[kind] for kind in kinds_of_lines},
        "usage_records": len(count.rows), "charges": len(charges),
        "by_kind": {kind: totals.report() for kind, totals in by_kind.items()},
        "by_day": {day: totals.report() for day, totals in sorted(by_day.items())},
        "by_model": {model: totals.report() for model, totals in sorted(by_model.items())},
        "unpriced_models": sorted(models - set(PRICES) - {"<synthetic>"}),
        "every_usage_record_summed": naive.report(),
        "sessions": sessions,
        "parents_known_by_name_only": sorted(parents - set(count.sessions)),
    }
