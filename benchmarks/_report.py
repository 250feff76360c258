"""Reports of a run: one self-contained HTML file, and a page of Markdown for the documentation."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from _common import HEAD, Row, cells, number

NOISE = (
    "Other load on the machine changes single numbers, and ratios too, by 10 to 20 %; what ran in turn with its peer "
    "was slowed alike."
)
STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em; color: #1c1e21 }
table { border-collapse: collapse; margin: .6em 0 }
td, th { padding: .15em .8em; border-bottom: 1px solid #ddd; text-align: left }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums }
.missed { color: #b3261e; font-weight: 600 } .faint { color: #666 }
"""


def rows(benchmark: Mapping[str, Any]) -> list[Row]:
    return [Row(**row) for row in benchmark["rows"]]


def missed(results: Mapping[str, Any]) -> list[str]:
    """Return a line for each missed bar, and for each failed benchmark."""
    lines = []
    for name, benchmark in results["benchmarks"].items():
        if benchmark.get("failed"):
            lines.append(f"{name}: it has failed: {benchmark['failed']}")
        for row in rows(benchmark):
            if row.met is False:
                ratio = f", ratio {row.ratio:.2f}" if row.ratio is not None else ""
                lines.append(f"{name}: {row.what}: {number(row.ours)} {row.unit}{ratio}; the bar is {row.bar}")
    return lines


