"""What all programs share: exit codes, one line for every error, and what happens on a bug."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from enum import IntEnum
from typing import TYPE_CHECKING, NoReturn

from dwork.core.errors import DworkError, InterruptError, StoreError, TaskFileError, TransportError, UsageError
from dwork.core.text import printable
from dwork.host import signals

if TYPE_CHECKING:
    from click import Command


class ExitCode(IntEnum):
    """Exit codes of the pool, which scripts can tell apart; the other programs use a part of them."""

    DONE = 0  # all is done
    FAILED = 1  # some tasks failed or were skipped; of a client: the hub refused, or nobody answers
    USAGE = 2  # bad usage or input; nothing was run
    STOPPED = 3  # stopped before the end: run it again to go on
    BUG = 70  # dwork itself is broken (EX_SOFTWARE)
    INTERRUPTED = 130  # Ctrl-C, as shells say it


_CODES: dict[type[DworkError], ExitCode] = {
    UsageError: ExitCode.USAGE,
    TaskFileError: ExitCode.USAGE,
    StoreError: ExitCode.STOPPED,
    TransportError: ExitCode.FAILED,
    InterruptError: ExitCode.STOPPED,
}


def hold_streams() -> None:
    """Let standard streams that are closed be /dev/null, before another file gets their number, and what is printed."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest number that is free
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115


def say(program: str, text: str) -> None:
    """One line on standard error."""
    try:
        print(f"{program}: {text}", file=sys.stderr, flush=True)
    except OSError:  # nobody listens any more
        pass


def guarded(program: str, body: Callable[[], int]) -> int:
    """Run body and return its exit code; an error becomes one line, never a traceback (but with $DWORK_DEBUG)."""
    try:
        return body()
    except DworkError as error:
        say(program, printable(str(error)))
        return next((code for kind, code in _CODES.items() if isinstance(error, kind)), ExitCode.FAILED)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # Python would complain at exit about what it cannot flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return ExitCode.FAILED
    except Exception as error:
        if os.environ.get("DWORK_DEBUG"):
            traceback.print_exc()
        text = printable(f"{type(error).__name__}: {error}")
        say(program, f"this is a bug in dwork, please report it: {text} (DWORK_DEBUG=1 shows where)")
        return ExitCode.BUG


def prepare_completion(typed: str) -> None:
    """Let click answer a shell that asks how the line goes on. typed: the program, as it is typed."""
    if f"_{typed}_COMPLETE".replace("-", "_").upper() in os.environ:
        from dwork.cli.shell_completion import register

        register()


def click_main(program: str, command: Command, given: object = None, *, typed: str = "") -> int:
    """Run a click command as the program and return its exit code; `given` is its context's object.

    typed: what people type to start it, when that is not the name that begins its lines.
    """
    import click

    typed = typed or program

    def body() -> int:
        prepare_completion(typed)
        try:
            return int(command.main(prog_name=typed, standalone_mode=False, obj=given) or 0)
        except click.ClickException as error:
            raise UsageError(f"{error.format_message()} ({typed} --help tells more)") from None
        except click.Abort:
            raise KeyboardInterrupt from None

    return guarded(program, body)


def leave(code: int, *, at_once: bool = False) -> NoReturn:
    """End the process with its output written. at_once: without any clean-up of Python's or of libraries."""
    signals.ignore()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            pass
    if at_once:
        os._exit(code)
    sys.exit(code)
