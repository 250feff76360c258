"""Any bytes in commands, arguments, directories and variables, through tasks that succeed and that fail in all ways."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwork.cli.program import say
from dwork.core.events import Ended, Failed
from dwork.core.task import Result, State
from dwork.core.text import user_bytes, user_text
from dwork.output.failures import Failures
from dwork.output.printer import Printer
from dwork.output.streams import Streams
from dwork.record.reading import Archive
from dwork.runner.reasons import not_started
from tests.long import seeds
from tests.system.programs.conftest import program

#: Bytes that are likely to be misread, one or several at a time.
PIECES = [
    *(b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xe2\x82\xac", b"\xc3\xbc", b"\r", b"\t", b"\x1b[31m", b"\x7f", b"\xc2\x85"),
    *(b"\xe2\x80\xa8", b"\xef\xbb\xbf", b" ", b"'", b'"', b"\\", b"$", b"`", b"*", b"#", b"&", b";", b"\\x41"),
]
NUL_AND_LF = {0, 10}


class Bytes:
    """Random bytes, never NUL or LF, which end a line or an argument; the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self.numbers = random.Random(seed)

    def __call__(self, without: bytes = b"") -> bytes:
        numbers = self.numbers
        some = numbers.choices(PIECES, k=numbers.randrange(6)) if numbers.random() < 0.5 else [numbers.randbytes(9)]
        return bytes(each for each in b"".join(some) if each not in {*NUL_AND_LF, *without})


class Case:
    """A task: its line in the file, its output, and its exit status. printed: None when its end is what matters."""

    def __init__(self, words: list[bytes], printed: bytes | None, status: int = 0, **options: Any) -> None:
        self.words, self.printed, self.status, self.options = words, printed, status, options

    def line(self, name: str) -> str:
        return json.dumps({"name": name, "command": [user_text(word) for word in self.words], **self.options})


def case(kind: int, odd: Bytes, place: bytes) -> Case:
    a, name = odd(), b"V" + odd(b"=")
    env = {user_text(name): user_text(a)}
    directory = b"d" + odd(b"/") + b"e"
    match kind:
        case 0:
            return Case([b"printf", b"%s", a], a, env=env)
        case 1:
            return Case([b"printenv", name], a + b"\n", env=env)
        case 2:
            os.makedirs(os.path.join(place, directory), exist_ok=True)
            return Case([b"/bin/pwd"], os.path.join(place, directory) + b"\n", env=env, cwd=user_text(directory))
        case 3:
            return Case([b"sh", b"-c", b'printf %s "$1"; exit 3', b"sh", a], a, 3, env=env)
        case 4:
            return Case([b"sh", b"-c", b'printf %s "$1" >&2; kill -9 $$', b"sh", a], None, 137, env=env)
        case 5:
            return Case([b"no-such-" + a], None, 127, env=env)
        case 6:
            return Case([b"printf", a], None, 126, env=env, cwd=user_text(b"no-such-" + directory))
        case 7:
            with open(os.path.join(place, directory + b"f"), "wb"):
                pass
            return Case([b"./" + directory + b"f", a], None, 126, env=env)
        case 8:
            return Case([b"sh", b"-c", b"sleep 60", a], None, 143, env=env, timeout=0.2)
        case _:
            return Case([b"x" * 9 + b"/" + a, b"x" * 100_000], None, 127, env={**env, "V": "x" * 100_000})


