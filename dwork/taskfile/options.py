"""The values of a task's options: syntax and bounds.

Every function here raises ValueError with one line: what is wrong, and what to write instead.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection
from difflib import get_close_matches
from typing import TypeVar

from dwork.core.amounts import MIB, duration, end_warning, memory
from dwork.core.glob import is_glob
from dwork.core.shell import Shell, words_of
from dwork.core.task import EndWarning
from dwork.core.text import shown
from dwork.taskfile.text import BLANKS

T = TypeVar("T")

#: The options of a task on a line. A file of JSON objects also has `command` and `env`.
KEYS = (
    "name",
    "after",
    "after-any",
    "cores",
    "memory",
    "gpus",
    "timeout",
    "grace",
    "warn",
    "retries",
    "priority",
    "cwd",
    "min-time",
    "creates",
    "shell",
)

#: Bounds of the whole numbers: they are sent as 32-bit integers.
BOUNDS = {"cores": (1, 2**31 - 1), "gpus": (0, 2**31 - 1), "retries": (0, 2**31 - 1), "priority": (-(2**31), 2**31 - 1)}

#: Names that other systems use, some of which are closer in spelling to a wrong key than to the right one.
_ALSO_CALLED = {
    **dict.fromkeys(("cpus", "ncpus", "procs", "threads", "slots"), "cores"),
    **dict.fromkeys(("deps", "depends", "requires", "pred", "needs"), "after"),
    **dict.fromkeys(("afterany", "after-ended", "finally"), "after-any"),
    **dict.fromkeys(("time", "walltime", "time-limit"), "timeout"),
    **dict.fromkeys(("kill-after", "kill-delay", "killwait"), "grace"),
    **dict.fromkeys(("signal", "notify"), "warn"),
    **dict.fromkeys(("output", "outputs", "out", "produces"), "creates"),
    **dict.fromkeys(("dir", "chdir", "workdir"), "cwd"),
    **dict.fromkeys(("mem", "ram"), "memory"),
    **dict.fromkeys(("tries", "retry"), "retries"),
    **dict.fromkeys(("cmd", "exec"), "command"),
    "id": "name",
}

#: The value of an option.
Value = int | float | str | tuple[str, ...] | Shell | EndWarning

#: All words that users may write for a key.
SPELLINGS = (*KEYS, *_ALSO_CALLED)

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")


def _typed_memory(text: str) -> int:
    """Return bytes. Raise ValueError for a few bytes without a unit: 4 means gigabytes to its author, 4B does not."""
    found = memory(text)
    if 0 < found < MIB and text[-1:] in "0123456789.":
        raise ValueError(
            f'"{shown(text)}" is that number of bytes; write a unit, as in {shown(text)}G or {shown(text)}M'
        )
    return found


def seconds_of(key: str, value: float) -> float:
    """Return the duration in seconds, checked: a timeout must not be 0; a min-time of 0 means none."""
    if not 0 <= value < math.inf:
        raise ValueError("must be finite and not negative; write seconds, or a duration such as 5m, 2h or 1:30:00")
    if key == "timeout" and not value:
        raise ValueError("0 would stop the task at once; use a longer time, or remove this option")
    return value


def whole(key: str, value: int) -> int:
    """Return the number. Raise ValueError when it is outside the bounds of the key."""
    low, high = BOUNDS[key]
    if not low <= value <= high:
        raise ValueError(f"out of range; write a whole number from {low} to {high}")
    return value


def directory(text: str) -> str:
    """Return the name of a directory. Raise ValueError when it is empty."""
    if not text:
        raise ValueError("must not be empty; write a directory, or remove cwd")
    return text


def _typed_directory(text: str) -> str:
    """Return the name of a directory. Raise ValueError for what only a shell would replace."""
    if text.startswith("~") or "$" in text:
        raise ValueError(
            f'"{shown(text)}" is used as it is, without a shell; write the name of a directory, '
            "or begin the command with cd DIRECTORY &&"
        )
    return directory(text)


def created(text: str) -> tuple[str, ...]:
    """Return the names of the files that a task creates, which are separated by commas.

    Raise ValueError for what only a shell would replace, since the file would never be found.
    """
    names = tuple([name.strip(BLANKS) for name in text.split(",")])
    if "" in names:
        raise ValueError("empty name; write creates=FILE or creates=FILE,FILE without extra commas")
    for name in names:
        if name[0] == "~" or "$" in name or is_glob(name):
            raise ValueError(f'"{shown(name)}" is used as it is, without a shell; write the name of a file')
    return names


def value_of(key: str, text: str) -> Value:
    """Return the value of an option that is written as text."""
    if key == "memory":
        return _typed_memory(text)
    if key == "cwd":
        return _typed_directory(text)
    if key == "shell":
        return Shell(words_of(text))
    if key == "creates":
        return created(text)
    if key == "warn":
        return end_warning(text)
    if key not in BOUNDS:
        return seconds_of(key, duration(text))
    if not _WHOLE.fullmatch(text):
        raise ValueError(f'"{shown(text)}" is not a whole number; write, for example, {key}=2')
    return whole(key, int(text))


def checked(key: str, function: Callable[..., T], *args: object) -> T:
    """Return function(*args), with the key in front of the message of a ValueError."""
    try:
        return function(*args)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None


def unknown_key(key: str, keys: Collection[str]) -> ValueError:
    """Return the error for a key that is not one of `keys`; it suggests the closest match."""
    plain = key.lower().replace("_", "-")
    also = _ALSO_CALLED.get(plain)
    near = [also] if also in keys else get_close_matches(plain[:80], keys, 1, 0.6)
    advice = f"did you mean {near[0]}?" if near else f"the keys are {', '.join(keys)}"
    return ValueError(f'unknown key "{shown(key)}"; {advice}')
