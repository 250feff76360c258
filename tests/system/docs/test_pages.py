"""What the README and docs/ tell a reader to type is typed here, and what they show is what is printed."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.needs import missing
from tests.system.docs.conftest import Place, found
from tests.system.docs.page import Block, Command, blocks, commands, fits
from tests.system.docs.session import Python, Shell
from tests.waiting import wait_until

PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
MPIS = {"openmpi", "mpich"}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_the_examples_of_a_page_do_what_it_says(path: Path, place: Callable[[list[Block]], Place], mpi: str) -> None:
    page = [block for block in blocks(path) if (block.file or block.runs) and not block.needs & (MPIS - {mpi})]
    lacking = {need for block in page for need in block.needs if not found(need)}
    if lacking and os.environ.get("CI"):
        missing(*lacking)
    reader = Reader(name(path), place(page))
    try:
        for block in page:
            reader.prepare(block)
            if not block.needs & lacking:
                reader.follow(block)
    finally:
        reader.leave()
    if lacking:
        missing(*lacking, rest=True)


class Reader:
    """Does what a page says, block by block."""

    def __init__(self, page: str, place: Place) -> None:
        self._page = page
        self._place = place
        self._shell = Shell(place.directory, place.environment)
        self._python = Python(place.directory, place.environment)

    def leave(self) -> None:
        self._shell.end()
        self._python.end()

    def prepare(self, block: Block) -> None:
        for command in block.before:
            self._run(Command(block.line, command, ()), may_fail=False)
        if block.file:
            path = self._place.directory / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
            if block.text.startswith("#!"):
                path.chmod(0o755)

    def follow(self, block: Block) -> None:
        if block.file:
            return
        if block.language == "python":
            status, printed = self._python.type("\n" * block.line + block.text, self._page)
            assert status == 0, f"{self._page}:{block.line}:\n{printed}"
        elif block.language == "console":
            following = commands(self._page, block)
            for command, after in zip(following, [*following[1:], None], strict=True):
                self._run(command, may_fail=after is not None and "$?" in after.text)

    def _run(self, command: Command, may_fail: bool) -> None:
        where = f"{self._page}:{command.line}: $ {command.text}"
        if command.in_background:
            self._start(command, where)
            return
        status, printed = self._shell.type(command.text)
        if command.output:
            assert fits(command.output, printed), f"{where}\nprinted, with exit status {status}:\n{printed}"
        else:  # under which nothing stands may print what it likes, but must succeed, or somebody asks whether it did
            assert status == 0 or may_fail, f"{where}\nexit status {status}, printed:\n{printed}"

    def _start(self, command: Command, where: str) -> None:
        """Wait until it has printed what the page shows or, where that is nothing, until the hub can be found."""
        output = self._place.directory.parent / f"background-{command.line}"
        known = self._place.runs_known
        self._shell.type(command.text, output)
        is_hub = any(word in command.text for word in ("dhub", "dwork-pool", "dwork.pool"))

        def is_there() -> object:
            if command.output:
                return fits(command.output, output.read_text())
            return not is_hub or self._place.runs_known - known

        wait_until(is_there, otherwise=lambda: f"{where}\nprinted, in the background:\n{output.read_text()}")


def test_no_command_of_ours_stands_where_it_is_not_run() -> None:
    mine = re.compile(r"^(\$ )?(dquery|dwork-pool|dhub|kworker) .*", re.MULTILINE)
    for path in PAGES:
        for block in blocks(path):
            if not block.file and block.language in ("bash", "text"):
                found = mine.search(block.text)
                assert found is None, f"{name(path)}:{block.line}: {found[0]}; write it into a block of console"


def test_few_examples_are_left_out() -> None:
    page_blocks = [(path, block) for path in PAGES for block in blocks(path)]
    left_out = [f"{name(path)}:{block.line}: {block.left_out}" for path, block in page_blocks if block.left_out]
    print(*left_out, sep="\n")
    assert len(left_out) <= 5 + sum(block.runs for _, block in page_blocks) // 10, "\n".join(left_out)
