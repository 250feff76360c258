"""Task files: parse what a user writes into a graph of tasks.

`parse` reads the contents of one or more files, each in any of FORMATS, into one graph. A file with any mistake is
rejected as a whole, with a TaskFileError of one line: `tasks.txt:12: what is wrong; what to do`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from dwork.core.shell_syntax.fault import fault, left_behind, lines_spanned
from dwork.core.shell_syntax.features import Dialect
from dwork.core.task import PLAIN, Command, Options, Task
from dwork.core.text import UserText
from dwork.taskfile import csv_rows, jsonl, lines
from dwork.taskfile.endings import format_of
from dwork.taskfile.foreign import dag, disbatch, greasy, hyperqueue, launcher
from dwork.taskfile.foreign.rescue import rescued, without
from dwork.taskfile.options import duration, memory
from dwork.taskfile.resolve import resolve
from dwork.taskfile.text import decoded

__all__ = ["FORMATS", "Source", "duration", "format_of", "memory", "parse", "rescued", "without"]

FORMATS = ("lines", "csv", "jsonl", "dag", "disbatch", "greasy", "hyperqueue", "hq", "launcher")

_READERS = {
    "lines": lines.read,
    "csv": csv_rows.read,
    "jsonl": jsonl.read,
    "dag": dag.read,
    "disbatch": disbatch.read,
    "greasy": greasy.read,
    "hyperqueue": hyperqueue.read,
    "hq": hyperqueue.read,
    "launcher": launcher.read,
}


@dataclass(frozen=True, slots=True)
class Source:
    """The contents of a file, its name as errors show it (`-` for standard input), and which of FORMATS it has."""

    name: UserText
    data: bytes
    format: str = "lines"

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise ValueError(f"unknown format {self.format!r}; the formats are {', '.join(FORMATS)}")


def parse(
    sources: Sequence[Source],
    *,
    known: Collection[str] | None = (),
    tell: Callable[[str], None] = lambda text: None,
    dialect: Dialect = Dialect.POSIX,
    runs: Callable[[str], bool] | None = None,
) -> list[Task]:
    """Return the tasks of all sources as one graph.

    known: names of tasks outside these files that may be predecessors; None accepts any unknown name. Predecessors may
    follow their task in the list. tell(text) is called with one line for everything that dwork handles differently
    from what the file asks for. dialect, runs: of the /bin/sh that will run the commands, as for fault() in
    core/shell_syntax. Raise TaskFileError, one line, for the first mistake.
    """
    pool: dict[Options, Options] = {PLAIN: PLAIN}
    drafts = []
    for source in sources:
        text = decoded(source.name, source.data)
        draft = _READERS[source.format](source.name, text, pool)
        drafts.append(draft)
        for i, task in enumerate(draft.tasks):
            if source.format == "csv":  # its rows are names, which workers of another kind may run
                wrong = left_behind(task.command, dialect=dialect)
            else:
                wrong = fault(task.command, dialect=dialect, runs=runs)
            if wrong:
                line = draft.lines[i]
                raise draft.problem(line, _spread(text, line, task.command, dialect) or wrong)
    tasks = resolve(drafts, known)
    for draft in drafts:
        for remark, line in draft.remarks.items():
            tell(str(draft.problem(line, remark)))
    return tasks


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
