"""What dwork takes for a complete command is what real shells take for one."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dwork.core.shell_syntax.fault import commands
from dwork.core.shell_syntax.features import Dialect, Feature
from dwork.core.shell_syntax.parser import Parser
from dwork.core.shell_syntax.words import Malformed
from tests.needs import missing
from tests.unit.core.shell_corpus import ANY_SHELL, BASH

JOINS = ["{} && {}", "{}; {}", "({}; {})", "if {}; then {}; fi", "x=$({}; {})", "f() {{ {}; {}; }}", "{} | {{ {}; }}"]


@pytest.fixture(params=["bash", "dash"])
def shell(request: pytest.FixtureRequest) -> str:
    if shutil.which(request.param) is None:
        missing(request.param)
    return str(request.param)


def reads(shell: str, command: str) -> bool:
    """Whether a shell finds nothing wrong with the syntax of a command."""
    ran = subprocess.run([shell, "-n", "-c", command], capture_output=True, text=True)
    return ran.returncode == 0 and "here-document" not in ran.stderr


def wrong(command: str, dialect: Dialect) -> str:
    try:
        Parser(command, dialect).parse()
    except Malformed as error:
        return str(error)
    return ""


def longer_commands(corpus: tuple[str, ...]) -> Iterator[str]:
    """Commands of the corpus put together at random, always the same."""
    chance = random.Random(7)
    whole = [command for command in corpus if not any(sign in command for sign in "#&") and command[-1] not in "\\;"]
    for _ in range(600):
        yield chance.choice(JOINS).format(chance.choice(whole), chance.choice(whole))


def test_a_command_that_is_complete_is_one_for_the_shell(shell: str) -> None:
    corpus = ANY_SHELL if shell == "dash" else (*ANY_SHELL, *BASH)
    dialect = Dialect.of(shell)
    tried = [*corpus, *longer_commands(corpus)]
    assert len(tried) > 1000
    assert [command for command in tried if wrong(command, dialect)] == []
    # extended patterns have to be switched on, and bash 5.2 does not read `time (` in a substitution
    odd = ("!(a|b)", "time (")
    assert [c for c in tried if not any(sign in c for sign in odd) and not reads(shell, c)] == []


def test_a_command_that_is_cut_short_is_incomplete_only_where_it_is_for_the_shell(shell: str) -> None:
    chance = random.Random(11)
    dialect = Dialect.of(shell)
    refused = 0
    for command in chance.sample(ANY_SHELL, 400):
        part = command[: chance.randrange(1, len(command) + 1)]
        if text := wrong(part, dialect):
            refused += 1
            # bash looks into backquotes and at the name of a loop only when it runs them
            assert not reads(shell, part) or "`" in part or part.startswith("for"), (part, text)
        else:
            assert reads(shell, part), part
    assert refused > 50


def test_bash_has_all_features() -> None:
    if shutil.which("bash") is None:
        missing("bash")
    lacking = [
        feature
        for feature in Feature
        if subprocess.run(["bash", "-c", feature.value], stdin=subprocess.DEVNULL, capture_output=True).returncode
    ]
    assert lacking == [Feature.EXTENDED_GLOB]  # which has to be switched on


def scripts() -> Iterator[tuple[str, str]]:
    """The shell scripts of this machine, with the shell that each of them names."""
    for folder in ("/etc/init.d", "/usr/bin", "/usr/sbin", "/var/lib/dpkg/info"):
        for path in sorted(Path(folder).glob("*")):
            if path.is_file() and os.access(path, os.R_OK) and path.stat().st_size < 20_000:
                first = path.read_bytes().split(b"\n", 1)[0]
                if first[:2] == b"#!" and first[2:].split()[:1] in ([b"/bin/sh"], [b"/bin/bash"]):
                    yield str(path), first[2:].split()[0].decode()


def test_the_scripts_of_this_machine_are_split_into_commands() -> None:
    found = list(scripts())[:300]
    if len(found) < 20:
        missing("shell scripts")
    for path, shell in found:
        text = Path(path).read_bytes().decode("utf-8", "surrogateescape")
        try:
            split = commands(text, Dialect.of(shell))
        except ValueError as error:
            assert subprocess.run([shell, "-n", path], capture_output=True).returncode, (path, error.args)
            continue
        lines = text.split("\n")
        assert all(command.split("\n")[0] in lines[line] for line, command in split)
