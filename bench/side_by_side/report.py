"""The results as a Markdown table and as one HTML page with charts (matplotlib; no network, no script)."""

import html
import io
import re
import sys

from . import aims
from .figures import FIGURES
from .results import show

COLUMNS = ["limit", "limit-xxh3", "zstd", "varve", "sqlite", "sqlite-zstd", "lmdb", "rocksdb", "leveldb", "jsonl",
           "ccusage"]
LIMITS = ("limit", "limit-xxh3", "zstd", "zstd-alone")  # no stores
COLORS = {"varve": "#0b6e4f", **dict.fromkeys(LIMITS, "#b0b0b0")}
PEER = "#5b8db8"


def engines_of(results):
    return [name for name in COLUMNS if any(name in by for by in results["figures"].values())]


def about(results):
    """A line on what was measured and where."""
    sizes, place = results["sizes"], results["machine"]
    return (f"{sizes['events']:,} events, {results.get('sessions', 0):,} sessions, "
            f"{results.get('payload_bytes', 0) / 1e6:,.0f} MB of payload, seed {sizes['seed']}; medians of "
            f"{sizes['repeat']}; {place['processor']}, {place['cores']} cores, {place['memory_kb'] / 1048576:.0f} GiB, "
            f"{place['file_system']}, {place['system']}, Linux {place['kernel']}")


def markdown(results):
    """All figures: medians, a row each."""
    names = engines_of(results)
    rows = [about(results), "", "| | " + " | ".join(names) + " |", "| --- |" + " ---: |" * len(names)]
    for name, by_engine in results["figures"].items():
        figure = FIGURES[name]
        title = figure.title + (f", {figure.unit}" if figure.unit else "")
        cells = [show(by_engine[e]["median"], figure.unit) if e in by_engine else "" for e in names]
        best = _best(figure, by_engine)
        cells = [f"**{c}**" if names[i] == best else c for i, c in enumerate(cells)]
        rows.append(f"| {title} | " + " | ".join(cells) + " |")
    rows += ["", "The best store of a row is bold. " + _lmdb(results), "", aims.markdown(aims.judge(results))]
    return "\n".join(rows)


def _lmdb(results):
    return ("LMDB ingests without sync and with a writable map: a crash of the system may leave its file broken."
            if "lmdb" in engines_of(results) else "")


def _best(figure, by_engine):
    stores = {e: by["median"] for e, by in by_engine.items() if e not in LIMITS}
    if len(stores) < 2:
        return None
    return (max if figure.better == "higher" else min)(stores, key=stores.get)


def _chart(plot, figure, by_engine, names):
    """One chart as SVG: bars of the medians, lines from the least to the largest."""
    there = [name for name in names if name in by_engine]
    middle = [by_engine[name]["median"] for name in there]
    spread = [[m - by_engine[name]["min"] for m, name in zip(middle, there)],
              [by_engine[name]["max"] - m for m, name in zip(middle, there)]]
    chart, axes = plot.subplots(figsize=(5.2, 0.55 + 0.26 * len(there)))
    axes.barh(range(len(there)), middle, xerr=spread, color=[COLORS.get(n, PEER) for n in there], height=0.7,
              error_kw={"elinewidth": 1, "ecolor": "#333333"})
    axes.set_yticks(range(len(there)), there, fontsize=8)
    axes.invert_yaxis()
    if max(middle) > 30 * max(min(middle), 1e-12) and min(middle) > 0:
        axes.set_xscale("log")
    axes.tick_params(axis="x", labelsize=7)
    axes.xaxis.set_major_formatter(lambda value, _place: show(value, figure.unit).removesuffix(".00"))
    for row, value in enumerate(middle):
        axes.annotate(" " + show(value, figure.unit), (by_engine[there[row]]["max"], row), va="center", fontsize=7)
    axes.margins(x=0.18)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.set_title(f"{figure.title}{', ' + figure.unit if figure.unit else ''} ({figure.better} is better)",
                   fontsize=8, loc="left")
    text = io.StringIO()
    chart.savefig(text, format="svg", bbox_inches="tight", metadata={"Date": None})
    plot.close(chart)
    drawing = text.getvalue()
    return re.sub(r"<metadata>.*?</metadata>", "", drawing[drawing.index("<svg"):], flags=re.DOTALL)