def facts(results: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the machine and the conditions as names and values."""
    m = results["machine"]
    return [
        ("when", m["time"] + (" (a quick run: small numbers, not representative)" if results["quick"] else "")),
        ("dwork", m["commit"] or "unknown"),
        ("machine", f"{m['cpu']}, {m['cores']} cores, {m['memory'] / 2**30:.1f} GiB, Linux {m['kernel']}"),
        ("software", ", ".join([f"Python {m['python']}", *(f"{k} {v}" for k, v in m["versions"].items())])),
        ("mpirun", m["mpirun"] or "none"),
        ("load at the start", ", ".join(f"{load:.1f}" for load in m["load"])),
        ("peers found", ", ".join(m["peers"]) or "none"),
    ]


# -- HTML -------------------------------------------------------------------------------------------------------------


def html(results: Mapping[str, Any]) -> str:
    """Return the HTML file; with charts when Plotly is installed (extra `report`)."""
    return "".join(_html(results))


def _html(results: Mapping[str, Any]) -> Iterator[str]:
    library = _plotly()
    yield '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>dwork: benchmarks</title>'
    yield f"<style>{STYLE}</style>"
    yield f"{f'<script>{library}</script>' if library else ''}</head><body>\n<h1>dwork: benchmarks</h1>\n"
    yield _html_table([("", *fact) for fact in facts(results)], 1)
    bars = missed(results)
    yield f"<h2>{'Missed bars' if bars else 'No bar is missed'}</h2>\n<ul>"
    yield "".join(f'<li class="missed">{escape(bar)}</li>' for bar in bars)
    yield f'</ul>\n<p class="faint">Ratio: above 1 we are ahead of the peer, whatever the unit. {NOISE}</p>\n'
    for name, benchmark in results["benchmarks"].items():
        yield f"<h2>{escape(benchmark['title'])}</h2>\n"
        yield f'<p class="faint">{escape(name)}.py, {benchmark["seconds"]:.0f} s</p>\n'
        if benchmark.get("failed"):
            yield f'<p class="missed">It has failed: {escape(benchmark["failed"])}</p>\n'
            continue
        yield _html_table([HEAD, *map(cells, rows(benchmark))], 0)
        yield "".join(f"<p>{escape(note)}</p>\n" for note in benchmark["notes"])
        for i, figure in enumerate(figures(benchmark)) if library else ():
            place = f"{name}-{i}"
            data = json.dumps(figure).replace("<", "\\u003c")
            yield f'<div id="{place}"></div><script>Plotly.newPlot("{place}", {data})</script>\n'
    yield "</body></html>\n"


def _html_table(lines: list[tuple[str, ...]], head: int) -> str:
    """Return a table; its first line is a header when head is 0. Numbers are aligned to the right."""
    text = "<table>"
    for i, line in enumerate(lines):
        tag = "th" if i == 0 and head == 0 else "td"
        text += "<tr>"
        for j, cell in enumerate(line[head:]):
            kind = "missed" if cell == "MISSED" else "n" if head == 0 and j in (1, 2, 4) else ""
            text += f'<{tag} class="{kind}">{escape(cell)}</{tag}>'
        text += "</tr>"
    return text + "</table>\n"


def figures(benchmark: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return Plotly's figures: the ratios to peers with the bars to reach, and the benchmark's own curves."""
    drawn = []
    beside = [row for row in rows(benchmark) if row.ratio is not None]
    if len(beside) > 1:
        names = [row.what for row in beside]
        bars = [float(row.bar.split()[-1]) if row.bar.startswith("ratio") else None for row in beside]
        colours = ["#b3261e" if row.met is False else "#2a6fbb" for row in beside]
        data = [
            {"type": "bar", "orientation": "h", "y": names, "x": [r.ratio for r in beside], "name": "ours / peer",
             "marker": {"color": colours}},
            {"type": "scatter", "mode": "markers", "y": names, "x": bars, "name": "bar",
             "marker": {"symbol": "line-ns-open", "size": 18, "color": "#111"}},
        ]  # fmt: skip
        layout = {
            "height": 110 + 26 * len(beside), "margin": {"l": 340, "t": 40, "b": 40},
            "title": {"text": "Times as good as the peer"}, "yaxis": {"autorange": "reversed"},
            "xaxis": {"rangemode": "tozero"},
        }  # fmt: skip
        drawn.append({"data": data, "layout": layout})
    for chart in benchmark["charts"]:
        lines = [{"name": name, "x": xs, "y": ys, "mode": "lines+markers"} for name, (xs, ys) in chart["lines"].items()]
        axes = {
            f"{axis}axis": {"title": {"text": chart[axis]}, "type": "log" if axis in chart["log"] else "linear"}
            for axis in "xy"
        }
        drawn.append({"data": lines, "layout": {"title": {"text": chart["title"]}, "height": 420, **axes}})
    return drawn


def _plotly() -> str:
    try:
        from plotly.offline import get_plotlyjs
    except ImportError:
        return ""
    return str(get_plotlyjs())


# -- Markdown ---------------------------------------------------------------------------------------------------------


def markdown(results: Mapping[str, Any]) -> str:
    """Return the page for the documentation."""
    return "\n".join(_markdown(results)) + "\n"


def _markdown(results: Mapping[str, Any]) -> Iterator[str]:
    yield "# Benchmarks\n"
    yield "Written by `make bench PUBLISH=1`. `benchmarks/README.md` describes what is measured, and how.\n"
    yield "| | |\n|---|---|"
    for name, value in facts(results):
        yield f"| {name} | {_plain(value)} |"
    bars = missed(results)
    yield f"\n{NOISE}\n\n## {'Missed bars' if bars else 'No bar is missed'}\n"
    for bar in bars:
        yield f"- {_plain(bar)}"
    for name, benchmark in results["benchmarks"].items():
        if benchmark.get("failed"):
            continue
        yield f"\n## {_plain(benchmark['title'])}\n\n`{name}.py`. Ratio: above 1 we are ahead of the peer.\n"
        yield "| what | ours | peer | unit | ratio | bar | |\n|---|--:|--:|---|--:|---|---|"
        for row in rows(benchmark):
            yield "| " + " | ".join(_plain(cell) for cell in cells(row)) + " |"
        for note in benchmark["notes"]:
            yield f"\n{_plain(note)}"


def _plain(text: str) -> str:
    """Escape text, so that Markdown shows it unchanged."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
