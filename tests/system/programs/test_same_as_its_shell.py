"""What stands in a task file is what runs: a pool does with each line what `SHELL -c LINE` does."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from dwork.core.cause import Cause
from dwork.core.errors import TaskFileError
from dwork.core.shell import Shell
from dwork.core.text import user_bytes
from dwork.host.shell import dialect, runs
from dwork.record.reading import Archive
from dwork.taskfile import Source, parse
from tests.long import seeds
from tests.needs import missing
from tests.system.programs.conftest import program
from tests.system.programs.shell_lines import FILES, VARIABLES, Lines

#: How many lines one pool runs.
LINES = 100
SETUP = "export FROM_SETUP='set  up'\nsay() { printf '<%s>' \"$@\"; }\nX=unexported\n"
#: The blanks around a line that bash quotes in an error; they are no part of a command in a task file.
AROUND = re.compile(rb"(?<=: `)[ \t]+|[ \t]+(?='$)", re.MULTILINE)
#: What `time` prints.
TIME = re.compile(rb"[0-9]+m[0-9.]+s")
#: What a shell prints when it cannot start a program.
COULD_NOT_START = re.compile(rb"not found|No such file|ermission denied|s a directory")
#: The commands of a pipeline run side by side: how often the shell may try to do what the pool has done.
RACES = 50
#: Why docs/taskfile.md has a line refused that its shell would run.
REFUSALS = [
    r"leaves a process in the background",
    r'"wait" has nothing to wait for',
    r"changes only its own shell",
    r"in this shell, which is not bash",
    r'"&>" runs the command in the background',
    r"is not a shell command; if this is a \w+ file",
    r"would be ignored; did you mean #DWORK",
    r"the here-document .* has no end",
    r"this looks like",
    r"is not a (blank|quote) of a shell",
]


@dataclass(frozen=True)
class Done:
    """What a line did. files: the contents of those that are in its directory then."""

    status: int
    out: bytes
    err: bytes
    files: tuple[tuple[bytes, bytes], ...]

    def is_like(self, other: Done) -> bool:
        """Whether they are equal, but for the order in which the commands of a pipeline write errors."""
        return sorted(self.err) == sorted(other.err) and replace(self, err=b"") == replace(other, err=b"")


@pytest.fixture(params=["sh", "bash"])
def shell(request: pytest.FixtureRequest) -> str:
    found = f"/bin/{request.param}"
    if not os.path.exists(found):
        missing(request.param)
    return found


def furnished(directory: Path) -> bytes:
    """Make a directory for a line."""
    place = os.fsencode(directory)
    shutil.rmtree(place, ignore_errors=True)
    os.makedirs(os.path.join(place, b"sub"))
    for name, data in FILES.items():
        with open(os.path.join(place, user_bytes(name)), "wb") as file:
            file.write(data)
    return place


def files_in(place: bytes) -> tuple[tuple[bytes, bytes], ...]:
    found = []
    for folder, _, names in os.walk(place):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                found.append((os.path.relpath(file.name, place), comparable(file.read())))
    return tuple(sorted(found))


def comparable(text: bytes) -> bytes:
    return AROUND.sub(b"", TIME.sub(b"T", text))


def by_shell(shell: str, text: str, place: bytes, variables: dict[str, str]) -> Done:
    ran = subprocess.run(
        [shell, "-c", user_bytes(text)],
        cwd=place,
        env={**variables, "PWD": os.fsdecode(place)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=20,
    )
    status = ran.returncode if ran.returncode >= 0 else 128 - ran.returncode
    return Done(status, ran.stdout, comparable(ran.stderr), files_in(place))


def refusal(shell: str, line: str) -> str:
    """Return why a task file with this line is refused; empty when it is not."""
    data = b"#!%b\n:\n%b\n" % (shell.encode(), user_bytes(line))
    try:
        parse([Source("t", data)], dialect=dialect(), runs=runs)
    except TaskFileError as error:
        return str(error)
    return ""


def is_refused_by(shell: str, line: str, ran: Done) -> bool:
    """Whether a shell finds the line incomplete or senseless, before or while it runs."""
    check = subprocess.run([shell, "-n", "-c", user_bytes(line)], capture_output=True)
    signs = (
        b"yntax error",
        b"nexpected",
        b"nterminated",
        b"Bad substitution",
        b"bad substitution",
        b"here-document",
        b"not a valid identifier",
    )
    return check.returncode != 0 or any(sign in check.stderr + ran.err for sign in signs)


@pytest.mark.parametrize("setup", ["", SETUP], ids=["plain", "setup"])
@pytest.mark.parametrize("seed", seeds(1, 40))
def test_a_pool_does_what_the_shell_does_with_each_line(
    run: Callable, tmp_path: Path, shell: str, setup: str, seed: int
) -> None:
    lines, wrong = Lines(seed), []
    variables = {key: os.fsdecode(user_bytes(value)) for key, value in VARIABLES.items()}
    variables |= {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LC_ALL": "C"}
    task_file = b"#!%b\n" % shell.encode()
    if setup:
        task_file += b"#DWORK setup\n%b#DWORK end\n" % setup.encode()
    if setup:  # blank lines, so that the shell counts lines as in the script of the pool
        script = Shell((shell,), tuple(setup.splitlines())).script("")
        setup += "\n" * (script.count("\n") - setup.count("\n"))
    wanted: dict[str, tuple[str, Done]] = {}
    while len(wanted) < LINES:
        line = lines() if wanted else ":"  # the first command of a file also shows of which kind the file is
        line = line.removesuffix("\r")  # there it is a part of the line end
        if not line.strip(" \t") or line.lstrip(" \t")[0] == "#" or (len(line) - len(line.rstrip("\\"))) % 2:
            continue  # no command, or one that goes on in the next line
        name = f"d{len(wanted)}"
        ran = by_shell(shell, setup + line, furnished(tmp_path / name), variables)
        if why := refusal(shell, line):
            if not is_refused_by(shell, line, ran) and not any(re.search(each, why) for each in REFUSALS):
                wrong.append(f"{line!r} is refused: {why}")
            continue
        wanted[name] = line, ran
        furnished(tmp_path / name)
        task_file += b"#DWORK cwd=%b\n%b\n" % (name.encode(), user_bytes(line))
    assert not wrong, "\n".join(wrong)
    (tmp_path / "lines.txt").write_bytes(task_file)
    pool = run(*program("pool"), "-q", "lines.txt", "-f", "r.db", **variables)
    assert pool.code == 1 and "bug in dwork" not in pool.err
    different = []
    with Archive(str(tmp_path / "r.db")) as archive:
        rows = [archive.task(row["name"]) for row in archive.tasks()]
        assert len(rows) == LINES
        for row in rows:
            (attempt,) = row["attempts"]
            printed = {1: b"", 2: b""}
            for piece in row["output"]:
                printed[piece["stream"]] += archive.output(row, piece)
            line, expected = wanted[row["options"]["cwd"]]
            place = tmp_path / row["options"]["cwd"]
            found = Done(attempt["exit_status"], printed[1], comparable(printed[2]), files_in(os.fsencode(place)))
            if attempt["cause"] == Cause.NOT_STARTED.value:  # without a shell, which would print the reason
                assert COULD_NOT_START.search(expected.err), line
                expected = replace(expected, err=b"")
            if found != expected and not (
                "|" in line
                and any(found.is_like(by_shell(shell, setup + line, furnished(place), variables)) for _ in range(RACES))
            ):
                different.append(f"{shell} -c {line!r}\n  expected {expected}\n  found    {found}, {attempt}")
    assert not different, "\n".join(different)