def _table(results, names):
    rows = ["<table><tr><th></th>" + "".join(f"<th>{html.escape(n)}</th>" for n in names) + "</tr>"]
    for name, by_engine in results["figures"].items():
        figure = FIGURES[name]
        cells = []
        for engine in names:
            if engine not in by_engine:
                cells.append("<td></td>")
                continue
            mine = by_engine[engine]
            ratio = mine["ratio_to"].get("varve")
            beside = f"<br><small>{show(mine['min'], figure.unit)} .. {show(mine['max'], figure.unit)}</small>"
            beside += f"<br><small>{ratio:.2f}x varve</small>" if ratio is not None else ""
            cells.append(f"<td>{show(mine['median'], figure.unit)}{beside}</td>")
        title = html.escape(figure.title + (f", {figure.unit}" if figure.unit else ""))
        rows.append(f"<tr><th>{title}</th>{''.join(cells)}</tr>")
    return "\n".join(rows) + "</table>"


def _aims(results):
    rows = ["<table><tr><th>Varve</th><th>reached</th><th>must</th><th>aim</th><th></th></tr>"]
    for line in aims.markdown(aims.judge(results)).splitlines()[2:]:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        css = ' class="missed"' if cells[-1] == "MISSED" else ""
        rows.append(f"<tr{css}><th>{html.escape(cells[0])}</th>"
                    + "".join(f"<td>{html.escape(c)}</td>" for c in cells[1:]) + "</tr>")
    return "\n".join(rows) + "</table>"


STYLE = """body { font: 15px/1.45 system-ui, sans-serif; max-width: 1200px; margin: 2em auto; padding: 0 1em; color: #222 }
table { border-collapse: collapse; margin: 1em 0; font-size: 13px; display: block; overflow-x: auto }
th, td { border-bottom: 1px solid #ddd; padding: 4px 8px; text-align: right; vertical-align: top }
tr > th:first-child { text-align: left; font-weight: normal } small { color: #777 }
.missed th, .missed td { color: #a40000 } figure { display: inline-block; margin: 4px 8px; vertical-align: top }
svg { max-width: 100%; height: auto }"""


def page(results):
    """The whole page. Without matplotlib: without charts, and a line that says so."""
    names = engines_of(results)
    try:
        import matplotlib  # only here: all else works without it
        matplotlib.use("svg")
        matplotlib.rcParams["svg.fonttype"] = "none"  # text stays text: small, and can be searched
        import matplotlib.pyplot as plot
        charts = "\n".join(f"<figure>{_chart(plot, FIGURES[name], by, names)}</figure>"
                           for name, by in results["figures"].items())
    except ImportError:
        print("varve-bench: no charts: install python3-matplotlib", file=sys.stderr)
        charts = "<p>No charts: matplotlib was not there when this page was made.</p>"
    versions = "".join(f"<li><b>{html.escape(n)}</b> {html.escape(e['version'])}: {html.escape(e['about'])}</li>"
                       for n, e in results["engines"].items())
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Varve beside others</title><style>{STYLE}</style></head><body>
<h1>Varve beside others</h1>
<p>{html.escape(about(results))}</p>
<ul>{versions}</ul>
<p>Each peer keeps the events of a session in order and a record of about 300 bytes for each session, in one transaction
where it has transactions, and is checked for the right totals. {html.escape(_lmdb(results))}</p>
<h2>What Varve must reach</h2>
{_aims(results)}
<h2>Charts</h2>
<p>Bars are medians, lines reach from the least to the largest figure. Grey: what the machine itself can do.</p>
{charts}
<h2>All figures</h2>
<p>Medians; below them the least and the largest, and the ratio to Varve's.</p>
{_table(results, names)}
</body></html>
"""
