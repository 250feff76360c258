"""Write a run as trace events for Perfetto.

Open the file at ui.perfetto.dev (nothing is uploaded) or in chrome://tracing. It has a process for each host, a thread
for each slot of a worker, and each attempt of a task with its outcome, memory and CPU time. Arrows lead from tasks to
those that come after them, unless there are too many. A trace of a running hub cannot be made.

\b
Examples:
  dquery trace -f tasks.txt.db -o trace.json
  dquery trace -f tasks.txt.db | gzip > trace.json.gz
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from dwork.cli.shell_completion import files
from dwork.dquery._output import written
from dwork.dquery._session import HubChoice
from dwork.dquery._source import record, record_option

if TYPE_CHECKING:
    from dwork.record.reading import Archive

#: Maximum number of arrows that a reader can take in.
ARROWS = 5000


@click.command(help=__doc__)
@click.option("-o", "output", metavar="FILE", shell_complete=files, help="Output file. Default standard output.")
@click.option("--json", "as_json", is_flag=True, help="No effect: the output is always JSON.")
@record_option
@click.pass_obj
def command(session: HubChoice, file: str, output: str | None, as_json: bool) -> None:
    from dwork.dquery._picture.events import Trace
    from dwork.record.history import begun, sessions, workers

    with record(session, file) as archive, written(output) as stream:
        trace = Trace(sessions(archive), workers(archive), _arrows(archive))
        stream.write('{"displayTimeUnit": "ms", "traceEvents": [\n')
        between = ""
        for event in trace.events(begun(archive)):
            stream.write(between + json.dumps(event))
            between = ",\n"
        stream.write("\n]}\n")


def _arrows(archive: Archive) -> dict[int, list[int]]:
    """Return the predecessors of each task, past all joins, by task number; nothing when they are too many to draw."""
    from dwork.history.joins import past_joins
    from dwork.record.history import graph
    from dwork.record.trouble import reading

    with reading(archive.path):
        (n,) = archive.connection.execute("SELECT count(*) FROM predecessors").fetchone()
    if not 0 < n <= ARROWS:
        return {}
    tasks, predecessors, _ = graph(archive)
    before = past_joins(tasks, predecessors, ARROWS)
    if before is None:
        return {}
    return {tasks[i].id: [tasks[p].id for p in found] for i, found in enumerate(before) if found}
