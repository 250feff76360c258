"""What to type after a run of which something is left."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from dwork.core.task import State
from dwork.core.text import shown
from dwork.pool.settings import PoolSettings


def again(typed: str, words: Sequence[str], *, has_ranks: bool) -> str:
    """Return the command that continues a run, for people. typed, words: the one that began it; has_ranks: by mpirun.

    Variables may be secret, and who has piped the tasks in must do so again: such a command is not repeated here.
    """
    if any(word == "-" or word.startswith("--env") for word in words):
        return "the same command"
    command = f"{typed} {shlex.join(word for word in words if word != '--fresh')}"
    return f"mpirun ... {command}" if has_ranks else command


def next_steps(settings: PoolSettings, counts: Mapping[State, int], example: int | None) -> list[str]:
    """Return what to type next, a line for each. example: the number of a task that failed."""
    if not settings.record or counts[State.DONE] == sum(counts.values()):
        return []
    record = shlex.quote(settings.record)
    lines = []
    if example is not None:
        lines.append(f"to see why: dquery failed -f {record}; for one task: dquery show '#{example}' -f {record}")
    return [*lines, shown(f"to run what is left: {settings.again}", 1000)]
