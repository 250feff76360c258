"""Find commands that change nothing but the state of their own shell, which ends with them.

`cd run1`, `export A=1` and `module load gcc` on a line of their own look as if they applied to the lines below. When in
doubt a command counts as one that does something: `cd run1 && solve`, `module list`, `cd run1 > file`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from typing import Final

from dwork.core.shell_syntax.lists import CommandKind, ShellCommand, Where


class _Effect(Enum):
    """What a command changes: STATE of its shell; NONE: a test; OUTSIDE: anything else."""

    STATE = 1
    NONE = 2
    EXIT = 3
    MESSAGE = 4
    OUTSIDE = 5


_ALWAYS: Final = frozenset(
    "cd chdir pushd popd source . unset unalias shopt let mapfile readarray setenv unsetenv deactivate".split()
)
#: These print when they have no argument but options.
_WITH_ARGUMENT: Final = frozenset("export readonly declare typeset local alias ulimit umask".split())
_TESTS: Final = frozenset("[ test true false : break continue".split())
_EXITS: Final = frozenset(("exit", "return"))
_MESSAGES: Final = frozenset(("echo", "printf"))
#: Commands whose first argument decides.
_VERBS: Final = {
    "module": frozenset(
        "load add unload rm del swap switch purge use unuse restore reset refresh update try-load try-add load-any "
        "append-path prepend-path setenv".split()
    ),
    "conda": frozenset(("activate", "deactivate")),
    "mamba": frozenset(("activate", "deactivate")),
    "micromamba": frozenset(("activate", "deactivate")),
    "spack": frozenset(("load", "unload")),
    "pyenv": frozenset(("activate", "deactivate", "shell")),
    "nvm": frozenset(("use",)),
}
_ML_PRINTS: Final = frozenset(
    "list avail av spider show display disp help keyword key overview ov whatis save savelist describe is-loaded "
    "is-avail tablelist category".split()
)
_EVALUATED: Final = re.compile(r"\"?(?:\$\((?!\().*\)|`.*`)\"?", re.DOTALL)
_TO_FILE: Final = re.compile(r"(?:>>|>\||<>|>|&>>?) (?!/dev/null$)|>& (?!/dev/null$)(?![0-9-]+$)")


def is_all(found: Iterable[ShellCommand]) -> bool:
    """Whether the commands of a text only change the state of their shell."""
    changes = exits = reports = False
    for command in found:
        if command.place is not Where.SHELL:
            continue
        effect = _effect(command)
        if effect is _Effect.STATE:
            changes = True
        elif effect is _Effect.EXIT:
            exits = True
        elif effect is _Effect.MESSAGE and command.guarded:
            reports = True
        elif effect is not _Effect.NONE:
            return False
    return changes and (exits or not reports)


def _effect(command: ShellCommand) -> _Effect:
    if command.kind is CommandKind.DEFINITION:
        return _Effect.STATE
    if command.kind is CommandKind.TEST:
        return _Effect.NONE
    is_written = any(map(_TO_FILE.match, command.redirections))
    if command.kind is not CommandKind.SIMPLE:
        return _Effect.OUTSIDE if is_written else _Effect.NONE
    words = command.words
    if words and words[0] == "exec":
        return _Effect.STATE if len(words) == 1 else _Effect.OUTSIDE
    if is_written or command.piped:
        return _Effect.OUTSIDE
    if not words:
        return _Effect.STATE if command.assignments else _Effect.NONE
    if words[0] in _MESSAGES:
        return _Effect.MESSAGE
    if words[0] in _EXITS:
        return _Effect.EXIT
    if words[0] in _TESTS:
        return _Effect.NONE
    return _Effect.STATE if _changes_state(words[0], words[1:]) else _Effect.OUTSIDE


def _changes_state(name: str, arguments: list[str]) -> bool:
    if name in _ALWAYS:
        return True
    first = arguments[0] if arguments else ""
    if name in _WITH_ARGUMENT:
        return "-p" not in arguments and any(argument[0] not in "-+" for argument in arguments)
    match name:
        case "set":
            return first not in ("", "-o", "+o") or len(arguments) > 1
        case "trap":
            return first not in ("", "-l", "-p")
        case "eval":
            return len(arguments) == 1 and _EVALUATED.fullmatch(first) is not None
        case "ml":
            return first != "" and not first.startswith("-h") and not _ML_PRINTS.intersection(arguments)
        case "spack" if first in ("env", "view"):
            return first == "env" and arguments[1:2] in (["activate"], ["deactivate"])
    return first in _VERBS.get(name, ())
