"""Odd contents in each field of each format of another system: bytes that are not UTF-8, NUL, too much, nothing."""

from __future__ import annotations

import pytest

from dwork.core.errors import TaskFileError
from dwork.core.task import Task
from dwork.core.text import user_bytes
from dwork.taskfile import Source, parse

#: Files with a field, which stands for any text: it is kept, in the command, the name or a variable.
TEXTS = {
    "dag": ["TASK ¤ x\n", "TASK a ¤\n", "TASK a x ¤\n", "TASK a x '¤'\n", "#@ ¤ x y\nTASK a x¤\n"],
    "disbatch": ["¤\n", "#DISBATCH PREFIX ¤\nx\n", "#DISBATCH SUFFIX  ¤\nx\n", "#DISBATCH REPEAT 2 ¤\n", "# ¤\nx¤\n"],
    "greasy": ["¤\n", "x\n[# 1 #] ¤\n", "[@ ¤ @] x\n", "[@ x @] [##] ¤\n", "# ¤\nx¤\n"],
    "launcher": ["¤\n", "x\n\n ¤ \n", "# ¤\nx¤\n"],
    "pylauncher": ["¤\n", "4,¤\n", "# ¤\nx¤\n"],
    "hyperqueue": [
        'name = "¤"\n[[task]]\ncommand = ["x"]\n',
        '[[task]]\ncommand = ["¤"]\n',
        '[[task]]\ncommand = ["x", "¤"]\n',
        *(
            f'[[task]]\ncommand = ["x"]\n{key}\n'
            for key in (
                'env = { A = "¤" }', 'env = { "¤" = "a" }', 'cwd = "¤"', 'stdin = "¤"', 'stdout = "¤"',
                'stderr = "d/¤"',                 'stderr = { path = "¤", on_close = "rm-if-finished" }',
            )
        ),
        '[array]\nentries = ["¤"]\ncommand = ["x"]\n',
    ],
}  # fmt: skip
#: Files with a field that has a syntax of its own, which no odd text satisfies.
VALUES = {
    "dag": ["TASK a -c ¤ x\n", "TASK a -¤ 1 x\n", "TASK a x\nEDGE a ¤\n", "¤ a x\n"],
    "disbatch": ["#DISBATCH REPEAT ¤ x\n", "#DISBATCH BARRIER ¤\n", "#DISBATCH¤\n", "#DISBATCH ¤ x\n"],
    "greasy": ["x\n[# ¤ #] y\n", "x\n[#1,¤#] y\n"],
    "launcher": ["#DWORK ¤\nx\n", "#DWORK cores=¤\nx\n"],
    "pylauncher": ["4,x\n¤,x\n", "#DWORK cores=¤\nx\n"],
    "hyperqueue": [
        f'[[task]]\ncommand = ["x"]\n{key}\n'
        for key in (
            'time_limit = "¤"', 'pin = "¤"', 'crash_limit = "¤"', 'request = [{ resources = { cpus = "¤" } }]',
            '¤ = "x"', 'request = [{ resources = { "¤" = 1 } }]', 'stdout = "%{¤}"',
        )
    ]
    + ['[array]\nids = "¤"\ncommand = ["x"]\n', '[[task¤]]\ncommand = ["x"]\n'],
}  # fmt: skip


def read(form: str, field: str, content: bytes) -> list[Task]:
    return parse([Source("t", field.encode().replace("¤".encode(), content), form)])


def refusal(form: str, field: str, content: bytes) -> str:
    with pytest.raises(TaskFileError) as refused:
        read(form, field, content)
    text = str(refused.value)
    assert text.startswith("t:") and text.isprintable() and len(text) < 600 and "; " in text
    return text


@pytest.mark.parametrize("form", TEXTS)
def test_bytes_that_are_not_utf8_are_kept(form: str, subtests: pytest.Subtests) -> None:
    for field in TEXTS[form]:
        with subtests.test(repr(field)):
            task = read(form, field, b"a\xffb")[-1]
            task.name.encode()
            words = (task.command,) if isinstance(task.command, str) else task.command or ()
            texts = [*words, *(text for pair in task.options.env for text in pair)]
            assert any(b"a\xffb" in user_bytes(text) for text in texts) or "a\\xffb" in task.name


@pytest.mark.parametrize("form", VALUES)
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"a\xffb", id="not UTF-8"),
        pytest.param(b"x" * 200_000, id="long"),
        pytest.param("🦀".encode(), id="not ASCII"),
        pytest.param(b"1\x1b[2J", id="control"),
    ],
)
def test_a_value_that_is_none_is_refused(form: str, content: bytes, subtests: pytest.Subtests) -> None:
    for field in VALUES[form]:
        with subtests.test(repr(field)):
            refusal(form, field, content)


@pytest.mark.parametrize("form", TEXTS)
def test_a_nul_is_refused_with_its_line(form: str, subtests: pytest.Subtests) -> None:
    for field in (*TEXTS[form], *VALUES[form]):
        with subtests.test(repr(field)):
            line = field[: field.index("¤")].count("\n") + 1
            assert refusal(form, field, b"a\0b").startswith(f"t:{line}: this line contains a NUL byte")


