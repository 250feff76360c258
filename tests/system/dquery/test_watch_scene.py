"""What is on the screen of `dquery watch`, from what the hub has answered: without a hub, a screen or a clock."""

from __future__ import annotations

from typing import Any

import pytest

from dwork.dquery._watch.scene import Scene
from tests.rows import crew_row, run_view


@pytest.fixture
def scene() -> Scene:
    return Scene(run_view(), 7.0)


def test_the_title_tells_what_runs_where_and_for_how_long(scene: Scene) -> None:
    assert scene.title(60, 8.0) == "/home/me/tasks.txt on n1, job 4711, for 1:01"
    assert scene.title(40, 8.0) == "tasks.txt on n1, job 4711, for 1:01"


def test_ages_go_on_between_two_answers(scene: Scene) -> None:
    assert [task.seconds for task in scene.tasks(7.0)] == [10.0, 1.0]
    assert [task.seconds for task in scene.tasks(9.5)] == [12.5, 3.5]
    assert scene.failures(9.5)[0].ago == 7.5
    assert [strip.silent for strip in scene.workers(9.0)] == [3.0, None]


def test_rate_and_time_left_come_from_the_answers_that_followed_one_another(scene: Scene) -> None:
    assert "left" not in " ".join(part.text for part in scene.line(120, 7.0).parts)
    counts = {"waiting": 1, "ready": 1, "assigned": 2, "done": 6, "failed": 1}
    scene.take(run_view(104.0, counts=counts, ended=7, seconds=14.0), 11.0)
    texts = [part.text for part in scene.line(200, 11.0).parts]
    assert "1.0/s" in texts and any(text.endswith("left") for text in texts)


def test_what_failed_says_its_last_lines_and_nothing_that_moves_the_cursor(scene: Scene) -> None:
    assert scene.failures(7.0)[0].stderr == ["two", "\\x1b[2J    three"]


def test_a_hub_that_says_nothing_leaves_its_last_state_and_is_told_of(scene: Scene) -> None:
    scene.miss("no answer")
    text, is_bad = scene.state(19.0)
    assert is_bad and text.startswith("no answer since ") and ", for 12 s; trying again. no answer" in text
    assert len(scene.tasks(19.0)) == 2
    scene.take(run_view(120.0), 20.0)
    assert scene.state(20.0) == ("", False)


@pytest.mark.parametrize(
    ("code", "text", "is_bad"),
    [
        (0, "ended: all tasks are done", False),
        (1, "ended: some tasks failed or were skipped", True),
        (3, "ended: it was stopped before the end; run the same command again to continue", True),
        (9, "ended: exit status 9", True),
    ],
)
def test_the_end_is_told_and_stays(scene: Scene, code: int, text: str, is_bad: bool) -> None:
    scene.end(code, run_view(110.0, over=True, tasks=[]), 17.0)
    assert scene.state(17.0) == (text, is_bad)
    scene.miss("no answer")
    assert scene.state(60.0) == (text, is_bad)
    assert scene.title(80, 60.0).endswith("for 1:10")


def test_a_hub_that_tells_nothing_of_its_end_leaves_the_last_state(scene: Scene) -> None:
    scene.end(0, None, 17.0)
    assert scene.state(17.0)[0] == "ended: all tasks are done" and len(scene.tasks(17.0)) == 2


def test_a_dhub_that_gets_more_to_do_is_over_no_more(scene: Scene) -> None:
    scene.end(0, run_view(110.0, over=True), 17.0)
    scene.take(run_view(111.0, over=True), 18.0)
    assert scene.code == 0
    scene.take(run_view(112.0), 19.0)
    assert scene.code is None and scene.state(19.0) == ("", False)


def test_another_run_begins_anew(scene: Scene) -> None:
    scene.end(3, run_view(110.0, over=True), 17.0)
    scene.follow(run_view(5.0, run={"tasks": "tasks.txt", "host": "n9", "pid": 2, "job": "", "started": 4.0}), 30.0)
    assert scene.state(30.0) == ("", False) and scene.title(80, 30.0) == "tasks.txt on n9, for 1 s"


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"stopping": "drained on request"}, "drained on request: no more tasks are started, 2 still running"),
        ({"workers": 0}, "no worker has connected yet"),
        ({"workers": 0, "counts": {}}, "no task has been added yet"),
        ({"job_end": 160.0}, "the job ends in 1:00"),
        ({"over": True}, "no task is running"),
        ({"over": True, "counts": {"done": 3}, "running": 0}, "all tasks have ended"),
    ],
)
def test_what_is_special_is_told_in_a_line(more: dict[str, Any], text: str) -> None:
    assert Scene(run_view(**more), 7.0).state(7.0)[0] == text


@pytest.mark.parametrize(
    ("filter", "tasks", "crew", "failures"),
    [
        ("", [4, 5], ["n1:1", "n2:1"], [3]),
        ("SOLVE", [4], ["n1:1"], [3]),
        ("solve-*", [4], ["n1:1"], [3]),
        ("n2:1", [], ["n2:1"], [3]),
        ("#5", [5], ["n1:1"], []),
        ("n1:*", [4, 5], ["n1:1"], []),
        ("[z-a", [], [], []),
    ],
)
def test_a_filter_is_a_part_of_a_name_or_a_glob_of_tasks_and_workers(
    scene: Scene, filter: str, tasks: list[int], crew: list[str], failures: list[int]
) -> None:
    scene.choose(filter)
    assert [task.id for task in scene.tasks(7.0)] == tasks
    assert [strip.location for strip in scene.workers(7.0)] == crew
    assert [each.id for each in scene.failures(7.0)] == failures


def test_headings_tell_how_many_there_are_and_that_not_all_are_shown(scene: Scene) -> None:
    assert scene.headings() == ("2 workers", "2 running", "1 failed, latest first")
    crew = [crew_row("n1", workers=64, busy=9, slots=64, ended=1, rate=1.0, silent=0.0)]
    scene.take(run_view(101.0, workers=640, crew=crew, running=9000), 8.0)
    scene.choose("solve-*")
    assert scene.headings() == (
        "640 workers, by host (only solve-*)",
        "9,000 running, the 2 longest of them (only solve-*)",
        "1 failed, latest first (only solve-*)",
    )
