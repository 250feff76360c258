"""A page of the documentation as what it asks a reader to do: write files, type commands, run Python.

In blocks of `console`, `$ ` begins a command, `> ` continues it, and the lines below are what it prints; `...` stands
for anything, in a line or as lines. A comment before a block says how it is meant:

    <!-- file: NAME -->         it is that file
    <!-- run: no, REASON -->    it is left out
    <!-- run: NEED, ... -->     it needs that, of NEEDS
    <!-- before: COMMAND -->    what a reader's machine does by itself, or has done already
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt

#: What a block may need that not every machine has.
NEEDS: Final = frozenset(["slurm", "openmpi", "mpich", "plotly", "dot", "sqlite3"])
_MARK: Final = re.compile(r"<!-- *(file|run|before): *(.*?) *-->\s*\Z", re.DOTALL)


class PageError(Exception):
    """A page breaks the convention; the text begins with page:line."""


@dataclass(frozen=True)
class Command:
    """What somebody types, and the lines that it prints; none: they are not told."""

    line: int
    text: str
    output: tuple[str, ...]

    @property
    def in_background(self) -> bool:
        return re.search(r" &\s*(#.*)?\Z", self.text) is not None


@dataclass(frozen=True)
class Block:
    """A fenced block.

    file: its name as a file; needs: what must be there; left_out: why it is not run; before: commands to run first.
    """

    line: int
    language: str
    text: str
    file: str = ""
    needs: frozenset[str] = frozenset()
    left_out: str = ""
    before: tuple[str, ...] = ()

    @property
    def runs(self) -> bool:
        return not self.file and not self.left_out and self.language in ("console", "python")


def blocks(path: Path, text: str | None = None) -> Iterator[Block]:
    """The fenced blocks of a page in order; PageError when one cannot be understood."""
    marks: dict[str, str] = {}
    before: list[str] = []
    for token in MarkdownIt("commonmark").parse(path.read_text() if text is None else text):
        where = f"{path}:{token.map[0] + 1 if token.map else 0}"
        if token.type == "code_block":
            raise PageError(f"{where}: an indented block; a fenced one says what it is")
        if token.type == "html_block" and (found := _MARK.match(token.content)):
            if found[1] == "before":
                before.append(found[2])
            else:
                marks[found[1]] = found[2]
        elif token.type == "fence" and token.map:
            block = _block(where, token.map[0] + 1, token.info.strip(), token.content, marks)
            yield replace(block, before=tuple(before))
            marks, before = {}, []
        elif (marks or before) and token.type != "html_block":
            raise PageError(f"{where}: a comment stands before no block")


def _block(where: str, line: int, language: str, text: str, marks: dict[str, str]) -> Block:
    if language in ("sh", "shell", "zsh", "fish", "shell-session", "pycon"):
        raise PageError(f"{where}: a block of {language!r} would not be run; write console, or bash for a script")
    run = marks.get("run", "")
    reason = run.removeprefix("no,").strip() if run.startswith("no,") else ""
    needs = frozenset() if reason or not run else frozenset(re.split(", *", run))
    if "" in marks.values() or not needs <= NEEDS:
        raise PageError(f"{where}: {marks} cannot be; write run: no, REASON, or run: NEED, ... of {', '.join(NEEDS)}")
    return Block(line, language, text, marks.get("file", ""), needs, reason)


def commands(where: str, block: Block) -> list[Command]:
    """The commands of a block of `console`."""
    found: list[tuple[int, list[str], list[str]]] = []
    for line, text in enumerate(block.text.splitlines(), block.line + 1):
        if text.startswith("$ "):
            found.append((line, [text[2:]], []))
        elif not found:
            raise PageError(f"{where}:{line}: a block of console begins with a command: $ COMMAND")
        elif text[:2] in (">", "> ") and not found[-1][2]:
            found[-1][1].append(text[2:])
        else:
            found[-1][2].append(text)
    return [Command(line, "\n".join(typed), tuple(output)) for line, typed, output in found]


def fits(expected: tuple[str, ...], printed: str) -> bool:
    """Whether that was printed; what stands at the ends of lines and after the last one counts for nothing."""
    pattern = ""
    for line in "\n".join(expected).rstrip().split("\n"):
        if line.strip() == "...":
            pattern += r"(?:.*\n)*"
        else:
            pattern += ".*".join(re.escape(part) for part in line.rstrip().split("...")) + r"\n"
    lines = (line.rstrip() for line in printed.rstrip().split("\n"))
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in lines)) is not None
