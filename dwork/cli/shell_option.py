"""The options for the shell of the lines in task files, which the pool and `dquery addfile` share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from dwork.cli.shell_completion import files
from dwork.core.shell import words_of
from dwork.core.text import from_system


def _words(_ctx: click.Context, _parameter: click.Parameter, text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    try:
        return words_of(from_system(text))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


_shell = click.option(
    "--shell",
    callback=_words,
    metavar="SHELL",
    help="Run each line with SHELL, such as 'bash -eo pipefail'.  [default: the first line of the file (#!/bin/bash), "
    "or /bin/sh]",
)
_setup = click.option(
    "--setup",
    metavar="FILE",
    shell_complete=files,
    help="Before each line, run the commands in FILE in the same shell, such as module load. A command that fails "
    "fails the task.",
)


def shell_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --shell and --setup to a command, which gets the words of the shell, and a file name or None."""
    return _shell(_setup(command))
