"""What a record says about a run, as far as it can be compared with traces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from dwork.core.errors import UsageError
from dwork.record.logs import read as read_log
from dwork.record.reading import Archive


class Attempt(NamedTuple):
    """How an attempt ended."""

    outcome: str
    cause: str
    worker: str


@dataclass(frozen=True)
class Past:
    """What a record says. states: by name. attempts: by name and number. output: stdout of those that are done."""

    states: Mapping[str, str] = field(default_factory=dict)
    attempts: Mapping[tuple[str, int], Attempt] = field(default_factory=dict)
    output: Mapping[tuple[str, int], bytes] = field(default_factory=dict)

    @property
    def done(self) -> set[str]:
        return {name for name, state in self.states.items() if state == "done"}


def read(path: Path) -> tuple[Past, bool]:
    """Read a record that nobody uses; return also whether its last run was killed, so that it lacks its last moments.

    It is empty when the run was killed before it had made the tables.
    """
    try:
        with Archive(str(path)) as archive:
            ask = archive.connection.execute
            was_killed = ask("SELECT ended FROM runs ORDER BY id DESC LIMIT 1").fetchone() in (None, (None,))
            states = dict(ask("SELECT name, state FROM tasks").fetchall())
            rows = ask("SELECT name, attempt, outcome, cause, worker FROM attempts JOIN tasks ON id = task")
            attempts = {(name, attempt): Attempt(how, cause or "", who) for name, attempt, how, cause, who in rows}
            output: dict[tuple[str, int], bytes] = {}
            for name, attempt, file, offset, length in ask(
                "SELECT name, o.attempt, file, offset, length FROM output o JOIN tasks t ON t.id = o.task "
                "JOIN attempts a ON a.task = o.task AND a.attempt = o.attempt "
                "WHERE stream = 1 AND outcome = 'done' ORDER BY o.task, o.attempt, position"
            ):
                piece = read_log(str(path), file, offset, length)
                output[name, attempt] = output.get((name, attempt), b"") + piece
    except UsageError as error:
        if "is empty" in str(error) or "there is no record" in str(error):
            return Past(), True
        raise
    return Past(states, attempts, output), was_killed
