"""Task files of GREASY, and dependencies on ranges of tasks."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwork.core.task import Task
from dwork.taskfile import Source, parse, spans


def tasks_of(text: str) -> list[Task]:
    return parse([Source("t", text.encode(), "greasy")])


def before(tasks: list[Task]) -> list[set[int]]:
    """Of each task that is no join, which others it comes after: by their positions among them."""
    by_name = {task.name: task for task in tasks}
    position = {task.name: i for i, task in enumerate(task for task in tasks if task.command is not None)}

    def found(names: tuple[str, ...]) -> set[int]:
        here = set()
        for name in names:
            here |= {position[name]} if name in position else found(by_name[name].after)
        return here

    return [found(task.after) for task in tasks if task.command is not None]


def test_tasks_are_known_by_the_numbers_of_their_lines() -> None:
    # The example of GREASY's guide, without its invalid task.
    tasks = tasks_of(
        "# this line is a comment\n/bin/sleep 2\n# the following task is 4.\n/bin/sleep 4\n/bin/sleep 5\n/bin/sleep 6\n"
        "/bin/sleep 7\n# after sleep 5\n[# 5 #] /bin/sleep 9\n# after sleep 9\n[# -2 #] /bin/sleep 11\n\n"
        "[#2, 5 - 7 #] /bin/sleep 15\n[@ /tmp/scratch @] pwd\n[@ /tmp/scratch @][# -2 #] echo 'It works!'\n"
    )
    assert tasks == [
        *(Task(f"/bin/sleep {n}", f"/bin/sleep {n}") for n in (2, 4, 5, 6, 7)),
        Task("/bin/sleep 9", "/bin/sleep 9", ("/bin/sleep 5",)),
        Task("/bin/sleep 11", "/bin/sleep 11", ("/bin/sleep 9",)),
        Task("/bin/sleep 15", "/bin/sleep 15", ("/bin/sleep 2", "/bin/sleep 5", "/bin/sleep 6", "/bin/sleep 7")),
        Task("cd /tmp/scratch && pwd", "cd /tmp/scratch && pwd"),
        Task("cd /tmp/scratch && echo 'It works!'", "cd /tmp/scratch && echo 'It works!'", ("/bin/sleep 15",)),
    ]


def test_a_directory_is_no_other_because_of_a_variable_that_a_shell_reads(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "elsewhere", tmp_path / "old"):
        (place / "data").mkdir(parents=True)
    (tmp_path / "-").mkdir()
    environment = {"CDPATH": str(tmp_path / "elsewhere"), "OLDPWD": str(tmp_path / "old"), "D": "data", "HOME": "/"}
    for directory, found in {"data": "data", "$D": "data", "-": "-", "./data": "data"}.items():
        (task,) = tasks_of(f'[@ {directory} @] pwd; echo "$CDPATH"\n')
        assert task.name == f'cd {directory} && pwd; echo "$CDPATH"'
        assert isinstance(task.command, str)
        for shell in "sh", "bash":
            words = (shell, "-c", task.command)
            ran = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
            assert ran.stdout == f"{tmp_path}/{found}\n{tmp_path}/elsewhere\n"


@pytest.mark.parametrize(
    ("inside", "lines"),
    [
        ("", ""),
        (" ", ""),
        ("1", "a"),
        ("-1", "c"),
        ("1-3", "abc"),
        ("3 - 1", "abc"),
        (" 3,1-2 , 2", "abc"),
        ("-3,3", "ac"),
    ],
)
def test_dependencies_are_numbers_ranges_and_lines_above(inside: str, lines: str) -> None:
    *_, last = tasks_of(f"a\nb\nc\n  [#{inside}#]d\n")
    assert last == Task("d", "d", tuple(lines))


def test_equal_commands_are_told_apart_by_where_they_stand() -> None:
    assert [task.after for task in tasks_of("a\na\n[# 2 #] b\n[# 1 #] b\n")] == [(), (), ("a #2",), ("a",)]


def test_names_are_commands_and_stay_when_lines_are_added() -> None:
    old, new = tasks_of("a\n[# 1 #] b\n[@ x @] a\n"), tasks_of("new\na\n[# 2 #] b\n[@ x @] a\n")
    assert new == [Task("new", "new"), *old]


def test_a_range_that_several_use_is_one_join_before_its_first_user() -> None:
    assert [(task.name, task.after) for task in tasks_of("a\nb\n[# 1-2 #] c\n[# 1-2,3 #] d\n")] == [
        ("a", ()),
        ("b", ()),
        ("t:1-2", ("a", "b")),
        ("c", ("t:1-2",)),
        ("d", ("t:1-2", "c")),
    ]


def test_many_after_many_cost_an_edge_each() -> None:
    n = 1000
    tasks = tasks_of("".join(f"a{i}\n" for i in range(n)) + "".join(f"[# 1-{n} #] b{i}\n" for i in range(n)))
    assert len(tasks) == 2 * n + 1
    assert sum(len(task.after) for task in tasks) == 2 * n


def test_each_after_all_above_costs_some_edges_each() -> None:
    n = 500
    tasks = tasks_of("a\n" + "".join(f"[# 1-{i} #] a\n" for i in range(1, n)))
    assert sum(len(task.after) for task in tasks) < 30 * n
    assert before(tasks)[-1] == set(range(n - 1))


RANGES = st.lists(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=3), max_size=40)


@given(RANGES, st.sampled_from([(0, 1), (0, 32), (4, 4), (4, 32)]))
def test_joins_keep_the_order_that_ranges_give(wanted: list[list[tuple[int, int]]], limits: tuple[int, int]) -> None:
    expected, lines = [], []
    for i, ranges in enumerate(wanted):
        inside = [sorted((a % i, b % i)) for a, b in ranges if i]
        expected.append({k for low, high in inside for k in range(low, high + 1)})
        lines.append(f"[# {','.join(f'{low + 1}-{high + 1}' for low, high in inside)} #] x")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spans, "_EDGES", limits[0])
        patch.setattr(spans, "_FEW", limits[1])
        tasks = tasks_of("\n".join(lines))
    assert before(tasks) == expected
    position = {task.name: i for i, task in enumerate(tasks)}
    assert all(position[name] < i for i, task in enumerate(tasks) for name in task.after)
