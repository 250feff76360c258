"""Report what dwork sees of this machine, whether known runs answer, and what to change.

For the ranks of a job use `mpirun -n N dwork-pool --doctor`, with the mpirun and the N that will run the tasks. Exit
status: 1 when something should be changed.

\b
Examples:
  dquery doctor
  dquery --job 4711 doctor --json
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from shlex import quote
from typing import NamedTuple

import click

from dwork.cli.hub_option import HubOption
from dwork.connection.choice import known
from dwork.connection.directory import directory
from dwork.core.errors import DworkError, UsageError
from dwork.core.text import shown
from dwork.dquery._output import say, say_json
from dwork.dquery._session import HubChoice, json_option


class _HubAnswer(NamedTuple):
    """said: the text of the hub's answer, received after `seconds`; empty without one: then advice says what to do."""

    name: str
    said: str = ""
    seconds: float = 0.0
    advice: str = ""


@click.command(help=__doc__)
@json_option
@click.pass_obj
def command(session: HubChoice, as_json: bool) -> int:
    from dwork.doctor import gather
    from dwork.doctor.judge import examine

    with gather.record() as (record, _):
        report = examine([gather.facts()], gather.job(record))
    runs = list(_runs(session))
    lines = [("run", f"{run.name}: {_answer(run)}") for run in runs] or [("run", f"none known in {shown(directory())}")]
    report = report._replace(
        lines=(*report.lines, *lines), advice=(*report.advice, *(run.advice for run in runs if run.advice))
    )
    if as_json:
        say_json(
            {
                "facts": [{"about": about, "text": text} for about, text in report.lines],
                "change": list(report.advice),
                "runs": [run._asdict() for run in runs],
            }
        )
    else:
        for line in report.text():
            say(line)
    return 1 if report.advice else 0


def _answer(run: _HubAnswer) -> str:
    return f"answers after {run.seconds * 1000:.1f} ms: {run.said}" if run.said else "no answer"


def _runs(session: HubChoice) -> Iterator[_HubAnswer]:
    """The run that was chosen; without a choice, all known runs."""
    if session.which.is_said or os.environ.keys() & {"DWORK_CONNECTION", "DWORK_SERVER"}:
        yield _asked(session, "the hub")
        return
    try:
        found = known()
    except UsageError as error:
        yield _HubAnswer(shown(directory()), advice=str(error))
        return
    for path, run in found.items():
        if isinstance(run, UsageError):
            yield _HubAnswer(shown(path), advice=str(run))
            continue
        session.which = HubOption(file=path)
        job = f", job {shown(run.job)}" if run.job else ""
        yield _asked(
            session, f"{shown(run.tasks or 'a dhub')} on {shown(run.host)}{job}", f"; if it has ended: rm {quote(path)}"
        )


def _asked(session: HubChoice, name: str, otherwise: str = "") -> _HubAnswer:
    try:
        with session.client() as client:
            said = client.status().text
    except DworkError as error:
        return _HubAnswer(name, advice=f"{error}{otherwise}")
    return _HubAnswer(name, said, session.seconds)