@pytest.mark.parametrize("form", TEXTS)
def test_more_than_a_program_can_get_is_refused(form: str, subtests: pytest.Subtests) -> None:
    for field in TEXTS[form]:
        with subtests.test(repr(field)):
            refused = refusal(form, field, b"x" * 131_073)
            assert "longer than" in refused or "too long" in refused


@pytest.mark.parametrize("form", TEXTS)
def test_line_ends_of_dos_change_nothing(form: str, subtests: pytest.Subtests) -> None:
    for field in TEXTS[form]:
        with subtests.test(repr(field)):
            assert read(form, field.replace("\n", "\r\n"), b"v") == read(form, field, b"v")


@pytest.mark.parametrize("form", TEXTS)
def test_a_carriage_return_within_a_line_is_part_of_the_text_or_refused(form: str, subtests: pytest.Subtests) -> None:
    for field in TEXTS[form]:
        if form == "dag" and "'" not in field:
            continue  # a blank there, between fields
        with subtests.test(repr(field)):
            if form in ("disbatch", "hyperqueue"):
                refusal(form, field, b"a\rb")
            else:
                assert "a\rb" in str(read(form, field, b"a\rb")[-1].command).replace("\\r", "\r")


NOTHING = [
    ("dag", "TASK ¤ x\n", "a TASK needs an id and an executable"),
    ("dag", "TASK a ¤\n", "a TASK needs an id and an executable"),
    ("dag", "TASK a '¤'\n", "the executable is missing"),
    ("dag", "TASK a x '¤'\n", ("x", "")),
    ("dag", "TASK a -c ¤ x\n", '-c: "x" is not a number'),
    ("dag", "TASK a x\nEDGE a ¤\n", "an EDGE needs two ids"),
    ("disbatch", "#DISBATCH PREFIX ¤\nx\n", ("/bin/bash", "-c", "x")),
    ("disbatch", "#DISBATCH REPEAT 2 ¤\n", "REPEAT has nothing to run"),
    ("disbatch", "#DISBATCH REPEAT ¤ x\n", "invalid REPEAT"),
    ("disbatch", "#DISBATCH ¤ x\n", "is not a valid directive"),
    ("greasy", "x\n[# ¤ #] y\n", "y"),
    ("greasy", "x\n[#1,¤#] y\n", '"" is not a dependency'),
    ("greasy", "[@ ¤ @] x\n", "the directory is empty"),
    ("greasy", "x\n[# 1 #] ¤\n", "the command is missing"),
    ("pylauncher", "4,¤\n", "the command is missing"),
    ("hyperqueue", 'name = "¤"\n[[task]]\ncommand = ["x"]\n', ("x",)),
    ("hyperqueue", '[[task]]\ncommand = ["¤"]\n', "command: the program is missing"),
    ("hyperqueue", '[[task]]\ncommand = ["x", "¤"]\n', ("x", "")),
    ("hyperqueue", '[[task]]\ncommand = ["x"]\nstdin = "¤"\n', ("x",)),
    ("hyperqueue", '[[task]]\ncommand = ["x"]\nenv = { A = "¤" }\n', ("x",)),
    ("hyperqueue", '[[task]]\ncommand = ["x"]\nenv = { "¤" = "a" }\n', 'env: "" is not a valid variable name'),
    ("hyperqueue", '[[task]]\ncommand = ["x"]\ncwd = "¤"\n', "cwd: must not be empty"),
    ("hyperqueue", '[[task]]\ncommand = ["x"]\nstdout = "¤"\n', "stdout: must not be empty"),
    ("hyperqueue", '[[task]]\ncommand = ["x"]\nstdout = { path = "¤" }\n', "stdout: must not be empty"),
    ("hyperqueue", '[[task]]\ncommand = ["x"]\nstdout = "%{¤}"\n', 'stdout: unknown placeholder "%{}"'),
    ("hyperqueue", '[[task]]\ncommand = ["x"]\ntime_limit = "¤"\n', 'time_limit: "" is not a duration'),
    ("hyperqueue", '[[task]]\ncommand = ["x"]\ncrash_limit = "¤"\n', "crash_limit: must be a whole number"),
    ("hyperqueue", '[[task]]\ncommand = ["x"]\n[[task.request]]\nresources = { "¤" = 1 }\n', 'unknown resource ""'),
    ("hyperqueue", '[array]\nids = "¤"\ncommand = ["x"]\n', 'ids: "" is not a range of ids'),
    ("hyperqueue", '[array]\nentries = ["¤"]\ncommand = ["x"]\n', ("x",)),
]  # fmt: skip


@pytest.mark.parametrize(("form", "field", "expected"), NOTHING)
def test_an_empty_field_is_empty_or_refused(form: str, field: str, expected: object) -> None:
    if isinstance(expected, str) and expected != "y":
        assert expected in refusal(form, field, b"")
    else:
        assert read(form, field, b"")[-1].command == expected


@pytest.mark.parametrize("form", list(TEXTS))
@pytest.mark.parametrize("data", [b"", b"\n", b"\r\n\r\n", b"\xef\xbb\xbf", b" \t\n"])
def test_a_file_without_anything_has_no_tasks(form: str, data: bytes) -> None:
    if form == "hyperqueue":
        assert "a job needs either tasks or an array" in refusal(form, "¤", data)
    else:
        assert read(form, "¤", data) == []
