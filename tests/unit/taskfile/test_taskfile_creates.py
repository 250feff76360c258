"""The files that a task promises to create, in each format."""

from __future__ import annotations

import pytest

from dwork.core.errors import TaskFileError
from dwork.core.task import Options, Task
from dwork.taskfile import Source, parse
from dwork.taskfile.writing import Unwritable, as_lines, as_objects


def created(text: str, form: str = "lines") -> list[tuple[str, ...]]:
    return [task.options.creates for task in parse([Source("t", text.encode(), form)])]


def test_lines_objects_and_comments_of_other_systems_have_it() -> None:
    assert created("a #DWORK creates=x\nb #DWORK creates='x y, dir/z'\nc\n") == [("x",), ("x y", "dir/z"), ()]
    assert created('{"command":"a","creates":"x,y"}\n{"command":"b","creates":["x","$y*"]}', "jsonl") == [
        ("x,y",),
        ("x", "$y*"),
    ]
    assert created("#DWORK creates=x\na\n", "disbatch") == [("x",)]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("creates=", "creates: empty name; write creates=FILE or creates=FILE,FILE without extra commas"),
        ("creates=a,,b", "creates: empty name; write creates=FILE or creates=FILE,FILE without extra commas"),
        ("creates=$WORK/a", 'creates: "$WORK/a" is used as it is, without a shell; write the name of a file'),
        ("creates=~/a", 'creates: "~/a" is used as it is, without a shell; write the name of a file'),
        ("creates=*.out", 'creates: "*.out" is used as it is, without a shell; write the name of a file'),
        ("outputs=a", 'unknown key "outputs"; did you mean creates?'),
    ],
)
def test_what_would_never_be_found_is_refused(line: str, problem: str) -> None:
    with pytest.raises(TaskFileError) as caught:
        created(f"a #DWORK {line}")
    assert str(caught.value) == f"t:1: {problem}"


@pytest.mark.parametrize("value", ['""', '["x", ""]', "7", "[7]", "{}"])
def test_an_object_holds_names_only(value: str) -> None:
    with pytest.raises(TaskFileError, match="t:1: creates: "):
        created(f'{{"command": "a", "creates": {value}}}', "jsonl")


def test_it_is_written_and_read_back() -> None:
    tasks = [Task("a", "a", (), Options(creates=("x y", "z"))), Task("b", "b", (), Options(creates=("x",), cores=2))]
    lines = as_lines(tasks, {})
    assert lines == ["a #DWORK creates='x y,z'", "b #DWORK cores=2 creates=x"]
    for text, form in (("\n".join(lines), "lines"), ("\n".join(as_objects(tasks)), "jsonl")):
        assert parse([Source("t", text.encode(), form)]) == tasks


@pytest.mark.parametrize("name", ["a,b", "$a", "~a", "a*", " a"])
def test_a_name_that_no_line_can_hold_is_written_as_an_object(name: str) -> None:
    task = Task("a", "a", (), Options(creates=(name,)))
    with pytest.raises(Unwritable, match="it creates a file whose name a line cannot hold"):
        as_lines([task], {})
    assert parse([Source("t", as_objects([task])[0].encode(), "jsonl")]) == [task]
