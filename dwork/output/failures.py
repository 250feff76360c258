"""Groups the failed tasks of a run for its summary: by how they ended, and by the last line of their stderr. What
a setup block printed before the task is only such a line when the block itself has failed.

Lines that differ only in numbers, in paths or in the name of the task are the same for a group, which keeps the line
of its first task.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from dwork.core import events
from dwork.core.byte_tails import Tails
from dwork.core.cause import Cause
from dwork.core.events import Ended, Event, Named
from dwork.core.shell import MARK
from dwork.core.text import counted, label, output_lines, shown

#: Groups that the summary has; and that are kept: what belongs to none of them is grouped by how it ended alone.
SHOWN: Final = 10
KEPT: Final = 1000
#: Tasks of a group whose names are kept.
NAMED: Final = 3
#: Bytes of stderr in which the last line is searched, and characters of it that are shown.
_TAIL: Final = 1000
_WIDTH: Final = 120
#: What differs between the last lines of tasks that failed for the same reason.
_VARIABLE: Final = re.compile(r"\S*/\S*|0[xX][0-9a-fA-F]+|\d+")


@dataclass(slots=True)
class _Group:
    """Tasks that failed in the same way. line: the end of the stderr of one of them; some: the first, by number."""

    how: str
    line: str
    some: dict[int, str] = field(default_factory=dict)
    n: int = 0


class Failures:
    """A listener."""

    def __init__(self) -> None:
        self._tails = Tails(_TAIL)
        self._groups: dict[tuple[str, str], _Group] = {}
        self._of: dict[int, _Group] = {}  # by task

    def hear(self, happened: Sequence[Event]) -> None:
        for event in happened:
            match event:
                case events.Printed(id=id, stream=2, data=data):
                    self._tails.add(id, data)
                case events.Failed(task=ended):
                    self._failed(ended)
                case events.Retried(task=ended) | events.Killed(task=ended) | events.Interrupted(task=ended):
                    self._tails.forget([ended.id])
                case events.Finished(tasks=tasks) | events.Requeued(tasks=tasks) | events.Cancelled(tasks=tasks):
                    if self._tails:
                        self._tails.forget([task.id for task in tasks])
                case events.Revoked(tasks=named) | events.Revived(tasks=named):
                    self._revive(named)

    def _failed(self, ended: Ended) -> None:
        id, name, result = ended
        line = _last_line(self._tails.end(id, result.stderr), "" if result.cause is Cause.SETUP else MARK)
        key = result.how, _VARIABLE.sub("*", line.replace(name, "*") if name else line)
        if key not in self._groups and len(self._groups) >= KEPT:
            line, key = "", (result.how, "")
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = _Group(result.how, line)
        group.n += 1
        if len(group.some) < NAMED:
            group.some[id] = label(id, name)
        self._of[id] = group

    def _revive(self, tasks: Iterable[Named]) -> None:
        for task in tasks:
            if (group := self._of.pop(task.id, None)) is not None:
                group.n -= 1
                group.some.pop(task.id, None)

    @property
    def example(self) -> int | None:
        """The number of one of the failed tasks; None when none has failed."""
        return next((id for id in self._of), None)

    def summary(self, failed: int) -> list[str]:
        """Return a line for each of the largest groups. failed: the number of failed tasks, whenever they failed."""
        groups = sorted((group for group in self._groups.values() if group.n), key=lambda group: -group.n)
        lines = [f"failed: {_text(group)}" for group in groups[:SHOWN]]
        rest = failed - sum(group.n for group in groups[:SHOWN])
        if rest > 0:
            lines.append(f"failed: {rest:,} more" if lines else f"failed: {counted(rest, 'task')}, before this run")
        return lines


def _text(group: _Group) -> str:
    first = next(iter(group.some.values()), "")
    who = counted(group.n, "task") + (f", such as {first}" if first else "")
    if group.n == 1 and first:
        who = first
    return f"{who}: {group.how}" + (f": {shown(group.line, _WIDTH)}" if group.line else "")


def _last_line(stderr: bytes, other: str) -> str:
    """Return the last line that is not blank. other: the beginning of lines that do not count; empty: all do."""
    lines = output_lines(stderr.decode(errors="backslashreplace"))
    own = [line.strip() for line in lines if not (other and line.startswith(other))]
    return next(filter(None, reversed(own)), "")
