"""Decide which process a command needs: none, the program itself, or a shell.

A line without shell syntax does the same when its program is started directly, at half the cost, since no `sh` is
executed first. When in doubt, the line goes to the shell. The line `:`, with or without arguments, needs no process.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Container
from typing import Final

from dwork.core.shell import DEFAULT, Shell
from dwork.core.task import Command

#: Words separated by blanks, made only of characters that have no special meaning in any shell.
_PLAIN: Final = re.compile(r"[\w@%+=:,./-]+(?:[ \t]+[\w@%+=:,./-]+)*", re.ASCII)

#: First words that a shell does not look up in PATH: its keywords, and its built-in commands (POSIX, dash, bash).
_OWN_WORDS: Final = frozenset(
    """
    case do done elif else esac fi for function if in select then time until while coproc
    . : alias bg bind break builtin caller cd chdir command compgen complete compopt continue declare dirs disown
    echo enable eval exec exit export false fc fg getopts hash help history jobs kill let local logout mapfile popd
    printf pushd pwd read readarray readonly return set shift shopt source suspend test times trap true type typeset
    ulimit umask unalias unset wait
    """.split()
)


def as_path(name: str) -> str:
    """Return a file name that neither `cd` (CDPATH, OLDPWD) nor a shell (PATH, options) can misread."""
    return name if name.startswith(("/", "./", "../")) else f"./{name}"


def arguments(
    command: Command,
    shell: Shell = DEFAULT,
    functions: Container[str] = (),
    *,
    directly: bool = True,
    marked: bool = True,
) -> tuple[str, ...]:
    """Return the argument list to start for a command; empty when no process is needed.

    functions: names that the shell looks up before programs: the functions that its environment defines. directly:
    whether a plain line may be started without the shell, if the shell is one that makes no difference. marked: as for
    Shell.script.
    """
    if command is None:
        return ()
    if isinstance(command, tuple):
        if not shell.setup:
            return command
        # As text and not as "$@", which the block may change: a file that it reads with `.` may shift or set it.
        return (*shell.words, "-c", shell.script(f"exec {shlex.join(command)}", marked=marked))
    if directly and _PLAIN.fullmatch(command) and shell.is_transparent:
        if command == ":" or command.startswith((": ", ":\t")):
            return ()
        words = tuple(command.split())
        if words[0] not in _OWN_WORDS and words[0] not in functions and "=" not in words[0]:
            return words
    return (*shell.words, "-c", shell.script(command, marked=marked))
