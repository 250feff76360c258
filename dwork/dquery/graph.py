"""Draw the task graph in a record, coloured by state.

The output is text for Graphviz or Mermaid, or SVG, which Graphviz's program dot makes. The extension of FILE selects
the format: .svg is SVG, .mmd is Mermaid, anything else is Graphviz. A graph of many tasks is drawn in outline: tasks
whose names differ only in numbers and that come after the same tasks become one box, which shows how many are in which
state; if that is still too many, all tasks of one name, or of one depth, become one box. Barriers and globs are points.
An edge to a task that waits only for the end of the other, well or not, is dashed.
The graph of a running hub cannot be drawn.

\b
Examples:
  dquery graph -f tasks.txt.db -o graph.svg
  dquery graph -f tasks.txt.db --most 0 | dot -Tpdf > graph.pdf
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from dwork.cli.shell_completion import files
from dwork.core.text import counted
from dwork.dquery._output import note, say_json, written
from dwork.dquery._session import HubChoice, json_option
from dwork.dquery._source import record, record_option

if TYPE_CHECKING:
    from dwork.history.outline import Outline

DOT, MERMAID, SVG = FORMATS = ("dot", "mermaid", "svg")
_ENDINGS = {".svg": SVG, ".mmd": MERMAID, ".mermaid": MERMAID}
#: Maximum number of boxes that a reader can take in.
MOST = 60


@click.command(help=__doc__)
@click.option("-o", "output", metavar="FILE", shell_complete=files, help="Output file. Default standard output.")
@click.option("--format", "form", type=click.Choice(FORMATS), help="Output format, whatever the extension of FILE.")
@click.option(
    "--most",
    type=click.IntRange(0),
    default=MOST,
    metavar="N",
    help=f"Draw a graph of more than N tasks in outline. Default {MOST}; 0 draws every task.",
)
@record_option
@json_option
@click.pass_obj
def command(session: HubChoice, file: str, output: str | None, form: str | None, most: int, as_json: bool) -> None:
    from dwork.history.outline import outline
    from dwork.record.history import graph
    from dwork.record.trouble import reading

    with record(session, file) as archive:
        tasks, predecessors, after_any = graph(archive)
        with reading(archive.path):  # a damaged record may contain a cycle
            drawn = outline(tasks, predecessors, most, after_any)
    if as_json:
        say_json(_object(drawn))
        return
    text = _text(drawn, form or _ENDINGS.get(os.path.splitext(output or "")[1].lower(), DOT))
    with written(output) as stream:
        stream.writelines(f"{line}\n" for line in text)
    if drawn.by:
        note(f"{counted(sum(g.n for g in drawn.groups), 'task')} drawn as {len(drawn.groups):,}, by {drawn.by}")


def _text(drawn: Outline, form: str) -> Iterable[str]:
    from dwork.dquery._picture import dot, mermaid

    if form == MERMAID:
        return mermaid.as_mermaid(drawn)
    lines = dot.as_dot(drawn)
    return lines if form == DOT else dot.as_svg("\n".join(lines)).splitlines()


def _object(drawn: Outline) -> dict[str, object]:
    groups = [{"label": g.label, "tasks": g.n, "states": dict(g.states), "join": g.is_join} for g in drawn.groups]
    return {"groups": groups, "edges": drawn.edges, "after_any": sorted(drawn.after_any), "by": drawn.by}
