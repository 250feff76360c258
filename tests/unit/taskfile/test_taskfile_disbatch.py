"""Task files of disBatch."""

from __future__ import annotations

import pytest

from dwork.core.task import Task
from dwork.taskfile import Source, parse


def read_with_remarks(text: str, name: str = "dir/tasks") -> tuple[list[Task], list[str]]:
    reported: list[str] = []
    return parse([Source(name, text.encode(), "disbatch")], tell=reported.append), reported


def tasks_of(text: str) -> list[Task]:
    return read_with_remarks(text)[0]


def commands_of(text: str) -> list[str | None]:
    """What bash gets of each task; None for a barrier."""
    commands: list[str | None] = []
    for task in tasks_of(text):
        if task.command is None:
            commands.append(None)
        else:
            assert task.command[:2] == ("/bin/bash", "-c") and len(task.command) == 3
            commands.append(task.command[2])
    return commands


def variables_of(task: Task) -> dict[str, str]:
    variables = dict(task.options.env)
    assert len(variables) == len(task.options.env)
    return {name.removeprefix("DISBATCH_"): value for name, value in variables.items()}


def test_a_line_is_a_task_for_bash_exactly_as_it_is() -> None:
    assert commands_of("a\n\n  b  \\\n # no\n\t\n#no\r\nc #x\r\n") == ["a", "  b  \\", "c #x"]


def test_prefix_and_suffix_stand_around_the_lines_below_until_they_are_replaced() -> None:
    assert commands_of(
        "a\n#DISBATCH PREFIX  cd x; \n#DISBATCH suffix  > log\nb\n#DISBATCH PREFIX echo \nc\n#DISBATCH SUFFIX \nd\n"
    ) == ["a", " cd x; b > log", "echo c > log", "echo d"]


def test_a_directive_that_is_indented_or_small_is_a_comment() -> None:
    assert commands_of(" #DISBATCH PREFIX x\n#disbatch PREFIX x\n# DISBATCH BARRIER\na") == ["a"]


@pytest.mark.parametrize(
    ("directive", "command", "indices"),
    [
        ("REPEAT 2 x", "px", ["0", "1"]),
        ("repeat  3 start 100 step 50 x  y ", "px  y ", ["100", "150", "200"]),
        ("REPEAT 2 step 5", "p", ["0", "5"]),
        ("REPEAT\t1 START 7 ", "p", ["7"]),
        ("REPEAT 2 step 2 start 1", "pstart 1", ["0", "2"]),
        ("REPEAT 0 x", "", []),
    ],
)
def test_repeat_makes_tasks_that_differ_in_their_index(directive: str, command: str, indices: list[str]) -> None:
    tasks = tasks_of(f"#DISBATCH PREFIX p\n#DISBATCH {directive}\n")
    assert [variables_of(task)["REPEAT_INDEX"] for task in tasks] == indices
    assert {task.command for task in tasks} == ({("/bin/bash", "-c", command)} if indices else set())
    assert [task.name for task in tasks] == [f"{command.strip()} #{index}" for index in indices]


def test_repeats_of_one_index_are_tasks_of_their_own() -> None:
    assert [task.name for task in tasks_of("#DISBATCH REPEAT 2 start 3 step 0 x")] == ["x #3", "x #3 #2"]


def test_tasks_find_where_they_stand_and_a_barrier_takes_a_number() -> None:
    first, second, _, third = tasks_of("\na\n#DISBATCH REPEAT 1 start 7 b\n#DISBATCH BARRIER CHECK\nc\n")
    assert variables_of(first) == {
        "NAMETASKS": "tasks",
        "JOBID": "tasks_dwork",
        "CORES_PER_TASK": "1",
        "STREAM_INDEX": "2",
        "STREAM_INDEX_ZP": "000002",
        "REPEAT_INDEX": "-1",
        "REPEAT_INDEX_ZP": "-00001",
        "TASKID": "0",
        "TASKID_ZP": "000000",
    }
    seen = [[variables_of(task)[name] for task in (second, third)] for name in ("STREAM_INDEX", "TASKID")]
    assert seen == [["3", "5"], ["1", "3"]]
    assert (variables_of(second)["REPEAT_INDEX_ZP"], variables_of(third)["REPEAT_INDEX"]) == ("000007", "-1")


def test_standard_input_is_called_so() -> None:
    (task,), _ = read_with_remarks("a", "-")
    assert variables_of(task)["NAMETASKS"] == "stdin"


def test_a_barrier_is_one_join_of_all_above_it() -> None:
    tasks = tasks_of("a\nb\n#DISBATCH BARRIER CHECK\nc\nd\n")
    assert [(task.name, task.after) for task in tasks] == [
        ("a", ()),
        ("b", ()),
        ("dir/tasks:3: barrier", ("a", "b")),
        ("c", ("dir/tasks:3: barrier",)),
        ("d", ("dir/tasks:3: barrier",)),
    ]


def test_a_barrier_of_either_kind_needs_no_remark() -> None:
    assert read_with_remarks("a\n#DISBATCH BARRIER CHECK\nb\n#DISBATCH BARRIER \nc")[1] == []


def test_names_are_commands_and_stay_when_lines_are_added() -> None:
    text = "#DISBATCH PREFIX  p \na\na\n#DISBATCH REPEAT 2 start 5 a\nb\n"
    names = ["p a", "p a #2", "p a #5", "p a #6", "p b"]
    assert [task.name for task in tasks_of(text)] == names
    assert [task.name for task in tasks_of("new\n" + text + "a\n")] == ["new", *names, "p a #3"]


def test_what_is_added_at_the_end_changes_nothing_above() -> None:
    text = "a\n#DISBATCH REPEAT 2 x\nb\n"
    assert tasks_of(text + "c\n#DISBATCH REPEAT 9 y\n")[:4] == tasks_of(text)


@pytest.mark.parametrize("form", ["disbatch", "launcher", "greasy"])
def test_a_comment_may_say_what_the_lines_below_ask_for(form: str) -> None:
    text = b"a\n  #DWORK cores=4 gpus=1\n#DWORKS x\nb\n#DWORK gpus=0 timeout=2h\nc\n"
    tasks = parse([Source("t", text, form)])
    asked = [(task.options.cores, task.options.gpus, task.options.timeout) for task in tasks]
    assert asked == [(1, 0, None), (4, 1, None), (4, 0, 7200.0)]
    if form == "disbatch":
        assert [variables_of(task)["CORES_PER_TASK"] for task in tasks] == ["1", "4", "4"]
    else:
        assert "CORES" not in str(tasks[1].options.env)


def test_bytes_that_are_not_utf8_reach_bash() -> None:
    (task,) = parse([Source("t", b"echo \xff", "disbatch")])
    assert (task.name, task.command) == ("echo \\xff", ("/bin/bash", "-c", "echo \udcff"))
