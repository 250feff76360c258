"""How a run has ended, as an exit code: for the pool itself, and for programs that wait for it."""

from __future__ import annotations

from collections.abc import Mapping

from dwork.cli.program import ExitCode
from dwork.core.task import ACTIVE, State


def verdict(counts: Mapping[State, int], *, is_stopped: bool) -> ExitCode:
    """Return the exit code of a run.

    counts: tasks by state, at the end. is_stopped: whether the run was stopped before its end, for whatever reason.
    """
    active = sum([counts.get(state, 0) for state in ACTIVE])
    cancelled = counts.get(State.CANCELLED, 0)
    if is_stopped and active + cancelled:
        return ExitCode.STOPPED
    bad = counts.get(State.FAILED, 0) + counts.get(State.SKIPPED, 0) + cancelled + active
    return ExitCode.FAILED if bad else ExitCode.DONE
