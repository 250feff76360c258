"""Reports the commands of a file that would not do what they seem to do, in the shell that is to run them."""

from __future__ import annotations

from typing import Final

from dwork.core.errors import TaskFileError
from dwork.core.shell import Shell
from dwork.core.shell_syntax.fault import Runs, fault, language_of, left_behind, lines_spanned, setup_fault
from dwork.core.shell_syntax.features import Dialect
from dwork.core.task import Command
from dwork.taskfile.draft import Draft

_SPREAD: Final = (
    "lines {} to {} are one command of a shell, but each line is a task of its own; "
    "write it on one line, put it into a script, or, if every task needs it, into the setup block"
)
#: The most commands whose end is searched for in the lines below, and the most of these lines: it may not be there.
_SEARCHES: Final = 100
_SEARCHED: Final = 1000


def report_faults(draft: Draft, text: str, dialect: Dialect, runs: Runs, *, has_only_names: bool = False) -> None:
    """Report each command with a fault. text: of the file; dialect, runs: of /bin/sh.

    has_only_names: workers of another kind may take a command for a name, and then it may be any text.
    """
    known: dict[int, tuple[Dialect, Runs]] = {}
    shells: set[Shell] = set()
    searches = 0
    below = 0  # the line behind the last command over several lines, whose parts have faults of their own
    for i, task in enumerate(draft.tasks):
        options = task.options
        language = known.get(id(options))
        if language is None:
            language = known[id(options)] = language_of(options.shell, dialect, runs)
            if options.shell is not None and options.shell not in shells:
                shells.add(options.shell)
                _report_setup(draft, options.shell, *language)
        if has_only_names:
            wrong = left_behind(task.command, dialect=language[0])
        else:
            wrong = fault(task.command, dialect=language[0], runs=language[1])
        if wrong and (line := draft.lines[i]) >= below:
            searches += 1
            n = _lines_spanned(text, line, task.command, language[0]) if searches <= _SEARCHES else 1
            below = line + max(n, 1)
            draft.report(line, _SPREAD.format(line, below - 1) if n > 1 else wrong)


def _report_setup(draft: Draft, shell: Shell, dialect: Dialect, runs: Runs) -> None:
    for command, place in zip(shell.setup, shell.places, strict=True):
        wrong = setup_fault(command, dialect=dialect, runs=runs)
        if wrong:
            source, _, line = place.rpartition(":")
            draft.problems.report(TaskFileError(f"{place}: {wrong}", source, int(line)))


def _lines_spanned(text: str, line: int, command: Command, dialect: Dialect) -> int:
    """Return how many lines of the file the command that begins in a line has for a shell; 0 when that is unknown."""
    if not isinstance(command, str) or lines_spanned(command, dialect):
        return 0
    return lines_spanned("\n".join(text.split("\n", line + _SEARCHED)[line - 1 : line + _SEARCHED]), dialect)
