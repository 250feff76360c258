"""How quickly tasks end, and when the last one will: against runs whose end is known."""

from __future__ import annotations

import pytest

from dwork.progress.pace import Pace
from tests.unit.progress.stage import Play, stand

SECONDS = [1.0] * 4000
WAVES = [100.0] * 160
UNEQUAL = [float(1 + 37 * i % 100) for i in range(2000)]


@pytest.mark.parametrize(
    ("play", "part", "within"),
    [
        pytest.param(Play(SECONDS, 16), 0.1, 0.05, id="short tasks, soon"),
        pytest.param(Play(SECONDS, 16), 0.9, 0.1, id="short tasks, late"),
        pytest.param(
            Play([0.001] * 40_000, 8, gap=0.01), 0.5, 0.05, id="the way to a worker takes longer than the task"
        ),
        pytest.param(Play(WAVES, 16), 0.105, 0.1, id="one wave of long tasks has ended"),
        pytest.param(Play(WAVES, 16), 0.15, 0.1, id="between two waves"),
        pytest.param(Play(WAVES, 16), 0.55, 0.15, id="in the middle of many waves"),
        pytest.param(Play(UNEQUAL, 16), 0.1, 0.2, id="unequal tasks, soon"),
        pytest.param(Play(UNEQUAL, 16), 0.5, 0.1, id="unequal tasks, later"),
        pytest.param(Play([2.0] * 500 + [20.0] * 500, 8), 0.6, 0.15, id="long tasks after short ones"),
        pytest.param(Play([20.0] * 500 + [2.0] * 500, 8), 0.97, 0.25, id="short tasks after long ones"),
        pytest.param(Play([10.0] * 50, 1), 0.3, 0.1, id="one at a time"),
    ],
)
def test_what_is_left_is_known_about(play: Play, part: float, within: float) -> None:
    until = part * play.end
    pace, at = play.watched(until, every=max(0.2, play.end / 2000))
    left = pace.left(at.time)
    assert left == pytest.approx(play.end - until, rel=within)


@pytest.mark.parametrize(
    ("play", "until"),
    [
        pytest.param(Play([3600.0] * 100, 16), 3000.0, id="nothing has ended"),
        pytest.param(Play([1.0] + [3600.0] * 100, 16), 3000.0, id="one short task has"),
        pytest.param(Play([5.0] * 2 + [50.0] * 20, 1), 11.0, id="two have"),
    ],
)
def test_nothing_is_said_while_nobody_can_know(play: Play, until: float) -> None:
    pace, at = play.watched(until, every=1.0)
    assert pace.left(at.time) is None


def test_between_two_ends_what_is_left_is_counted_down_and_never_below_nothing() -> None:
    play = Play([10.0] * 8 + [1000.0], 1)
    pace, at = play.watched(80.0, every=0.5)
    left = pace.left(at.time)
    assert left == pytest.approx(5.0)
    pace.see(play.at(83.0))
    assert pace.left(at.time + 3) == pytest.approx(2.0)
    pace.see(play.at(86.0))
    assert pace.left(at.time + 6) is None  # it takes longer than any before: nobody knows


def test_tasks_that_are_added_make_it_longer_and_workers_that_come_shorter() -> None:
    pace, at = Play([100.0] * 100, 4).watched(1000.0, every=1.0)
    before = pace.left(at.time)
    assert before is not None
    grown = stand(1001.0, done=40, running=4, ready=156, slots=4, seconds=4000.0)
    pace.see(grown)
    longer = pace.left(grown.time)
    assert longer is not None and longer > 2 * before
    joined = stand(1002.0, done=40, running=40, ready=120, slots=40, seconds=4000.0)
    pace.see(joined)
    assert joined.ended >= joined.running
    shorter = pace.left(joined.time)
    assert shorter is not None and shorter < longer


def test_of_a_pool_that_stops_nothing_is_said() -> None:
    pace, at = Play(SECONDS, 16).watched(50.0, every=0.5)
    assert pace.left(at.time) is not None
    pace.see(stand(51.0, done=816, running=16, ready=3168, slots=16, seconds=816.0, stopping=True))
    assert pace.left(at.time + 1) is None


def test_wide_tasks_are_waited_for_as_long_as_they_take() -> None:
    pace = Pace()
    pace.see(stand(0.0, ready=100, slots=8))
    pace.see(stand(1.0, running=1, cores=8, ready=99, slots=8))
    for i in range(1, 11):
        pace.see(stand(100.0 * i, done=i, running=1, cores=8, ready=99 - i, slots=8, seconds=800.0 * i))
    assert pace.left(stand(1000.0).time) == pytest.approx(100 * 89.5, rel=0.05)


def test_the_rate_is_that_of_late() -> None:
    play = Play([1.0] * 600 + [10.0] * 60, 10)
    assert play.watched(50.0, every=0.2)[0].rate == pytest.approx(10.0, rel=0.1)
    assert play.watched(115.0, every=0.2)[0].rate == pytest.approx(1.0, rel=0.25)


def test_the_time_before_the_first_task_runs_slows_nothing() -> None:
    pace = Pace()
    for i in range(100):
        pace.see(stand(float(i), ready=100, slots=i % 3))
    pace.see(stand(100.0, running=10, ready=90, slots=10))
    pace.see(stand(101.0, done=10, running=10, ready=80, slots=10, seconds=10.0))
    assert pace.rate == pytest.approx(5.0)  # since the last look at which nothing ran


def test_tasks_that_are_done_before_the_run_are_no_work_of_it() -> None:
    pace = Pace()
    pace.see(stand(0.0, done=1000, ready=100, slots=1, ended=0))
    for i in range(1, 31):
        pace.see(stand(i, done=1000 + i, running=1, ready=99 - i, slots=1, ended=i, seconds=float(i)))
    assert pace.rate == pytest.approx(1.0)
    assert pace.left(stand(30.0).time) == pytest.approx(69.5, rel=0.05)


def test_what_is_kept_of_a_run_does_not_grow_with_it() -> None:
    pace = Pace()
    for i in range(2_000):
        pace.see(stand(0.2 * i, done=i, running=1, ready=2_000 - i, slots=1, seconds=0.2 * i))
    assert len(pace._seen) < 50
