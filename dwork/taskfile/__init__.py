"""Task files: parse what a user writes into a graph of tasks.

`parse` reads the contents of one or more files, each in any of FORMATS, into one graph. A file with any mistake is
rejected as a whole, with a TaskFileError of one line: `tasks.txt:12: what is wrong; what to do`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from dwork.core.background import fault
from dwork.core.task import PLAIN, Options, Task
from dwork.core.text import UserText
from dwork.taskfile import csv_rows, jsonl, lines
from dwork.taskfile.draft import Draft, Pool
from dwork.taskfile.foreign import dag, disbatch, greasy, hyperqueue, launcher, pylauncher
from dwork.taskfile.foreign.invocation import UNKNOWN, Invocation
from dwork.taskfile.foreign.rescue import Rescue, without
from dwork.taskfile.options import duration, memory
from dwork.taskfile.resolve import resolve
from dwork.taskfile.text import decoded

__all__ = ["FORMATS", "Invocation", "Rescue", "Source", "duration", "format_of", "memory", "parse", "without"]

FORMATS = ("lines", "csv", "jsonl", "dag", "disbatch", "greasy", "hyperqueue", "hq", "launcher", "pylauncher")

_READERS: dict[str, Callable[[str, str, Pool], Draft]] = {
    "lines": lines.read,
    "csv": csv_rows.read,
    "jsonl": jsonl.read,
    "dag": dag.read,
    "disbatch": disbatch.read,
    "greasy": greasy.read,
    "pylauncher": pylauncher.read,
}
#: Formats in which tasks get variables from the invocation.
_INVOKED: dict[str, Callable[[str, str, Pool, Invocation], Draft]] = {
    "hyperqueue": hyperqueue.read,
    "hq": hyperqueue.read,
    "launcher": launcher.read,
}
#: A file without any of these starts nothing in the background; a backslash may begin an escaped ampersand.
_SIGNS = (b"&", b"wait", b"\\")
_ENDINGS = {".txt": "lines", ".csv": "csv", ".jsonl": "jsonl", ".dag": "dag", ".toml": "hyperqueue"}


@dataclass(frozen=True, slots=True)
class Source:
    """The contents of a file, its name as errors show it (`-` for standard input), and which of FORMATS it has."""

    name: UserText
    data: bytes
    format: str = "lines"

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise ValueError(f"unknown format {self.format!r}; the formats are {', '.join(FORMATS)}")


def format_of(path: str, default: str = "lines") -> str:
    """Return the format for the ending of a file's name, or default."""
    return _ENDINGS.get(path[path.rfind(".") :].lower(), default)


def parse(
    sources: Sequence[Source],
    *,
    known: Collection[str] | None = (),
    tell: Callable[[str], None] = lambda text: None,
    bash: bool = False,
    invocation: Invocation = UNKNOWN,
) -> list[Task]:
    """Return the tasks of all sources as one graph.

    known: names of tasks outside these files that may be predecessors; None accepts any unknown name. Predecessors may
    follow their task in the list. tell(text) is called with one line for everything that dwork handles differently
    from what the file asks for. bash: whether the /bin/sh that will run the commands is bash. invocation: of
    the pool that will run the tasks. Raise TaskFileError, one line, for the first mistake.
    """
    pool: dict[Options, Options] = {PLAIN: PLAIN}
    drafts = [_read(source, pool, invocation) for source in sources]
    for source, draft in zip(sources, drafts, strict=True):
        if any(sign in source.data for sign in _SIGNS):
            _refuse_background(draft, bash)
    tasks = resolve(drafts, known)
    for draft in drafts:
        for text, line in draft.remarks.items():
            tell(str(draft.problem(line, text)))
    return tasks


def _read(source: Source, pool: Pool, invocation: Invocation) -> Draft:
    text = decoded(source.name, source.data)
    if source.format in _INVOKED:
        return _INVOKED[source.format](source.name, text, pool, invocation)
    return _READERS[source.format](source.name, text, pool)


def _refuse_background(draft: Draft, bash: bool) -> None:
    """Raise TaskFileError for the first task that leaves a process in the background."""
    for i, task in enumerate(draft.tasks):
        command = task.command
        if type(command) is not str or "&" in command or command[:4] == "wait":
            text = fault(command, bash=bash)
            if text:
                raise draft.problem(draft.lines[i], text)
