"""Which processes a command needs: none, the program itself, or a shell.

A line without shell syntax means the same when its program is started directly, and costs half: no `sh` is executed
on the way. In doubt the shell gets it. The line `:`, with words or without, needs no process at all.
"""

from __future__ import annotations

import re
from typing import Final

from dwork.core.task import Command

SHELL: Final = "/bin/sh"
#: The shell of systems that promise their users this one.
BASH: Final = "/bin/bash"

#: Words of nothing but characters that no shell takes for more than itself, between blanks.
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
    """A file's name as one that neither `cd` (CDPATH, OLDPWD) nor a shell (PATH, options) takes for something else."""
    return name if name.startswith(("/", "./", "../")) else f"./{name}"


def arguments(command: Command) -> tuple[str, ...]:
    """The argument list to start for a command; empty when there is nothing to run."""
    if command is None:
        return ()
    if not isinstance(command, str):
        return command
    if _PLAIN.fullmatch(command):
        if command == ":" or command.startswith((": ", ":\t")):
            return ()
        words = tuple(command.split())
        if words[0] not in _OWN_WORDS and "=" not in words[0]:
            return words
    return (SHELL, "-c", command)
