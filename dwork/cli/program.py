"""What all programs share: exit codes, one-line error messages, and the handling of bugs."""

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
from dwork.host.refusals import explained, is_refusal

if TYPE_CHECKING:
    from click import Command


class ExitCode(IntEnum):
    """Exit codes of the pool, which scripts can distinguish; the other programs use some of them."""

    DONE = 0  # all tasks are done
    FAILED = 1  # some tasks failed or were skipped; in a client: the hub refused or did not answer
    USAGE = 2  # bad usage or input; nothing was run
    STOPPED = 3  # stopped before the end; run the same command again to continue
    BUG = 70  # a bug in dwork (EX_SOFTWARE)
    INTERRUPTED = 130  # Ctrl-C, as shells report it


_CODES: dict[type[DworkError], ExitCode] = {
    UsageError: ExitCode.USAGE,
    TaskFileError: ExitCode.USAGE,
    StoreError: ExitCode.STOPPED,
    TransportError: ExitCode.FAILED,
    InterruptError: ExitCode.STOPPED,
}


def hold_streams() -> None:
    """Open /dev/null for closed standard streams, before another file gets their number and receives the output."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # gets the lowest free number
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115


def say(program: str, text: str) -> None:
    """Print one line on standard error."""
    try:
        print(f"{program}: {printable(text)}", file=sys.stderr, flush=True)
    except OSError:  # the reader is gone
        pass


def guarded(program: str, body: Callable[[], int]) -> int:
    """Run body and return its exit code; print an error as one line, without a traceback unless $DWORK_DEBUG is set."""
    try:
        return body()
    except DworkError as error:
        say(program, str(error))
        return next((code for kind, code in _CODES.items() if isinstance(error, kind)), ExitCode.FAILED)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # Otherwise Python complains at exit about output that it cannot flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return ExitCode.FAILED
    except Exception as error:
        if isinstance(error, OSError) and is_refusal(error):
            say(program, f"cannot continue: {explained(error)}; run the same command again")
            return ExitCode.STOPPED
        if os.environ.get("DWORK_DEBUG"):
            traceback.print_exc()
        text = f"{type(error).__name__}: {error}"
        say(program, f"this is a bug in dwork, please report it: {text} (DWORK_DEBUG=1 prints a traceback)")
        return ExitCode.BUG


def prepare_completion(typed: str) -> None:
    """Let click answer a shell's request for completions. typed: the program as users type it."""
    if f"_{typed}_COMPLETE".replace("-", "_").upper() in os.environ:
        from dwork.cli.shell_completion import register

        register()


def click_main(program: str, command: Command, given: object = None, *, typed: str = "") -> int:
    """Run a click command as the program and return its exit code; `given` becomes the object of its context.

    typed: the command that users type to start it, if it differs from the name that begins its messages.
    """
    import click

    typed = typed or program

    def body() -> int:
        prepare_completion(typed)
        try:
            return int(command.main(prog_name=typed, standalone_mode=False, obj=given) or 0)
        except click.NoSuchOption as error:
            from dwork.cli import suggestions

            known = {name for parameter in command.params for name in parameter.opts}
            text = suggestions.option(error.option_name, known)
            text = f"there is no option {error.option_name}; {text}" if text else error.format_message()
            raise UsageError(f"{text} (see {typed} --help)") from None
        except click.MissingParameter as error:
            takes_file = isinstance(error.param, click.Argument) and error.param.name in ("file", "files")
            advice = "; give - to read standard input" if takes_file else ""
            raise UsageError(f"{error.format_message().removesuffix('.')}{advice} (see {typed} --help)") from None
        except click.ClickException as error:
            raise UsageError(f"{error.format_message()} (see {typed} --help)") from None
        except click.Abort:
            raise KeyboardInterrupt from None

    return guarded(program, body)


def leave(code: int, *, at_once: bool = False) -> NoReturn:
    """Flush the output and end the process. at_once: skip the clean-up of Python and of libraries."""
    signals.ignore()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            pass
    if at_once:
        os._exit(code)
    sys.exit(code)
