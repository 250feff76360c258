"""A task graph in the language of Graphviz, and as SVG, which its program dot makes."""

from __future__ import annotations

from collections.abc import Iterator

from dwork.core.errors import UsageError
from dwork.core.text import counted, shown
from dwork.dquery._picture.palette import colour
from dwork.history.outline import STATES, Group, Outline

#: Maximum number of characters of a name that are drawn.
WIDTH = 40


def as_dot(graph: Outline) -> Iterator[str]:
    """Yield the lines of the graph."""
    yield "digraph tasks {"
    yield '  graph [rankdir=LR, bgcolor="transparent"];'
    yield '  node [shape=box, style="rounded,filled", fontname="sans-serif", fontsize=11, margin="0.12,0.06"];'
    yield '  edge [color="#7f7f7f", arrowsize=0.7];'
    for i, group in enumerate(graph.groups):
        yield f"  t{i} [{_attributes(group)}];"
    for before, after in graph.edges:
        yield f"  t{before} -> t{after}{' [style=dashed]' if (before, after) in graph.after_any else ''};"
    yield "}"


def words(group: Group) -> list[str]:
    """Return the lines in a group's box: its name and, for several tasks, how many are in each state."""
    lines: list[str] = [shown(group.label, WIDTH)]
    if group.n > 1:
        lines.append(counted(group.n, "task"))
        if len(group.states) > 1:
            lines.append(", ".join(f"{group.states[s]:,} {s}" for s in reversed(STATES) if group.states[s]))
    return lines


def _attributes(group: Group) -> str:
    if group.is_join:
        return f'shape=point, width=0.08, tooltip="{_escaped(shown(group.label))}"'
    label = "\\n".join(map(_escaped, words(group)))
    tip = _escaped(f"{shown(group.label)}: " + ", ".join(f"{n:,} {state}" for state, n in group.states.items()))
    return f'label="{label}", tooltip="{tip}", {_fill(group)}'


def _fill(group: Group) -> str:
    """Return its colour; for several states a stripe for each, as wide as its share but never too thin to see."""
    if len(group.states) == 1:
        return f'fillcolor="{colour(group.worst)}"'
    widths = {state: max(group.states[state] / group.n, 0.04) for state in STATES if group.states[state]}
    total = sum(widths.values())
    stripes = [f"{colour(state)};{width / total:.3f}" for state, width in widths.items()]
    stripes[-1] = stripes[-1].partition(";")[0]  # takes the rest, so that rounding does not matter
    return f'style=striped, fillcolor="{":".join(stripes)}"'


def _escaped(text: str) -> str:
    """Escape a string for Graphviz, which also interprets HTML entities in it."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")


def as_svg(text: str) -> str:
    """Return Graphviz's SVG of this text in its language; UsageError when Graphviz is missing, or fails."""
    import subprocess

    try:
        ran = subprocess.run(["dot", "-Tsvg"], input=text, capture_output=True, encoding="utf-8", errors="replace")
    except FileNotFoundError:
        raise UsageError(
            "SVG needs Graphviz's program dot, which is not on PATH; load or install graphviz, or draw it elsewhere "
            "from --format dot"
        ) from None
    if ran.returncode or not ran.stdout:
        message = shown(ran.stderr.strip().rpartition("\n")[2] or f"exit status {ran.returncode}")
        raise UsageError(f"dot cannot draw it: {message}")
    return ran.stdout
