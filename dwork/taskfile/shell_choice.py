"""Which shell runs the lines of a file, and the setup block that it runs first.

The file chooses, by its first line (`#!/bin/bash -e`) and its block from `#DWORK setup` to `#DWORK end`; the command
line may choose instead, as in `bash tasks.txt`, and may add commands before those of the block. A task that names a
shell of its own runs the same block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dwork.core.shell import DEFAULT, Shell, words_of
from dwork.core.shell_syntax.fault import commands
from dwork.core.shell_syntax.features import Dialect
from dwork.core.task import Options
from dwork.core.text import shown
from dwork.taskfile.text import problem

#: The directives around a setup block.
SETUP: Final = "setup"
END: Final = "end"


@dataclass(slots=True)
class ShellChoice:
    """words: of the shell; empty: none was chosen. setup: the commands of the block; places: where each stands.

    line: the one that chooses the shell.
    """

    words: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    line: int = 1

    def __bool__(self) -> bool:
        return bool(self.words or self.setup)

    def add(self, source: str, first: int, text: str) -> None:
        """Add the commands of a block. first: the line of the source on which its text begins.

        Raise TaskFileError when the text is not a sequence of complete commands.
        """
        try:
            found = commands(text, Dialect.of(self.words[0]) if self.words else Dialect.BASH)
        except ValueError as error:
            what, offset = error.args
            raise problem(source, first + offset, what) from None
        self.setup += tuple(command for _, command in found)
        self.places += tuple(f"{shown(source)}:{first + offset}" for offset, _ in found)


def read_first_line(line: str) -> tuple[str, ...]:
    """Return the shell that `#!SHELL FLAGS` names."""
    return words_of(line[2:])


def shell_for(options: Options, own: ShellChoice, given: ShellChoice) -> Shell | None:
    """Return the shell of a task; None: /bin/sh alone. own: the choice of its file; given: that of the command line.

    Raise ValueError when the shell cannot run the setup block.
    """
    words = options.shell.words if options.shell else given.words or own.words or DEFAULT.words
    shell = Shell(words, given.setup + own.setup, given.places + own.places)
    if shell.setup:
        if not shell.is_like_sh:
            raise ValueError(
                f"{shown(shell.name)} cannot run a setup block, which is written for sh; use another shell"
            )
        _ = shell.descriptors
    return None if shell == DEFAULT else shell
