"""Job files of the TACC launcher."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dwork.core.errors import TaskFileError
from dwork.core.task import Task
from dwork.core.text import UserText
from dwork.taskfile import Invocation, Source, parse


def tasks_of(text: str, directory: str = "", tell: Callable[[str], None] = print, **environ: str) -> list[Task]:
    invocation = Invocation(UserText(directory), {name: UserText(value) for name, value in environ.items()})
    return parse([Source("jobs", text.encode(), "launcher")], invocation=invocation, tell=tell)


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


def test_jobs_start_where_the_pool_does_and_find_that_directory() -> None:
    (task,) = tasks_of("rm -r $LAUNCHER_WORKDIR/tmp", "/here")
    assert (task.options.cwd, dict(task.options.env)["LAUNCHER_WORKDIR"]) == (None, "/here")
    (task,) = tasks_of("a", "/here", LAUNCHER_WORKDIR="/here", WORKDIR="/old")
    assert (task.options.cwd, dict(task.options.env)["LAUNCHER_WORKDIR"]) == (None, "/here")


@pytest.mark.parametrize("name", ["LAUNCHER_WORKDIR", "WORKDIR"])
def test_jobs_start_in_the_directory_that_is_set_for_the_launcher(name: str) -> None:
    reported: list[str] = []
    (task,) = tasks_of("a", "/here", reported.append, **{name: "/scratch/x"})
    assert (task.options.cwd, dict(task.options.env)["LAUNCHER_WORKDIR"]) == ("/scratch/x", "/scratch/x")
    assert reported == [f"jobs:1: tasks start in /scratch/x, since {name} is set"]
    (task,) = tasks_of("#DWORK cwd=/other\na", "/here", **{name: "/scratch/x"})
    assert task.options.cwd == "/other"


def test_what_is_set_for_the_launcher_reaches_the_jobs_that_use_it() -> None:
    first, second = tasks_of("a\nb $LAUNCHER_PPN ${LAUNCHER_NHOSTS}", LAUNCHER_PPN="8", LAUNCHER_NHOSTS="2")
    assert dict(first.options.env) == {"LAUNCHER_JID": "1"}
    assert dict(second.options.env) == {"LAUNCHER_JID": "2", "LAUNCHER_PPN": "8", "LAUNCHER_NHOSTS": "2"}


def test_what_the_launcher_knows_of_its_file_and_of_the_job_is_set() -> None:
    (task,) = tasks_of("echo $CMD $LAUNCHER_SCHED $LAUNCHER_JOB_FILE")
    assert dict(task.options.env) == {
        "LAUNCHER_JID": "1",
        "CMD": "echo $CMD $LAUNCHER_SCHED $LAUNCHER_JOB_FILE",
        "LAUNCHER_SCHED": "dynamic",
        "LAUNCHER_JOB_FILE": "jobs",
    }


@pytest.mark.parametrize("name", ["LAUNCHER_TSK_ID", "LAUNCHER_HOST_ID"])
def test_the_slot_of_the_pool_itself_is_not_that_of_a_job(name: str) -> None:
    with pytest.raises(TaskFileError, match=f"^jobs:1: {name} is not set by dwork; use DWORK_SLOT"):
        tasks_of(f"a ${name}", **{name: "3"})


def test_a_directory_that_depends_on_another_is_refused() -> None:
    with pytest.raises(TaskFileError, match=r'^jobs:1: LAUNCHER_WORKDIR is "runs"; export an absolute path'):
        tasks_of("a", "/here", LAUNCHER_WORKDIR="runs")
