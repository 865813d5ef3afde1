"""What each answer of a model costs, and who shows it: lines, rows, figures, settlement (SPEC.md "Charges")."""
from .layout import F_LOWER_BOUND, F_REPEATED, F_SIDECHAIN, P_CHARGE, P_COST, P_USAGE, S_MODEL

MOST, ROWS_MAX = (1 << 63) - 1, 32
REASONING = 5


def total(tokens):
    return min(sum(max(count, 0) for count in tokens[:REASONING]), MOST)


def when(time):
    """A time, or its absence, which comes last."""
    return (1, 0) if time is None else (0, time)


class Row:
    """Lines of one message that are alike; 'figure' is one of them: (order, tokens, cost, what it says)."""

    def __init__(self, charge, part, kind, sidechain):
        self.charge, self.part, self.kind, self.sidechain = charge, part, kind, sidechain
        self.figure = self.owner = None
        self.lower_bound = False

    def add(self, figure, owner, lower_bound):
        if self.figure is None or figure["order"] < self.figure["order"]:
            self.figure = figure
        if self.owner is None or owner < self.owner:
            self.owner = owner
        self.lower_bound |= lower_bound


def figure(tokens, cost, time, model_number, table, source):
    """What is chosen comes first in 'order'."""
    order = (-total(tokens), when(time), [-count for count in tokens], cost is None, -(cost or 0), model_number, table, source)
    return {"order": order, "tokens": tokens, "cost": cost, "time": time, "table": table, "source": source}


class Charges:
    """'names' numbers the models in the order in which the store met them."""

    def __init__(self, names):
        self.names, self.rows, self.singles = names, {}, []

    def add(self, record, body, owner_name):
        """One EVENT of the session 'owner_name', which is (session id, machine id)."""
        if body.flags & F_REPEATED or not body.present & P_USAGE:
            return
        tokens = [max(count, 0) if body.present >> n & 1 else 0 for n, count in enumerate(body.tokens)]
        cost = body.cost if body.present & P_COST else None
        time = record.time if record.has_time else None
        model = body.strings.get(S_MODEL)
        number = 0 if model is None else self.names[model[:100]]
        made = figure(tokens, cost, time, number, body.price_table if cost is not None else 0, body.source)
        owner = (when(time), owner_name)
        charge = body.charge if body.present & P_CHARGE else None
        sidechain = bool(body.flags & F_SIDECHAIN)
        place = (body.charge_part, body.charge_kind, sidechain)
        rows = self.rows.setdefault(charge, {}) if charge else None
        if rows is None or place not in rows and len(rows) == ROWS_MAX:
            row = Row(None, *place)
            self.singles.append(row)
        else:
            row = rows.setdefault(place, Row(charge, *place))
        row.add(made, owner, bool(body.flags & F_LOWER_BOUND))

    def shares(self):
        """(owner's name, source, tokens, cost or None, first of its charge) of all that counts."""
        for row in self.singles:
            yield from settle_charge([row])
        for rows in self.rows.values():
            for charge in group(list(rows.values())):
                yield from settle_charge(charge)


def group(rows):
    """The charges of one message."""
    main = [row for row in rows if not row.sidechain]
    if not main:
        return [rows]
    charges = {}
    for row in main:
        charges.setdefault(row.part, []).append(row)
    least = min(charges, key=lambda part: (min((row.kind, row.owner) for row in charges[part]), part))
    beside = {part: list(found) for part, found in charges.items()}
    for row in rows:
        if row.sidechain:
            beside[row.part if row.part != 0 and row.part in charges else least].append(row)
    return list(beside.values())


def settle_charge(rows):
    owner = min((row.kind, row.sidechain, row.owner) for row in rows)[2][1]
    before, cost_before, first = None, None, True
    for kind in range(3):
        figures = [row.figure for row in rows if row.kind == kind]
        if not figures:
            continue
        best = min(figures, key=lambda one: one["order"])
        tokens, cost = best["tokens"], best["cost"]
        if cost is not None:
            cost = max(cost, 0)
        if before is None:
            counts, paid = tokens, cost
            before = list(tokens)
        else:
            counts = [max(new - old, 0) for new, old in zip(tokens, before)]
            paid = cost if cost is None or cost_before is None else max(cost - cost_before, 0)
            before = [max(new, old) for new, old in zip(tokens, before)]
        if cost is not None:
            cost_before = max(cost, cost_before or 0)
        if first or any(counts):
            yield owner, best["source"], counts, paid, first
        first = False
