"""The results of attempts: from how a process ended, or why it did not start."""

from __future__ import annotations

from typing import Final

from dwork.core.cause import Cause
from dwork.core.messages import Leftovers
from dwork.core.shell import DEFAULT, Shell
from dwork.core.task import Assigned, Result
from dwork.runner import reasons
from dwork.runner.processes import Exited

#: Exit status of a task that dwork ended but that exited with 0, as of timeout(1).
OUT_OF_TIME: Final = 124
NOT_STARTED, NOT_FOUND = 126, 127
#: Exit status of a task that exited with 0 but whose output could not be stored: EX_IOERR of sysexits.h.
NOT_KEPT: Final = 74
#: Exit status of a task whose setup block ended the shell with 0, before its command.
NOT_SET_UP: Final = 1
#: Exit status of a task that exited with 0 but left processes behind, where that is a failure: EX_SOFTWARE.
LEFT_BEHIND: Final = 70


def result_of(assigned: Assigned, end: Exited, leftovers: Leftovers) -> Result:
    """Return the result of an attempt whose process has ended."""
    number = max(0, -end.code)
    exit_status, cause, error = 128 + number if number else end.code, end.cause, end.reason
    if cause is not Cause.ITSELF and exit_status == 0:  # dwork ended it, so it may be incomplete
        exit_status = OUT_OF_TIME
    if end.trouble:
        exit_status = exit_status or NOT_KEPT
        if cause is Cause.ITSELF:
            cause, error = Cause.OUTPUT, reasons.output_lost(end.trouble, exit_status)
    if end.left and leftovers is Leftovers.FAIL:
        exit_status = exit_status or LEFT_BEHIND
        if cause is Cause.ITSELF:
            cause, error = Cause.LEFTOVERS, reasons.left_behind(end.left)
    result = Result(
        assigned.id, assigned.attempt, exit_status, number, end.started, end.ended - end.started, end.user, end.system,
        end.max_rss, cause, error, end.stdout, end.stderr, end.sent, end.left,
    )  # fmt: skip
    if end.setup is None or cause is not Cause.ITSELF or number or result.may_be_the_end:
        return result
    return _not_set_up(result, assigned.options.shell or DEFAULT, end.setup)


def _not_set_up(result: Result, shell: Shell, position: int) -> Result:
    """Return the result of an attempt whose setup block did not succeed. position: of the command that failed."""
    place = shell.places[position] if shell.places else ""
    error = reasons.setup_failed(shell.setup[position], place, result.exit_status)
    return result._replace(exit_status=result.exit_status or NOT_SET_UP, cause=Cause.SETUP, error=error)


def nothing_to_run(assigned: Assigned, now: float) -> Result:
    """Return the result of an attempt that needs no process."""
    return Result(assigned.id, assigned.attempt, started=now)


def not_started(assigned: Assigned, program: bytes, error: OSError | ValueError, now: float) -> Result:
    """Return the result of an attempt whose program could not be started."""
    exit_status = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_STARTED
    text = reasons.not_started(program, error, exit_status)
    return Result(assigned.id, assigned.attempt, exit_status, started=now, cause=Cause.NOT_STARTED, error=text)
