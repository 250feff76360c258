"""Find processes that a command leaves in the background, whose end, exit status and results would be lost.

A task ends when its shell does, and processes that it leaves behind are killed when the worker leaves. So `&` is
refused unless the same command has a `wait` (or a `kill`) after it. In a substitution `&` is harmless: the shell waits
for what it reads from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from dwork.core.shell_syntax.lists import CommandKind, ShellCommand, Where

#: Commands that take care of the background jobs of their shell.
_ENDING: Final = frozenset(("wait", "kill"))
#: A `wait` at the beginning, which has no effect: the shell has started nothing yet.
_WAIT: Final = re.compile(r"\s*wait(?=[\s;&|<>]|$)")

LEFT: Final = (
    '"&" leaves a process in the background, where it would be killed and its failure lost; '
    "remove the & (dwork runs tasks in parallel anyway), quote it if it is text, or end the command with: wait"
)
NOTHING: Final = (
    '"wait" has nothing to wait for: each command runs in its own shell; '
    "make later tasks depend on earlier ones (in the lines format: #DWORK barrier, or after=NAME)"
)


def waits_for_nothing(text: str) -> bool:
    """Whether a command begins with a `wait`."""
    return _WAIT.match(text) is not None


def is_left(found: Iterable[ShellCommand]) -> bool:
    """Whether the commands of a text leave a process in the background that nothing waits for."""
    left = False
    for command in found:
        if command.kind is CommandKind.BACKGROUND and command.place is not Where.SUBSTITUTION:
            left = True
        elif command.words and command.words[0] in _ENDING:
            left = False
    return left
