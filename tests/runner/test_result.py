"""What a result says of how a process ended, without a process."""

from __future__ import annotations

import pytest

from dwork.core.task import Assigned
from dwork.runner.processes import Exited
from dwork.runner.result import not_started, result_of

TASK = Assigned(7, 3, "a name", "prog")


def exited(code: int, reason: str = "", trouble: str = "") -> Exited:
    return Exited(7, code, 100.0, 1.5, 0.5, 4096, reason, b"out", b"err", (), trouble)


@pytest.mark.parametrize(
    ("end", "status", "signal", "error"),
    [
        (exited(0), 0, 0, ""),
        (exited(3), 3, 0, ""),
        (exited(-9), 137, 9, ""),
        (exited(-15, "cancelled"), 143, 15, "cancelled"),
        (exited(0, "cancelled"), 124, 0, "cancelled"),
        (exited(0, trouble="No space left on device"), 74, 0, "its output cannot be stored: No space left on device"),
        (exited(3, trouble="No space left on device"), 3, 0, "its output cannot be stored: No space left on device"),
        (exited(-15, "cancelled", "No space left on device"), 143, 15, "cancelled"),
    ],
)
def test_status_signal_and_error(end: Exited, status: int, signal: int, error: str) -> None:
    result = result_of(TASK, end, 104.0)
    assert (result.exit_status, result.signal, result.error) == (status, signal, error)
    assert (result.task, result.attempt, result.started, result.seconds) == (7, 3, 100.0, 4.0)
    assert (result.user, result.system, result.max_rss) == (1.5, 0.5, 4096)
    assert (result.stdout, result.stderr, result.sent) == (b"out", b"err", ())


def test_what_is_not_found_or_not_allowed_has_a_status_of_its_own() -> None:
    missing = not_started(TASK, "prog", FileNotFoundError(2, "No such file or directory"), 100.0)
    assert (missing.exit_status, missing.error) == (127, "cannot start prog: No such file or directory")
    refused = not_started(TASK, "prog", PermissionError(13, "Permission denied", "./prog"), 100.0)
    assert (refused.exit_status, refused.error) == (126, "cannot start ./prog: Permission denied")
    odd = not_started(TASK, "prog", ValueError("embedded null \x00byte"), 100.0)
    assert (odd.exit_status, odd.error) == (126, "cannot be started: embedded null \\x00byte")
