"""Job files of the TACC launcher."""

from __future__ import annotations

from dwork.core.task import Task
from dwork.taskfile import Source, parse


def tasks_of(text: str) -> list[Task]:
    return parse([Source("jobs", text.encode(), "launcher")])


def test_each_line_runs_once_in_bash() -> None:
    tasks = tasks_of("a\n\n  b 'c  d' \r\na")
    assert [task.command for task in tasks] == [("/bin/bash", "-c", text) for text in ("a", "b 'c  d'", "a")]
    assert [task.name for task in tasks] == ["a", "b 'c  d'", "a #2"]


def test_jobs_have_the_launchers_numbers() -> None:
    # It counts lines with a character, even those that run nothing.
    assert [dict(task.options.env) for task in tasks_of("a\n\nb\n \n# note\nc\n\n")] == [
        {"LAUNCHER_JID": "1"},
        {"LAUNCHER_JID": "2"},
        {"LAUNCHER_JID": "5"},
    ]


def test_how_many_jobs_there_are_is_given_to_those_that_ask() -> None:
    few, more = (tasks_of("a $LAUNCHER_JID\nb ${LAUNCHER_NJOBS}\n" + end) for end in ("", "c"))
    assert dict(few[1].options.env) == {"LAUNCHER_JID": "2", "LAUNCHER_NJOBS": "2"}
    assert dict(more[1].options.env) == {"LAUNCHER_JID": "2", "LAUNCHER_NJOBS": "3"}
    assert few[0] == more[0]


def test_a_backslash_at_the_end_joins_nothing() -> None:
    assert [task.command for task in tasks_of("a \\\nb\\ \n")] == [("/bin/bash", "-c", t) for t in ("a \\", "b\\ ")]


def test_what_users_of_the_launcher_set_themselves_may_be_used() -> None:
    assert len(tasks_of("cd $LAUNCHER_WORKDIR; mpirun -n $LAUNCHER_PPN a")) == 1
