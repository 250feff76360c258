"""A report: one HTML file that contains everything it needs, so that it opens anywhere, without a network.

It shows text from task files and programs in a browser. Such text is escaped wherever it is inserted. As a second
line of defence, the page allows no script but its own two, by their hashes, and loads nothing from elsewhere.
"""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final

from dwork.core.text import shown
from dwork.dquery._picture import embedded, plots, tables
from dwork.dquery._picture.headline import headline
from dwork.dquery._picture.palette import COLOURS, OUTCOMES
from dwork.dquery._picture.tables import text
from dwork.dquery._picture.words import took
from dwork.history.facts import History
from dwork.history.summary import Summary
from dwork.history.timeline import Timeline

_HERE: Final = Path(__file__).parent
#: Columns of the table of tasks, and which of them are numbers.
_COLUMNS: Final = ("task", "name", "state", "attempts", "run time", "worker", "how it ended", "memory", "CPU")
_NUMBERS: Final = frozenset({"task", "attempts", "run time", "memory", "CPU"})


def page(
    name: str, history: History, timeline: Timeline, summary: Summary, stderr: Mapping[int, str], library: str
) -> Iterator[str]:
    """Yield the file, piece by piece.

    name: of the record; stderr: the end of the stderr of failed tasks, by number; library: the JavaScript for plots.
    """
    offset = time.localtime(history.sessions[0].started if history.sessions else 0.0).tm_gmtoff
    ms = plots.clock(offset)
    columns = embedded.bars(history, timeline)
    rows, left_out = embedded.tasks(history, columns.begin)
    data = {
        "figures": {"time": plots.over_time(history, timeline, ms), "runTimes": plots.of_run_times(history)},
        "range": [ms(moment) for moment in _range(timeline)],
        "rows": [shown(row, 40) for row in timeline.rows],
        "lanes": timeline.lanes,
        "bars": columns.bars,
        "begin": ms(columns.begin),
        "unit": columns.unit * 1e3,
        "outcomes": OUTCOMES,
        "most": embedded.AT_ONCE,
        "bins": embedded.BINS,
        "tasks": rows,
    }
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    yield _head(name, library, script)
    yield headline(name, history, summary, columns.left_out, left_out)
    yield _plots(history, timeline, offset / 3600, ms)
    yield _sections(history, summary, stderr)
    yield _search(history)
    yield f'<script type="application/json" id="data">{_json(data)}</script>\n'
    yield f"<script>{library}</script>\n<script>{script}</script>\n</body></html>\n"


def _json(data: object) -> str:
    """Return JSON that cannot end the HTML element around it."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _head(name: str, *scripts: str) -> str:
    hashes = " ".join(f"'sha256-{b64encode(sha256(s.encode()).digest()).decode()}'" for s in scripts)
    policy = f"default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; script-src {hashes}"
    style = (_HERE / "page.css").read_text(encoding="utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(name)}</title>\n<style>\n{style}</style></head><body>\n"
    )


def _range(timeline: Timeline) -> tuple[float, float]:
    """Return the whole time range, with a margin on both sides."""
    if not timeline.panes:
        return 0.0, 1.0
    begin, end = timeline.panes[0].bins.begin, timeline.panes[-1].bins.end
    room = (end - begin) * 0.01
    return begin - room, end + room


def _plots(history: History, timeline: Timeline, hours: float, ms: plots.Clock) -> str:
    """Return the HTML around the plots. hours: how far the local clock is ahead of UTC."""
    seen = {attempt.outcome for attempt in history.attempts if attempt.started is not None}
    keys = "".join(
        f'<span class="key" style="background:{COLOURS[outcome]}"></span>{outcome}'
        for outcome in OUTCOMES
        if outcome in seen
    )
    return (
        '<h2>Over time</h2>\n<p class="faint">Which worker ran what; how many of the slots (grey) were busy; '
        f"how many attempts were done or not done. Times are UTC{f'{hours:+.4g}' if hours else ''}. "
        'Drag to zoom, double-click to go back. <span id="showing"></span></p>\n'
        f'<div class="bar">{_buttons(timeline, ms)}<span class="faint when-bars">{keys}</span>'
        '<span class="faint when-busy">idle<span class="ramp"></span>busy</span></div>\n<div id="time"></div>\n'
    )


def _buttons(timeline: Timeline, ms: plots.Clock) -> str:
    """Return a button for each run, if there were several."""
    if len(timeline.panes) < 2:
        return ""
    ranges = {"all runs": _range(timeline)}
    ranges |= {f"run {i}": (pane.bins.begin, pane.bins.end) for i, pane in enumerate(timeline.panes, 1)}
    return "".join(
        f'<button data-range="[{ms(begin)}, {ms(end)}]">{label}</button>' for label, (begin, end) in ranges.items()
    )


def _sections(history: History, summary: Summary, stderr: Mapping[int, str]) -> str:
    sections = {
        "failed": ("Failed tasks", "", tables.failed(history, stderr)),
        "spread": ("Run times", "", '<div id="run-times"></div>'),
        "kinds": (
            "By kind of task",
            "Tasks whose names differ only in numbers are of one kind.",
            tables.tallies(summary.kinds, "kind"),
        ),
        "chain": (
            f"Critical path: {took(summary.chain_seconds)}",
            "The longest chain of tasks, each after the one before. More workers do not make it shorter.",
            tables.chain(history, summary),
        ),
        "slowest": ("Longest attempts", "", tables.slowest(history)),
        "hosts": ("By host", "", tables.tallies(summary.hosts, "host")),
        "runs": ("Runs", "", tables.runs(history)),
    }
    return "".join(
        f'<section id="{id}"><h2>{title}</h2><p class="faint">{words}</p>{table}</section>\n'
        for id, (title, words, table) in sections.items()
    )


def _search(history: History) -> str:
    states = dict.fromkeys(task.state for task in history.tasks if not task.is_join and not task.removed)
    options = "".join(f"<option>{text(state)}</option>" for state in states)
    heads = "".join(
        f'<th class="{"n" if column in _NUMBERS else ""}"><button>{column}</button></th>' for column in _COLUMNS
    )
    return (
        '<section id="tasks"><h2>Tasks</h2>\n<div class="bar"><input id="search" type="search" '
        'placeholder="part of a name, or #number" aria-label="search"><select id="state" aria-label="state">'
        f'<option value="">all states</option>{options}</select><span class="faint" id="count"></span></div>\n'
        '<p class="faint">Click a task to see it above, a heading to sort.</p><div class="scroll"><table>'
        f'<thead><tr>{heads}</tr></thead><tbody id="found"></tbody></table></div></section>\n'
    )
