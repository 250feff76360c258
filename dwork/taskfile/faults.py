"""Refuses the commands of a file that would not do what they seem to do, in the shell that is to run them."""

from __future__ import annotations

from dwork.core.errors import TaskFileError
from dwork.core.shell import Shell
from dwork.core.shell_syntax.fault import Runs, fault, language_of, left_behind, lines_spanned, setup_fault
from dwork.core.shell_syntax.features import Dialect
from dwork.core.task import Command
from dwork.taskfile.draft import Draft


def refuse_faults(draft: Draft, text: str, dialect: Dialect, runs: Runs, *, has_only_names: bool = False) -> None:
    """Raise TaskFileError for the first command with a fault. text: of the file; dialect, runs: of /bin/sh.

    has_only_names: workers of another kind may take a command for a name, and then it may be any text.
    """
    known: dict[int, tuple[Dialect, Runs]] = {}
    for i, task in enumerate(draft.tasks):
        options = task.options
        language = known.get(id(options))
        if language is None:
            language = known[id(options)] = language_of(options.shell, dialect, runs)
            _refuse_setup(options.shell, *language)
        if has_only_names:
            wrong = left_behind(task.command, dialect=language[0])
        else:
            wrong = fault(task.command, dialect=language[0], runs=language[1])
        if wrong:
            line = draft.lines[i]
            raise draft.problem(line, _spread(text, line, task.command, language[0]) or wrong)


def _refuse_setup(shell: Shell | None, dialect: Dialect, runs: Runs) -> None:
    if shell is not None:
        for command, place in zip(shell.setup, shell.places, strict=True):
            wrong = setup_fault(command, dialect=dialect, runs=runs)
            if wrong:
                raise TaskFileError(f"{place}: {wrong}")


def _spread(text: str, line: int, command: Command, dialect: Dialect) -> str:
    """Return the error for a command that goes on in the lines below; empty for others."""
    if not isinstance(command, str) or lines_spanned(command, dialect):
        return ""
    n = lines_spanned("\n".join(text.split("\n")[line - 1 :]), dialect)
    if n < 2:
        return ""
    return (
        f"lines {line} to {line + n - 1} are one command of a shell, but each line is a task of its own; "
        "write it on one line, put it into a script, or, if every task needs it, into the setup block"
    )
