"""Why dwork ended an attempt, or could not start it: the texts for the `error` of a result."""

from __future__ import annotations

from dwork.core.text import printable, size, user_text

KILLED_BY_SYSTEM = "out of memory: killed by the system"


def out_of_time(timeout: float) -> str:
    return f"timed out after {timeout:g} s"


def over_its_memory(used: int, asked: int) -> str:
    return f"out of memory: it used {size(used)}, but requested {size(asked)}"


def more_memory_needed(asked: int) -> str:
    return f"out of memory: it needed more than the {size(asked)} that it requested"


def output_lost(trouble: str) -> str:
    return f"its output cannot be stored: {trouble}"


def not_created(name: str) -> str:
    return printable(f"it exited with 0, but did not create {name}")


def not_started(program: bytes, error: OSError | ValueError) -> str:
    if isinstance(error, OSError):
        name = error.filename or program
        return printable(f"cannot start {user_text(name) if isinstance(name, bytes) else name}: {error.strerror}")
    return printable(f"cannot be started: {error}")
