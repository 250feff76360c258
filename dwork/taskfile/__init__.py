"""Task files: parse what a user writes into a graph of tasks.

`parse` reads the contents of one or more files, each in any of FORMATS, into one graph. A file with any mistake is
rejected as a whole, with a TaskFileError of one line: `tasks.txt:12: what is wrong; what to do`. With AllProblems,
`parse` goes on after a mistake, and keeps them all.

A reader fills the Draft of its file. It reports what is wrong with a line to the draft, and goes on with the next line
when that returns; it raises TaskFileError when the text as a whole makes no sense in its format.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from dwork.core.errors import TaskFileError
from dwork.core.shell_syntax.features import Dialect
from dwork.core.task import PLAIN, Options, Task
from dwork.core.text import UserText
from dwork.taskfile import csv_rows, jsonl, lines
from dwork.taskfile.draft import Draft, Pool
from dwork.taskfile.endings import format_of
from dwork.taskfile.faults import ShellCheck, Unfit, report_faults
from dwork.taskfile.foreign import dag, disbatch, greasy, hyperqueue, launcher, pylauncher
from dwork.taskfile.foreign.invocation import UNKNOWN, Invocation
from dwork.taskfile.foreign.rescue import Rescue, without
from dwork.taskfile.problems import AllProblems, Problems
from dwork.taskfile.resolve import resolve
from dwork.taskfile.shell_choice import ShellChoice
from dwork.taskfile.text import decoded

__all__ = [
    "FORMATS",
    "AllProblems",
    "Invocation",
    "Problems",
    "Rescue",
    "ShellChoice",
    "Source",
    "decoded",
    "format_of",
    "parse",
    "without",
]

FORMATS = ("lines", "csv", "jsonl", "dag", "disbatch", "greasy", "hyperqueue", "hq", "launcher", "pylauncher")

_READERS: dict[str, Callable[[Draft, str, Pool], None]] = {
    "lines": lines.read,
    "csv": csv_rows.read,
    "jsonl": jsonl.read,
    "dag": dag.read,
    "disbatch": disbatch.read,
    "greasy": greasy.read,
    "pylauncher": pylauncher.read,
}
#: Formats in which tasks get variables from the invocation.
_INVOKED: dict[str, Callable[[Draft, str, Pool, Invocation], None]] = {
    "hyperqueue": hyperqueue.read,
    "hq": hyperqueue.read,
    "launcher": launcher.read,
}
#: The formats whose commands have a shell that one can choose.
_SHELLS = ("lines", "csv", "jsonl")


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
    unfit: Unfit = lambda options: "",
    shell: ShellChoice | None = None,
    invocation: Invocation = UNKNOWN,
    problems: Problems | None = None,
) -> list[Task]:
    """Return the tasks of all sources as one graph.

    known: names of tasks outside these files that may be predecessors; None accepts any unknown name. Predecessors may
    follow their task in the list. tell(text) is called with one line for everything that dwork handles differently
    from what the file asks for. dialect, runs: of the /bin/sh that will run the commands, as for fault() in
    core/shell_syntax. unfit(options): why their shell can run no line there. shell: the shell and the setup block that
    the command line gives. invocation: of the pool that will run the tasks. problems: where mistakes are reported; by
    default, TaskFileError is raised for the first. After any mistake, no tasks are returned.
    """
    reported = problems or Problems()
    given = shell or ShellChoice()
    shells = ShellCheck(dialect, runs, unfit, given.words)
    pool: dict[Options, Options] = {PLAIN: PLAIN}
    drafts = []
    for source in sources:
        draft = Draft(source.name, reported)
        drafts.append(draft)
        try:
            text = decoded(source.name, source.data)
            _read(source, draft, text, pool, invocation)
        except TaskFileError as error:
            draft.lose(error.line, error)
            continue
        if given and source.format not in _SHELLS:
            wrong = f"the commands of the {source.format} format have their own shell; remove --shell and --setup"
            draft.report(1, wrong)
        elif given or draft.shell or any(options.shell is not None for options in pool):
            draft.set_shell(given, pool)
        if not draft.tasks and not draft.lost:
            draft.remark(1, "this file has no tasks: only blank lines, comments and directives")
        report_faults(draft, text, shells, has_only_names=source.format == "csv")
    tasks = resolve(drafts, known)
    if reported.count:
        return []
    for draft in drafts:
        for remark, line in draft.remarks.items():
            tell(str(draft.problem(line, remark)))
    return tasks


def _read(source: Source, draft: Draft, text: str, pool: Pool, invocation: Invocation) -> None:
    if source.format in _INVOKED:
        _INVOKED[source.format](draft, text, pool, invocation)
    else:
        _READERS[source.format](draft, text, pool)
