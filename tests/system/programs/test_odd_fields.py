"""Odd contents in each field of dwork's own formats: refused with a line, or run, also again after a failure."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dwork.core.errors import TaskFileError
from dwork.core.task import Options
from dwork.host.shell import dialect, runs, unfit
from dwork.record.reading import Archive
from dwork.taskfile import Source, parse
from dwork.taskfile.text import LIMIT
from tests.conftest import Ran
from tests.system.programs.conftest import program

#: Fields that may be any text, which `¤` stands for: a task that succeeds whatever it is.
ANY = {
    "lines": [
        ": ¤\n", "true ¤\\\n y\n", "true #DWORK name='¤'\n", "# ¤\n:\n", "#DWORK setup\n: ¤\n#DWORK end\ntrue\n",
        "#DWORK setup\nX=¤\n#DWORK end\ntrue x\n", "#!/bin/bash\n#DWORK setup\n: ¤\n#DWORK end\n: a\n",
    ],
    "jsonl": [
        '{"command": ": ¤ a"}\n', '{"command": ["true", "¤"]}\n',
        '{"command": "true a", "env": {"¤": "v"}}\n', '{"command": "true b", "env": {"V": "¤"}}\n',
        '{"command": "true", "name": "j¤j"}\n', '{"setup": ": ¤"}\n{"command": "true c"}\n',
        '{"setup": ": ¤"}\n{"command": ["true"]}\n',
    ],
    "csv": ['": ¤ c"\n', ": ¤ b\n"],
}  # fmt: skip
#: Fields whose task fails, mostly.
WRONG = {
    "lines": [
        "¤\n", "¤; true\n", "true #DWORK cwd='¤'\n", "true #DWORK shell='¤'\n",
        "true #DWORK shell='bash ¤'\n", "#!/bin/¤\ntrue\n", "#!/bin/bash ¤\ntrue\n",
        "#DWORK setup\n¤\n#DWORK end\ntrue\n",
        "#DWORK cwd='¤'\ntrue d\n",
    ],
    "jsonl": [
        '{"command": "¤"}\n', '{"command": ["¤"]}\n', '{"command": "true", "cwd": "¤"}\n',
        '{"command": "true", "creates": ["/", "¤"]}\n',
        '{"command": "true", "shell": "¤"}\n', '{"command": "true", "shell": "bash ¤"}\n',
        '{"setup": "¤"}\n{"command": "true"}\n', '{"setup": "true", "shell": "¤"}\n{"command": "true"}\n',
    ],
    "csv": ["x¤x\n"],
}  # fmt: skip
KEYS = ("after", "after-any", "timeout", "memory", "cores", "gpus", "min-time", "priority")
#: Fields with a syntax of their own, or which must name a task.
VALUES = {
    "lines": [
        *(f"true #DWORK {key}='¤'\n" for key in KEYS), "true #DWORK retries='¤'\n",
        "true #DWORK ¤=1\n", "true #DWORK ¤\n", "#DWORK ¤\ntrue\n", "#DWORK timeout=¤\ntrue\n",
    ],
    "jsonl": [
        *(f'{{"command": "true", "{key}": "¤"}}\n' for key in KEYS),
        '{"command": "true", "¤": 1}\n', '{"command": "true", "after": ["¤"]}\n', '{"command": "true", "cores": ¤}\n',
        '{"command": true¤}\n', "{¤}\n",
    ],
    "csv": ["a,¤\n", 'a,"¤"\n', "a,b,¤\nb\n"],
}  # fmt: skip
CONTENTS = {
    "not UTF-8": b"a\xffb\xc3",
    "carriage return": b"a\rb",
    "last carriage return": b"ab\r",
    "NUL": b"a\0b",
    "empty": b"",
    "blank": b" ",
    "near the limit": b"x" * (LIMIT - 400),
    "at the limit": b"x" * LIMIT,
    "over the limit": b"x" * (LIMIT + 1),
    "at the limit in bytes": "ü".encode() * ((LIMIT - 4) // 2),
    "megabytes": b"x" * 1_500_000,
    "separator": "a\u2028\x85\ufeffb".encode(),
    "control": b"1\x1b[2J\x7f",
    "quote": b"'",
    "double quote": b'"',
    "backslash": b"\\",
}
#: Contents that change where a word or a command ends.
SYNTAX = {"quote", "double quote", "backslash", "line end"}
#: As JSON writes them.
ESCAPED = {
    "NUL": b"a\\u0000b",
    "carriage return": b"a\\rb",
    "line end": b"a\\nb",
    "control": b"1\\u001b[2J",
    "half a surrogate": b"a\\ud800b",
    "surrogate escape": b"a\\udcffb",
    "double quote": b'\\"',
}


def contents(form: str, field: str) -> Iterator[tuple[str, bytes]]:
    """Yield the contents of a field with what they are."""
    for what, content in (CONTENTS | (ESCAPED if form == "jsonl" else {})).items():
        yield what, field.encode().replace("¤".encode(), content)


def unfit_here(options: Options) -> str:
    return unfit(options.shell, os.environ["PATH"]) if options.shell is not None else ""


def refusal(form: str, data: bytes) -> str:
    """Return why a file is refused, and check that it is one clean line; empty when it is not refused."""
    try:
        parse([Source("t", data, form)], dialect=dialect(), runs=runs, unfit=unfit_here)
    except TaskFileError as error:
        text = str(error)
        assert re.match(r"t:[0-9]+: ", text) and text.isprintable() and len(text) < 600 and "; " in text
        return text
    return ""


def is_clean(ran: Ran) -> bool:
    return not re.search("Traceback|bug in dwork", ran.err) and all(line.isprintable() for line in ran.own_err)


@pytest.mark.parametrize(("form", "field"), [(form, field) for form, fields in VALUES.items() for field in fields])
def test_a_value_that_is_none_is_refused_with_its_line(form: str, field: str) -> None:
    nothing = ("empty", "blank")
    accepted = [what for what, data in contents(form, field) if what not in nothing and not refusal(form, data)]
    assert accepted == (["last carriage return"] if accepted and field.startswith("#DWORK ¤") else [])


def case(kind: str) -> Iterator[tuple[str, str, bytes]]:
    """Yield files with their format, and what is odd in them. kind: those whose tasks all succeed, or the others."""
    for form in ANY:
        for field in (*ANY[form], *WRONG[form]):
            for what, data in contents(form, field):
                if (field in ANY[form] and what not in SYNTAX) == (kind == "right"):
                    yield form, what, data


@pytest.mark.parametrize("kind", ["right", "wrong"])
def test_what_is_not_refused_runs_to_its_end_and_again(run: Callable, tmp_path: Path, kind: str) -> None:
    files, n = [], 0
    for form, what, data in case(kind):
        refused = refusal(form, data)
        assert refused or what != "NUL"
        if not refused:
            files.append(f"f{len(files)}.{'txt' if form == 'lines' else form}")
            (tmp_path / files[-1]).write_bytes(data)
            n += len(parse([Source("t", data, form)]))
    assert n > 90
    ran = run(*program("pool"), "--slots", 16, *files, "-f", "r.db", limit=120)
    assert (ran.code, is_clean(ran)) == (0 if kind == "right" else 1, True)
    with Archive(str(tmp_path / "r.db")) as archive:
        rows = list(archive.tasks())
        states = {row["name"]: row["state"] for row in rows}
        assert len(states) == n and set(states.values()) <= {"done", "failed"}
        assert all((row["reason"] or "").isprintable() for row in rows)
    again = run(*program("pool"), "--slots", 16, *files, "-f", "r.db", limit=120)
    assert (again.code, is_clean(again)) == (ran.code, True)
    with Archive(str(tmp_path / "r.db")) as archive:
        assert {row["name"]: row["state"] for row in archive.tasks()} == states
        attempts = {row["name"]: row["attempt"] for row in archive.tasks()}
    assert {name for name, attempt in attempts.items() if attempt == 1} == {
        name for name in states if states[name] == "done"
    }
