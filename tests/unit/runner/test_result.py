"""What a result says of how a process ended, without a process."""

from __future__ import annotations

import pytest

from dwork.core.cause import Cause
from dwork.core.messages import Leftovers
from dwork.core.task import Assigned
from dwork.runner.processes import Exited
from dwork.runner.result import not_started, result_of

TASK = Assigned(7, 3, "a name", "prog")


def exited(code: int, reason: str = "", trouble: str = "", left: int = 0) -> Exited:
    cause = Cause.CANCELLED if reason else Cause.ITSELF
    return Exited(7, code, 100.0, 104.0, 1.5, 0.5, 4096, cause, reason, b"out", b"err", (), trouble, left)


@pytest.mark.parametrize(
    ("end", "status", "signal", "cause", "error"),
    [
        (exited(0), 0, 0, Cause.ITSELF, ""),
        (exited(3), 3, 0, Cause.ITSELF, ""),
        (exited(-9), 137, 9, Cause.ITSELF, ""),
        (exited(-15, "cancelled"), 143, 15, Cause.CANCELLED, "cancelled"),
        (exited(0, "cancelled"), 124, 0, Cause.CANCELLED, "cancelled"),
        (exited(0, trouble="no space"), 74, 0, Cause.OUTPUT, "its output cannot be stored: no space (exit status 74)"),
        (exited(3, trouble="no space"), 3, 0, Cause.OUTPUT, "its output cannot be stored: no space (exit status 3)"),
        (exited(-15, "cancelled", "no space"), 143, 15, Cause.CANCELLED, "cancelled"),
    ],
)
def test_status_signal_cause_and_error(end: Exited, status: int, signal: int, cause: Cause, error: str) -> None:
    result = result_of(TASK, end, Leftovers.KEEP)
    assert (result.exit_status, result.signal, result.cause, result.error) == (status, signal, cause, error)
    assert (result.task, result.attempt, result.started, result.seconds) == (7, 3, 100.0, 4.0)
    assert (result.user, result.system, result.max_rss) == (1.5, 0.5, 4096)
    assert (result.stdout, result.stderr, result.sent) == (b"out", b"err", ())


@pytest.mark.parametrize(
    ("end", "leftovers", "status", "cause", "error"),
    [
        (exited(0, left=2), Leftovers.KEEP, 0, Cause.ITSELF, ""),
        (exited(0, left=2), Leftovers.END, 0, Cause.ITSELF, ""),
        (exited(0), Leftovers.FAIL, 0, Cause.ITSELF, ""),
        (
            exited(0, left=2), Leftovers.FAIL, 70, Cause.LEFTOVERS,
            "it left 2 processes in the background, which dwork ended",
        ),
        (
            exited(3, left=1), Leftovers.FAIL, 3, Cause.LEFTOVERS,
            "it left 1 process in the background, which dwork ended",
        ),
        (exited(0, "cancelled", left=1), Leftovers.FAIL, 124, Cause.CANCELLED, "cancelled"),
    ],
)  # fmt: skip
def test_leaving_processes_behind_is_a_failure_only_on_request(
    end: Exited, leftovers: Leftovers, status: int, cause: Cause, error: str
) -> None:
    result = result_of(TASK, end, leftovers)
    assert (result.exit_status, result.cause, result.error, result.left) == (status, cause, error, end.left)


def test_what_is_not_found_or_not_allowed_has_a_status_of_its_own() -> None:
    missing = not_started(TASK, "prog", FileNotFoundError(2, "No such file or directory"), 100.0)
    assert (missing.exit_status, missing.cause) == (127, Cause.NOT_STARTED)
    assert missing.error == "cannot start prog: No such file or directory (exit status 127)"
    refused = not_started(TASK, "prog", PermissionError(13, "Permission denied", "./prog"), 100.0)
    assert (refused.exit_status, refused.error) == (126, "cannot start ./prog: Permission denied (exit status 126)")
    endless = not_started(TASK, "x" * 100_000, OSError(36, "File name too long"), 100.0)
    assert endless.error.endswith("xxx: File name too long (exit status 126)") and len(endless.error) < 5000
    odd = not_started(TASK, "prog", ValueError("embedded null \x00byte"), 100.0)
    assert (odd.exit_status, odd.error) == (126, "cannot be started: embedded null \\x00byte (exit status 126)")
