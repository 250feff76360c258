"""Write a report of a run: one HTML file, which any browser shows without a network.

It shows the outcome of the tasks, which worker ran what when (single tasks when zoomed in), how many slots were busy,
run times, the failed tasks with the end of their stderr, the critical path, and a searchable table of tasks. --json
prints its numbers instead. The plots need Plotly: pip install plotly. A report of a running hub cannot be made.

\b
Examples:
  dquery report -f tasks.txt.db
  dquery report -f tasks.txt.db -o study.html
"""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from dwork.cli.shell_completion import files
from dwork.core.text import counted, shown, size
from dwork.dquery._output import say, say_json, written
from dwork.dquery._session import HubChoice, json_option
from dwork.dquery._source import record, record_option

if TYPE_CHECKING:
    from dwork.history.facts import History
    from dwork.history.summary import Summary

DEFAULT = "report.html"


@click.command(help=__doc__)
@click.option(
    "-o",
    "output",
    metavar="FILE",
    shell_complete=files,
    default=DEFAULT,
    help=f"Output file; - is standard output. Default {DEFAULT}.",
)
@record_option
@json_option
@click.pass_obj
def command(session: HubChoice, file: str, output: str, as_json: bool) -> None:
    from dwork.dquery._picture.page import page
    from dwork.dquery._picture.plots import library
    from dwork.dquery._picture.tables import FAILED
    from dwork.history.summary import summary
    from dwork.history.timeline import timeline
    from dwork.record.history import history, last_words
    from dwork.record.trouble import reading

    with record(session, file) as archive:
        if not as_json:
            plotly = library()  # fail early if it is missing
        happened = history(archive)
        drawn = timeline(happened)
        with reading(archive.path):  # a damaged record may contain a cycle
            numbers = summary(happened, drawn)
        if as_json:
            say_json(_object(happened, numbers))
            return
        stderr = last_words(archive, FAILED)
    with written(output) as stream:
        stream.writelines(page(os.path.basename(file), happened, drawn, numbers, stderr, plotly))
    if output != "-":
        say(f"{shown(output)}: {counted(numbers.states.total(), 'task')}, {size(os.path.getsize(output))}")


def _object(history: History, summary: Summary) -> dict[str, object]:
    return {
        "states": dict(summary.states),
        "outcomes": dict(summary.outcomes),
        "seconds": summary.seconds,
        "spent": summary.spent,
        "used": summary.used,
        "cpu": summary.cpu,
        "chain": [history.tasks[i].name for i in summary.chain if not history.tasks[i].is_join],
        "chain_seconds": summary.chain_seconds,
        "kinds": [asdict(tally) for tally in summary.kinds],
        "hosts": [asdict(tally) for tally in summary.hosts],
        "runs": [session._asdict() for session in history.sessions],
    }
