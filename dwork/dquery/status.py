"""Print how many tasks are in each state.

--wait prints it when the run has ended, and exits as the pool does: 0 all done, 1 some failed, were skipped or
cancelled, 3 stopped before the end. A hub that does not end by itself counts as ended once all its tasks have, but not
before its first task. When the hub does not answer any more, its record shows how it ended; the exit status
is also 3 when the run was killed, or when its end is unknown.

\b
Examples:
  dquery status                   of the running pool or dhub
  dquery status -f tasks.txt.db   of a run that has ended
  dquery status --wait && dquery report -f tasks.txt.db
"""

from __future__ import annotations

from collections.abc import Mapping

import click

from dwork.cli.program import ExitCode
from dwork.core.errors import TransportError
from dwork.core.task import ACTIVE, State, worded
from dwork.core.text import counted, printable, shown
from dwork.dquery._output import note, say, say_json
from dwork.dquery._session import HubChoice, json_option
from dwork.dquery._source import file_option, running_hub, source


@click.command(help=__doc__)
@click.option("--wait", is_flag=True, help="Wait until the run has ended, and exit as it does.")
@file_option
@json_option
@click.pass_obj
def command(session: HubChoice, wait: bool, file: str | None, as_json: bool) -> int:
    if file is not None:
        from dwork.cli.ending import of_record

        with source(session, file) as record:
            counts = record.counts()
        code = int(of_record(counts)) if wait else None
        _report(f"{shown(file)}: {_left(counts)}", counts, as_json, code)
        return code or 0
    if wait:
        return _wait(session, as_json)
    with running_hub(session) as hub:
        status = hub.status()
    _print(status.text, status.active, status.ready, status.counts, as_json, None)
    return 0


def _wait(session: HubChoice, as_json: bool) -> int:
    with session.client() as client:
        try:
            end = client.wait()
        except TransportError as error:
            from dwork.cli.ending import Ending, ending

            found = ending(client.connection) or Ending(ExitCode.STOPPED, str(error), {})
            note(f"dquery: {printable(found.text)}")
            if found.counts or as_json:
                _report(f"{shown(client.connection.record)}: {_left(found.counts)}", found.counts, as_json, found.code)
            return found.code
    assert end is not None
    status = end.status
    _print(status.text, status.active, status.ready, status.counts, as_json, end.exit_status)
    return end.exit_status


def _left(counts: Mapping[str, int]) -> str:
    active = sum(counts.get(state.value, 0) for state in ACTIVE)
    return f"{counted(active, 'task')} of {sum(counts.values()):,} not ended."


def _report(text: str, found: Mapping[str, int], as_json: bool, code: int | None) -> None:
    """Print the counts of a record."""
    counts = {state.value: found.get(state.value, 0) for state in State}
    _print(text, sum(counts[state.value] for state in ACTIVE), 0, counts, as_json, code)


def _print(text: str, active: int, ready: int, counts: Mapping[str, int], as_json: bool, code: int | None) -> None:
    if as_json:
        status = {"text": text, "active": active, "ready": ready, "counts": dict(counts)}
        say_json(status if code is None else {**status, "exit_status": code})
        return
    say(text)
    width = max((len(str(n)) for n in counts.values()), default=0)
    for state, n in counts.items():
        say(f"{n:{width}} {worded(state)}")