@pytest.mark.parametrize("seed", seeds(1, 20))
def test_any_bytes_come_back_through_success_and_failure(run: Callable, tmp_path: Path, seed: int) -> None:
    odd = Bytes(seed)
    kinds = [*range(8), *range(8), *range(8)] * 9 + [8, 9]
    cases = {f"t{i}": case(kind, odd, os.fsencode(tmp_path)) for i, kind in enumerate(kinds)}
    (tmp_path / "cases.jsonl").write_text("".join(f"{each.line(name)}\n" for name, each in cases.items()))
    commands = [b"printf %%s '%s'; exit %d" % (odd(b"'"), i % 2) for i in range(60)]
    (tmp_path / "lines.txt").write_bytes(b"".join(command + b"\n" for command in commands))
    ran = run(*program("pool"), "--joblog", "log", "cases.jsonl", "lines.txt", "-f", "r.db")
    assert ran.code == 1
    n_failed = sum(each.status != 0 for each in cases.values()) + 30
    assert f"{len(cases) + 30 - n_failed + 30:,} done, {n_failed:,} failed, 0 skipped" in ran.err
    assert "bug in dwork" not in ran.err and all(line.isprintable() for line in ran.own_err)

    with Archive(str(tmp_path / "r.db")) as archive:
        rows = [archive.task(row["name"]) for row in archive.tasks()]
        assert len(rows) == len(cases) + len(commands)
        for row in rows:
            assert row is not None
            (attempt,) = row["attempts"]
            assert (attempt["reason"] or "").isprintable()
            printed = {piece["stream"]: archive.output(row, piece) for piece in row["output"]}
            if not row["arguments"]:
                continue
            wanted = cases[row["name"]]
            assert (attempt["exit_status"], [user_bytes(word) for word in row["arguments"]]) == (
                wanted.status,
                wanted.words,
            )
            assert dict(row["options"].pop("env")) == wanted.options["env"]
            assert wanted.printed is None or printed.get(1, b"") == wanted.printed
        assert sorted(user_bytes(row["command"]) for row in rows if not row["arguments"]) == sorted(commands)
    logged = (tmp_path / "log").read_bytes().split(b"\n")
    joined = [user_bytes(shlex.join(map(user_text, each.words))) for each in cases.values()]
    assert sorted(row.split(b"\t", 8)[8] for row in logged[1:-1]) == sorted([*commands, *joined])

    rest = run(*program("dquery"), "rest", "--json", "-f", "r.db")
    assert rest.code == 0, rest.err
    left = [json.loads(line) for line in rest.out.splitlines()]
    failed = {name: json.loads(each.line(name)) for name, each in cases.items() if each.status}
    assert {value["name"]: value for value in left if value.get("name", "") in cases} == failed
    others = [user_bytes(value["command"]) for value in left if value.get("name", "") not in cases]
    assert sorted(others) == sorted(command for command in commands if command.endswith(b"exit 1"))
    for words, code in ((["failed"], 1), (["list"], 0), (["show", "t5"], 0), (["trace"], 0), (["graph"], 0)):
        looked = run(*program("dquery"), *words, "-f", "r.db")
        assert looked.code == code and "bug in dwork" not in looked.err
    again = run(*program("pool"), "-q", "cases.jsonl", "lines.txt", "-f", "r.db")
    assert again.code == 1
    with Archive(str(tmp_path / "r.db")) as archive:
        counts = archive.counts()
        assert (counts[State.FAILED.value], sum(counts.values())) == (n_failed, len(rows))


ANY = st.text(st.characters()) | st.binary(max_size=20).map(user_text)


@given(ANY, ANY)
def test_what_is_printed_about_a_task_is_printable_whatever_its_name_and_error(name: str, error: str) -> None:
    printed = io.StringIO()
    failures = Failures()
    stderr = error.encode(errors="backslashreplace")
    failure = Failed(2.0, "h:1", Ended(0, name, Result(0, 1, 127, error=error, stdout=b"x\n", stderr=stderr)))
    failures.hear([failure])
    with contextlib.redirect_stderr(printed):
        for line in failures.summary(2):
            say("dwork", line)
    assert all(line.isprintable() for line in printed.getvalue().removesuffix("\n").split("\n"))
    out, err = io.BytesIO(), io.BytesIO()
    Printer(Streams(out, err)).hear([failure])
    (line, end) = out.getvalue().decode().split("\n")
    assert line.isprintable() and not end


@given(st.binary(), st.binary() | st.text(st.characters(exclude_categories=["Cs"])))
def test_why_a_program_cannot_start_is_printable_whatever_its_name(program: bytes, file: bytes | str) -> None:
    assert not_started(program, OSError(13, "Permission denied", file), 126).isprintable()
    assert not_started(program, ValueError("embedded null byte"), 126).isprintable()
