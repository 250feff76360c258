"""The plots of a report: figures of Plotly, the one library that a report needs.

Times are milliseconds since the epoch plus the offset of the local clock; page.js turns them into dates without a zone.
The `meta` of a trace says what it is for, and page.js looks for it: `busy` and `bad` are shown while many attempts are
in sight, and `bars` are filled in when they are few.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from itertools import pairwise
from typing import Any, Final

from dwork.core.errors import UsageError
from dwork.core.text import label
from dwork.dquery._picture.palette import COLOURS, OUTCOMES
from dwork.dquery._picture.words import took
from dwork.history.facts import DONE, History
from dwork.history.spread import spread
from dwork.history.timeline import SessionBins, Timeline

Clock = Callable[[float], float]

#: Maximum number of attempts that were not done that are marked while many attempts are in sight.
MARKS: Final = 2000
#: Bins of the histogram.
SPREAD: Final = 40
#: Pixels: of a row; minimum and maximum of all rows; of the two plots below them.
_ROW, _LEAST, _MOST, _BELOW = 22, 150, 520, 380
_CLEAR: Final = "rgba(0,0,0,0)"
_GREY: Final = "#8a8f98"
#: The share of all time from which on a gap between two sessions has room for a label.
_WIDE: Final = 0.05
_MARGIN: Final = {"l": 70, "r": 20, "t": 10, "b": 45}


def library() -> str:
    """Return the JavaScript of Plotly; UsageError when it is not installed."""
    try:
        from plotly.offline import get_plotlyjs
    except ImportError:
        raise UsageError("a report needs Plotly; run pip install plotly") from None
    return str(get_plotlyjs())


def clock(offset: float) -> Clock:
    """Return the conversion of times for Plotly. offset: seconds that the local clock is ahead of UTC."""
    return lambda seconds: round((seconds + offset) * 1e3, 4)


def over_time(history: History, timeline: Timeline, ms: Clock) -> dict[str, object]:
    """Return the plot of workers, slots and ended attempts, above one another over the same time."""
    import plotly.graph_objects as go

    rows = max(_LEAST, min(_MOST, _ROW * len(timeline.rows)))
    figure = go.Figure(layout=_layout(timeline, rows, rows + _BELOW))
    for pane in timeline.panes:
        figure.add_trace(_busy(pane, ms))
    figure.add_trace(_bad(history, timeline, ms))
    for outcome in OUTCOMES:
        figure.add_bar(
            name=outcome, orientation="h", meta="bars", visible=False, showlegend=False,
            marker={"color": COLOURS[outcome], "line": {"width": 0}}, hovertemplate="%{hovertext}<extra></extra>",
        )  # fmt: skip
    for line in _lines(timeline.panes, ms):
        figure.add_trace(line)
    _show_gaps(figure, timeline.panes, ms)
    return dict(figure.to_plotly_json())


def _layout(timeline: Timeline, rows: int, height: int) -> dict[str, object]:
    """Return the layout. rows, height: pixels of the top one of the three plots, and of all three."""
    share = rows / height
    below = (1 - share) / 2
    axis = {"zeroline": False, "automargin": True, "rangemode": "tozero", "fixedrange": True}
    return {
        "height": height,
        "margin": _MARGIN,
        "paper_bgcolor": _CLEAR,
        "plot_bgcolor": _CLEAR,
        "barmode": "overlay",
        "hovermode": "closest",
        "coloraxis": {"cmin": 0, "cmax": 100, "showscale": False},
        "xaxis": {"type": "date", "anchor": "y3", "zeroline": False},
        "yaxis": {
            "title": {"text": "host" if timeline.of_hosts else "worker"},
            "domain": [1 - share + 0.02, 1],
            "range": [max(1, len(timeline.rows)) - 0.5, -0.5],
            "tickvals": [],
            "ticktext": [],
            "zeroline": False,
            "showgrid": False,
            "automargin": True,
        },
        "yaxis2": {**axis, "title": {"text": "slots"}, "domain": [below + 0.03, 1 - share - 0.03]},
        "yaxis3": {**axis, "title": {"text": "ended"}, "domain": [0, below - 0.03]},
    }


def _busy(pane: SessionBins, ms: Clock) -> dict[str, object]:
    """Return how busy each row was, in per cent; page.js adds the names of the rows."""
    return {
        "type": "heatmap",
        "meta": "busy",
        "z": [[None if share is None else round(share * 100) for share in row] for row in pane.busy],
        "x0": ms(pane.bins.begin + pane.bins.width / 2),
        "dx": pane.bins.width * 1e3,
        "y0": 0,
        "dy": 1,
        "coloraxis": "coloraxis",
        "hovertemplate": "%{customdata}<br>%{x}<br>%{z} % busy<extra></extra>",
    }


def _bad(history: History, timeline: Timeline, ms: Clock) -> dict[str, object]:
    """Return marks where attempts ended that were not done."""
    bars = [bar for bar in timeline.bars if history.attempts[bar.attempt].outcome != DONE][:MARKS]
    attempts = [history.attempts[bar.attempt] for bar in bars]
    return {
        "type": "scatter",
        "meta": "bad",
        "mode": "markers",
        "x": [ms(a.ended) for a in attempts],
        "y": [bar.row for bar in bars],
        "text": [
            escape(f"{label(history.tasks[a.task].id, history.tasks[a.task].name)}: {a.outcome}", quote=False)
            for a in attempts
        ],
        "hovertemplate": "%{text}<br>%{x}<extra></extra>",
        "showlegend": False,
        "marker": {"symbol": "x", "size": 7, "color": COLOURS["failed"], "line": {"width": 1, "color": "#ffffff"}},
    }


def _lines(panes: Sequence[SessionBins], ms: Clock) -> list[dict[str, object]]:
    """Slots that were busy and that there were, and attempts that have ended; nothing between sessions."""
    times: list[float | None] = []
    busy: list[float | None] = []
    slots: list[float | None] = []
    done: list[float | None] = []
    bad: list[float | None] = []
    for pane in panes:
        times += [ms(pane.bins.begin), *map(ms, pane.bins.edges()), ms(pane.bins.end), None]
        for values, more in (busy, pane.running), (slots, pane.slots):  # they fall to 0, or areas would not end there
            values += [0, *(round(value, 3) for value in more), round(more[-1], 3), 0, None]
        for values, counts in (done, pane.done), (bad, pane.bad):
            so_far = next((value for value in reversed(values) if value is not None), 0)
            values += [so_far, *(so_far + n for n in counts), *[so_far + counts[-1]] * 2, None]
    return [
        _line("slots busy", "y2", times, busy, COLOURS[DONE], fill="tozeroy"),
        _line("slots", "y2", times, slots, _GREY),
        _line("done", "y3", times, done, COLOURS[DONE]),
        _line("not done", "y3", times, bad, COLOURS["failed"]),
    ]


def _line(
    name: str, axis: str, times: list[float | None], values: list[float | None], colour: str, **more: str
) -> dict[str, object]:
    return {
        "type": "scatter",
        "meta": "line",
        "mode": "lines",
        "name": name,
        "x": times,
        "y": values,
        "yaxis": axis,
        "line": {"color": colour, "width": 1.5, "shape": "hv"},
        "hovertemplate": f"%{{y:,.4~r}} {name}<br>%{{x}}<extra></extra>",
        "showlegend": False,
        **more,
    }


def _show_gaps(figure: Any, panes: Sequence[SessionBins], ms: Clock) -> None:
    """Mark the time between sessions, when there was no pool."""
    for before, after in pairwise(panes):
        start, end = before.bins.end, after.bins.begin
        figure.add_shape(
            type="rect", xref="x", yref="paper", x0=ms(start), x1=ms(end), y0=0, y1=1, layer="below",
            fillcolor="rgba(128,128,128,0.18)", line={"width": 0},
        )  # fmt: skip
        if end - start > _WIDE * (panes[-1].bins.end - panes[0].bins.begin):
            figure.add_annotation(
                text=f"no run for {took(end - start)}", x=ms((start + end) / 2), xref="x", y=0.995, yref="paper",
                yanchor="top", showarrow=False, font={"size": 11},
            )  # fmt: skip


def of_run_times(history: History) -> dict[str, object]:
    """Return a histogram of how long attempts ran."""
    import plotly.graph_objects as go

    timed = [attempt for attempt in history.attempts if attempt.started is not None]
    done = [attempt.seconds for attempt in timed if attempt.outcome == DONE]
    bad = [attempt.seconds for attempt in timed if attempt.outcome != DONE]
    found = spread([done, bad], SPREAD)
    between = [f"{took(low)} to {took(high)}" for low, high in pairwise(found.edges)]
    layout = {
        "height": 260,
        "margin": _MARGIN,
        "paper_bgcolor": _CLEAR,
        "plot_bgcolor": _CLEAR,
        "hovermode": "closest",
        "xaxis": {"title": {"text": "run time (s)"}, "type": "log" if found.grows else "linear", "zeroline": False},
        "yaxis": {"title": {"text": "attempts"}, "rangemode": "tozero", "automargin": True, "zeroline": False},
    }
    figure = go.Figure(layout=layout)
    for name, counts, state in ("done", found.counts[0], DONE), ("not done", found.counts[1], "failed"):
        if any(counts):
            figure.add_scatter(
                x=found.edges, y=[*counts, 0], name=name, mode="lines", fill="tozeroy", customdata=[*between, ""],
                line={"shape": "hv", "color": COLOURS[state], "width": 1.5}, showlegend=bool(done and bad),
                hovertemplate="%{y:,} attempts took<br>%{customdata}<extra>" + name + "</extra>",
            )  # fmt: skip
    return dict(figure.to_plotly_json())
