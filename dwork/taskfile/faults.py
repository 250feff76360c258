"""Reports the commands of a file that would not do what they seem to do, in the shell that is to run them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from dwork.core.errors import TaskFileError
from dwork.core.shell import Shell
from dwork.core.shell_syntax.fault import Runs, fault, language_of, left_behind, lines_spanned, setup_fault
from dwork.core.shell_syntax.features import Dialect
from dwork.core.task import Command, Options
from dwork.taskfile.draft import Draft

#: Returns why the shell of some options can run no line on this machine; empty when it can.
Unfit = Callable[[Options], str]

_SPREAD: Final = (
    "lines {} to {} are one command of a shell, but each line is a task of its own; "
    "write it on one line, put it into a script, or, if every task needs it, into the setup block"
)
#: The most commands whose end is searched for in the lines below, and the most of these lines: it may not be there.
_SEARCHES: Final = 100
_SEARCHED: Final = 1000


class ShellCheck:
    """Judges the shells of all tasks. dialect, runs: of /bin/sh; unfit: why the machine of the pool has no use for one.

    given: the words of the shell that the command line gives.
    """

    def __init__(self, dialect: Dialect, runs: Runs, unfit: Unfit, given: tuple[str, ...]) -> None:
        self._sh = dialect, runs
        self._unfit = unfit
        self._given = given
        self._known: set[Shell] = set()
        self._lost: set[tuple[str, tuple[str, ...]]] = set()

    def language(self, draft: Draft, line: int, options: Options) -> tuple[Dialect, Runs] | tuple[()]:
        """Return the dialect of the shell of a task and what asks it; () for a shell that cannot run the task.

        What is wrong with a shell or its setup block is reported.
        """
        shell = options.shell
        if shell is not None and (wrong := self._unfit(options)):
            self._report(draft, line, shell.words, wrong)
            return ()
        language = language_of(shell, *self._sh)
        if shell is not None and shell not in self._known:
            self._known.add(shell)
            _report_setup(draft, shell, *language)
        return language

    def _report(self, draft: Draft, line: int, words: tuple[str, ...], wrong: str) -> None:
        """Report what is wrong with the shell of a task in a line: once for each choice of that shell."""
        chosen = "" if words == self._given else draft.source
        if (chosen, words) in self._lost:
            return
        self._lost.add((chosen, words))
        if chosen:
            draft.report(draft.shell.line if words == draft.shell.words else line, wrong)
        else:
            draft.problems.report(TaskFileError(f"--shell: {wrong}"))


def report_faults(draft: Draft, text: str, shells: ShellCheck, *, has_only_names: bool = False) -> None:
    """Report each command with a fault. text: of the file.

    has_only_names: workers of another kind may take a command for a name, and then it may be any text.
    """
    known: dict[int, tuple[Dialect, Runs] | tuple[()]] = {}
    searches = 0
    below = 0  # the line behind the last command over several lines, whose parts have faults of their own
    for i, task in enumerate(draft.tasks):
        options = task.options
        language = known.get(id(options))
        if language is None:
            language = known[id(options)] = shells.language(draft, draft.lines[i], options)
        if not language:
            continue
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
