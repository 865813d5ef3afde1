"""What a run gives: medians with their spread, and the ratio of each engine's figure to every other's."""

import statistics

from .figures import FIGURES


def _summary(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "values": values}


def _ratio(mine, other):
    """The median of the ratios, repetition by repetition."""
    pairs = [a / b for a, b in zip(mine, other) if b]
    return statistics.median(pairs) if pairs else None


def gather(values):
    """figure -> engine -> median, min, max, values, ratio_to (another engine -> this one's figure / that one's)."""
    figures = {}
    for name in FIGURES:
        by_engine = values.get(name)
        if not by_engine:
            continue
        figures[name] = {
            engine: dict(_summary(mine), ratio_to={
                other: _ratio(mine, theirs) for other, theirs in by_engine.items() if other != engine})
            for engine, mine in by_engine.items()}
    return figures


def median(results, figure, engine):
    """None: not measured."""
    return results["figures"].get(figure, {}).get(engine, {}).get("median")


def ratio(results, figure, engine, other):
    """The engine's figure / the other's; None: not measured."""
    return results["figures"].get(figure, {}).get(engine, {}).get("ratio_to", {}).get(other)


def show(value, unit=""):
    """A figure as people read it."""
    if value is None:
        return ""
    if unit in ("events/s", "sessions/s") and value >= 10_000:
        return f"{value / 1e6:.2f} M" if value >= 1e6 else f"{value / 1e3:.0f} k"
    if value >= 1000:
        return f"{value:,.0f}"
    if value >= 100:
        return f"{value:.0f}"
    if value >= 10:
        return f"{value:.1f}"
    if value >= 1:
        return f"{value:.2f}"
    return f"{value:.3f}" if value >= 0.1 or value == 0 else f"{value:.2g}"
