"""Why dwork ended an attempt, or could not start it: the texts for the `error` of a result."""

from __future__ import annotations

from typing import Final

from dwork.core.text import counted, printable, shown, size, user_text

#: The longest file name that Linux knows (PATH_MAX); a longer one is shown without its middle.
LONGEST_PATH: Final = 4096
KILLED_BY_SYSTEM = "out of memory: killed by the system"


def out_of_time(timeout: float) -> str:
    return f"timed out after {timeout:g} s"


def cannot_be_killed(reason: str, pid: int) -> str:
    return f"{reason}; its process {pid} cannot be killed"


def over_its_memory(used: int, asked: int) -> str:
    return f"out of memory: it used {size(used)}, but requested {size(asked)}"


def more_memory_needed(asked: int) -> str:
    return f"out of memory: it needed more than the {size(asked)} that it requested"


def output_lost(trouble: str, exit_status: int) -> str:
    return f"its output cannot be stored: {trouble} (exit status {exit_status})"


def setup_failed(command: str, place: str, exit_status: int) -> str:
    at = f" at {place}" if place else ""
    if exit_status:
        return f"its setup failed{at}, exit status {exit_status}: {shown(command)}"
    return f"its setup ended the shell{at}, before the command: {shown(command)}"


def left_behind(n: int) -> str:
    return f"it left {counted(n, 'process')} in the background, which dwork ended"


def not_created(name: str) -> str:
    return f"it exited with 0, but did not create {shown(name, LONGEST_PATH)}"


def not_started(program: bytes, error: OSError | ValueError, exit_status: int) -> str:
    if isinstance(error, OSError):
        name = error.filename or program
        program_shown = shown(user_text(name) if isinstance(name, bytes) else name, LONGEST_PATH)
        text = f"cannot start {program_shown}: {error.strerror}"
    else:
        text = f"cannot be started: {error}"
    return printable(f"{text} (exit status {exit_status})")
