"""A hub's loop and loops of workers back to back, through the codec and the transport, on a virtual clock.

Whatever is lost, repeated, late or gone on the way: each task ends, and runs no more often than it must.
"""

from __future__ import annotations

import random
import signal
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dwork.core import events as e
from dwork.core.cause import Cause
from dwork.core.errors import TransportError
from dwork.core.events import Event
from dwork.core.messages import Welcome
from dwork.core.task import Options, State, Task
from dwork.hub.hub import Hub
from dwork.hub.policy import Policy
from dwork.record.store import Store
from dwork.runner.stream import SHORT
from dwork.transport.inproc import Inproc
from dwork.worker.worker import OVER_TCP
from tests.desk import RUN, killed
from tests.world import Ends, Faulty, Loop, Pool, World, reconnect

LONG = bytes(range(256)) * (2 * SHORT // 256) + b"end"


@pytest.fixture(autouse=True)
def outside_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "FLUX_JOB_ID", "COBALT_JOBID", "JOB_ID"):
        monkeypatch.delenv(name, raising=False)


def tasks(n: int, **options: Any) -> list[Task]:
    return [Task(f"t{i}", "x", options=Options(**options)) for i in range(n)]


def runs(loops: Iterable[Loop]) -> Counter[str]:
    """How often each task was started."""
    return Counter(name for loop in loops for name in loop.runner.started)


def all_done(pool: Pool) -> bool:
    return pool.hub.graph.counts[State.DONE] == len(pool.hub.graph.names)


def takes(seconds: float, **more: Any) -> Callable[[str], Ends]:
    return lambda name: Ends(seconds, **more)


# -- all is well ------------------------------------------------------------------------------------------------------


def varied(name: str) -> Ends:
    return Ends(0.01 * (1 + int(name[1:]) % 7))


def a_run() -> tuple[World, Pool, list[Loop]]:
    world = World()
    pool = Pool(world)
    pool.create(*tasks(200))
    loops = [pool.add(f"w:{i}", slots=2, goes=varied) for i in range(3)]
    world.run()
    return world, pool, loops


def test_three_workers_run_two_hundred_tasks_once_each_and_leave_no_slot_idle() -> None:
    world, pool, loops = a_run()
    assert all_done(pool) and set(runs(loops).values()) == {1}
    assert all(loop.has_left and loop.error is None for loop in loops)
    work = sum(varied(f"t{i}").seconds for i in range(200))
    assert work / 6 <= world.now - 1000.0 < 1.2 * work / 6


def test_a_run_comes_out_the_same_each_time() -> None:
    (one, first, _), (other, second, _) = a_run(), a_run()
    assert first.heard == second.heard and one.now == other.now


def test_tasks_follow_each_other_across_workers() -> None:
    world = World()
    pool = Pool(world)
    pool.create(*[Task(f"t{i}", "x", (f"t{i - 2}", f"t{i - 3}") if i > 2 else ()) for i in range(30)])
    loops = [pool.add(f"w:{i}", goes=takes(0.1)) for i in range(2)]
    world.run()
    assert all_done(pool) and set(runs(loops).values()) == {1}
    ended = [task.name for event in pool.all(e.Finished) for task in event.tasks]
    for i in range(3, 30):
        assert ended.index(f"t{i - 2}") < ended.index(f"t{i}") > ended.index(f"t{i - 3}")


def test_a_worker_that_comes_late_gets_what_others_hold_but_do_not_run() -> None:
    world = World()
    pool = Pool(world)
    pool.create(*tasks(40))
    first = pool.add("w:1", goes=takes(0.02))
    world.wait(0.1)
    second = pool.add("w:2", goes=takes(0.02))
    world.run()
    assert all_done(pool) and set(runs([first, second]).values()) == {1}
    assert len(second.runner.started) >= 10


def test_a_failed_task_is_tried_again_elsewhere_and_fails_at_last() -> None:
    world = World()
    pool = Pool(world)
    pool.create(*tasks(1, retries=2), Task("after", "x", ("t0",)))
    loops = [pool.add(f"w:{i}", goes=takes(0.1, exit_status=3)) for i in range(3)]
    world.run()
    assert runs(loops) == {"t0": 3} and len({loop.worker.location for loop in loops if loop.runner.started}) > 1
    assert pool.hub.graph.names["t0"].state is State.FAILED
    assert pool.hub.graph.names["after"].state is State.SKIPPED


def test_a_worker_that_gets_a_signal_gives_its_tasks_to_the_others() -> None:
    world = World()
    pool = Pool(world)
    pool.create(*tasks(20))
    loops = [pool.add(f"w:{i}", goes=takes(0.3)) for i in range(2)]
    world.after(1.0, lambda: loops[0].signal(signal.SIGTERM))
    world.after(1.1, lambda: loops[0].signal(signal.SIGTERM))
    world.run()
    assert all_done(pool) and loops[0].has_left
    assert len(loops[0].runner.started) < 6 and sum(runs(loops).values()) == 21, "the killed one runs again"
    (left,) = [event for event in pool.all(e.Left) if event.location == "w:0"]
    assert left.reason == "it signed off" and not left.died


# -- lost and repeated frames -----------------------------------------------------------------------------------------


class Weather:
    """Loses frames and repeats them; `cut` loses all."""

    def __init__(self, seed: int, lost: float = 0.15, twice: float = 0.15) -> None:
        self._chance = random.Random(seed)
        self._lost, self._twice = lost, twice
        self.cut = False

    def __call__(self, frame: bytes) -> int:
        x = self._chance.random()
        return 0 if self.cut or x < self._lost else 2 if x > 1 - self._twice else 1

    def clears(self) -> None:
        self._lost = self._twice = 0.0


@pytest.mark.parametrize("seed", range(8))
def test_frames_that_get_lost_or_come_twice_cost_time_and_no_task(seed: int) -> None:
    world, weather = World(), Weather(seed)
    pool = Pool(world)
    pool.create(*tasks(60))
    loops = [
        pool.add(f"w:{i}", Faulty(weather), slots=2, goes=takes(0.5), policy=OVER_TCP, hub_timeout=60.0)
        for i in range(3)
    ]
    world.run()
    assert all_done(pool) and set(runs(loops).values()) == {1}
    assert all(loop.has_left for loop in loops), "one whose dismissal got lost gives up"
    assert not pool.all(e.Failed)


@pytest.mark.parametrize("seed", range(4))
def test_output_arrives_whole_and_once_whatever_gets_lost(seed: int) -> None:
    world, weather = World(), Weather(seed)
    pool = Pool(world, Hub(Policy(losses=100), Welcome(output=True)))
    pool.create(*tasks(5))
    loops = [
        pool.add(f"w:{i}", Faulty(weather), goes=takes(2.0, prints=LONG), policy=OVER_TCP, hub_timeout=60.0)
        for i in range(2)
    ]
    world.after(200.0, weather.clears)  # a piece that is lost again and again loses its attempt
    world.run()
    assert all_done(pool) and all(loop.has_left for loop in loops)
    lost = {task.name for event in pool.all(e.Requeued) if event.cause is Cause.NO_OUTPUT for task in event.tasks}
    for node in pool.hub.graph.names.values():
        if node.name not in lost:
            assert printed(pool.heard, node.id) == LONG


def printed(heard: Iterable[Event], id: int) -> bytes:
    return b"".join(event.data for event in heard if isinstance(event, e.Printed) and event.id == id)


# -- workers that vanish and return -----------------------------------------------------------------------------------


class Away:
    """A hub and a worker that can be cut off from it, and others; its task takes as long as a test says."""

    def __init__(self, seconds: float, others: int = 1) -> None:
        self.world, self.weather = World(), Weather(0, 0.0, 0.0)
        policy = Policy(silence=20.0)
        self.pool = Pool(self.world, Hub(policy, Welcome(beat=policy.beat)))
        self.pool.create(*tasks(1))
        options: dict[str, Any] = {"goes": takes(seconds), "policy": OVER_TCP, "hub_timeout": 600.0}
        self.loop = self.pool.add("w:0", Faulty(self.weather), **options)
        self.world.settle()
        self.others = [self.pool.add(f"w:{i + 1}", **options) for i in range(others)]
        assert self.loop.runner.started == ["t0"]

    def vanish(self, seconds: float) -> None:
        self.weather.cut = True
        self.world.wait(seconds)
        self.weather.cut = False

    @property
    def runs(self) -> int:
        return sum(runs([self.loop, *self.others]).values())


def test_a_worker_that_is_away_for_a_moment_is_not_missed() -> None:
    at = Away(30.0)
    at.vanish(15.0)
    at.world.run()
    assert all_done(at.pool) and at.runs == 1 and not [left for left in at.pool.all(e.Left) if left.died]


def test_a_worker_that_was_given_up_returns_with_its_task_and_goes_on_if_nobody_else_has_it() -> None:
    at = Away(100.0, others=0)
    at.vanish(60.0)
    assert [left.died for left in at.pool.all(e.Left)] == [True]
    at.world.run()
    assert all_done(at.pool) and at.runs == 1 and at.world.now < 1120.0


def test_when_both_run_it_the_first_to_finish_counts_and_the_other_is_killed() -> None:
    at = Away(100.0)
    at.vanish(60.0)
    assert at.runs == 2
    at.world.run()
    assert all_done(at.pool) and at.world.now < 1120.0, "it does not wait for the later one"
    (finished,) = at.pool.all(e.Finished)
    assert finished.location == "w:0"
    assert at.others[0].has_left and at.others[0].runner.cut_short == []


def test_what_it_has_finished_while_it_was_away_counts_when_it_returns() -> None:
    at = Away(30.0, others=0)
    at.vanish(100.0)
    at.world.run()
    assert all_done(at.pool) and at.runs == 1


def test_a_worker_whose_process_stands_still_comes_back_and_goes_on() -> None:
    at = Away(100.0, others=0)
    at.loop.seat.suspend(700.0)  # longer than it would wait for its hub
    at.world.run()
    assert all_done(at.pool) and at.loop.error is None and at.runs == 1


def test_a_hub_that_stands_still_gives_up_no_worker() -> None:
    at = Away(100.0)
    at.pool.seat.suspend(90.0)
    at.world.run()
    assert all_done(at.pool) and at.runs == 1 and not [left for left in at.pool.all(e.Left) if left.died]


def test_a_worker_that_is_gone_for_good_costs_its_task_one_run() -> None:
    at = Away(10.0)
    at.loop.seat.suspend(1e9)
    at.world.run(lambda: not at.pool.seat.is_open)
    assert all_done(at.pool) and at.runs == 2
    assert at.pool.hub.graph.names["t0"].attempt == 2


def test_a_worker_whose_hub_vanishes_gives_up_and_its_tasks_end() -> None:
    world, weather = World(), Weather(0, 0.0, 0.0)
    pool = Pool(world)
    pool.create(*tasks(1))
    loop = pool.add("w:0", Faulty(weather), goes=takes(1000.0), policy=OVER_TCP, hub_timeout=60.0)
    world.wait(1.0)
    weather.cut = True
    world.wait(70.0)
    assert isinstance(loop.error, TransportError) and loop.runner.cut_short == ["t0"]


# -- a hub that is restored -------------------------------------------------------------------------------------------


class Kept:
    """A hub with a record, which can die at any moment, and rise again from what stands on disk."""

    def __init__(self, directory: Path) -> None:
        self.world = World()
        self._path = directory / "0.db"
        self._stores: list[Store] = []
        self._ends: dict[str, Inproc] = {}
        self.pool = self._open()

    def _open(self) -> Pool:
        store = Store(str(self._path), RUN, lambda name: pool.hub.graph.number(name))
        self._stores.append(store)
        pool = Pool(self.world, None, store, idle=store.idle)
        entries = store.recover(self.world.now)
        pool.loop.carry_out(pool.hub.restore(entries, self.world.now, store.slots(), store.next_id()))
        return pool

    def add(self, name: str, **more: Any) -> Loop:
        self._ends[name] = Inproc()
        return self.pool.add(name, self._ends[name], policy=OVER_TCP, hub_timeout=60.0, **more)

    def die(self) -> None:
        """Without a word: what was on its way is lost."""
        self.pool.seat.is_open = False
        self._path = killed(self._path, self._path.with_name(f"{len(self._stores)}.db"))
        for end in self._ends.values():
            end.peers["hub"] = (Inproc(), "nobody")

    def rise(self) -> None:
        self.pool = self._open()
        for name, end in self._ends.items():
            reconnect(end, self.pool.end, name)

    def close(self) -> None:
        for store in self._stores:
            store.close(self.world.now, "done")


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    kept = Kept(tmp_path)
    yield kept
    kept.close()


def test_a_hub_that_is_restored_in_the_middle_runs_nothing_twice(kept: Kept) -> None:
    kept.pool.create(*tasks(30))
    loops = [kept.add(f"w:{i}", slots=2, goes=takes(1.0)) for i in range(2)]
    kept.world.wait(3.5)
    kept.die()
    kept.world.wait(10.0)
    kept.rise()
    kept.world.run()
    assert all_done(kept.pool) and set(runs(loops).values()) == {1}
    assert all(loop.has_left and loop.error is None for loop in loops)


@pytest.mark.parametrize("at", [0.0, 0.9, 1.0, 1.01, 1.5, 2.0])
def test_the_moment_of_its_death_does_not_matter(kept: Kept, at: float) -> None:
    kept.pool.create(*tasks(12), Task("last", "x", ("t3", "t9")))
    loops = [kept.add(f"w:{i}", goes=takes(0.5)) for i in range(3)]
    kept.world.wait(at)
    for _ in range(3):
        kept.die()
        kept.rise()
        kept.world.wait(0.7)
    kept.world.run()
    assert all_done(kept.pool) and set(runs(loops).values()) == {1}


def test_a_worker_that_does_not_return_to_a_restored_hub_is_given_up(kept: Kept) -> None:
    kept.pool.create(*tasks(2))
    lost, other = [kept.add(f"w:{i}", goes=takes(5.0)) for i in range(2)]
    kept.world.wait(1.0)
    kept.die()
    lost.seat.is_open = False
    kept.rise()
    kept.world.run(lambda: not kept.pool.seat.is_open)
    assert all_done(kept.pool) and other.runner.started == ["t1", "t0"]


# -- a stop in the middle ---------------------------------------------------------------------------------------------


def stopped(*, running: bool, in_doubt: bool = False) -> tuple[World, Pool, list[Loop]]:
    """A pool of two workers with tasks of a second, stopped half a second after some have ended."""
    world = World()
    pool = Pool(world)
    pool.create(*tasks(20))
    loops = [pool.add(f"w:{i}", slots=2, goes=takes(1.0)) for i in range(2)]
    world.wait(2.5)
    hub = pool.hub
    step = hub.end_of_job(world.now, "SIGTERM") if in_doubt else hub.drain(world.now, "stopped", running=running)
    pool.loop.carry_out(step)
    pool.seat.poke()
    world.run()
    assert all(loop.has_left and loop.error is None for loop in loops)
    return world, pool, loops


def test_a_stop_lets_running_tasks_finish_and_starts_no_others() -> None:
    world, pool, loops = stopped(running=False)
    assert pool.hub.graph.counts[State.DONE] == sum(runs(loops).values()) == 12
    assert world.now == pytest.approx(1003.0, abs=0.1)


def test_a_stop_at_once_kills_them_and_they_are_left_to_the_next_run() -> None:
    world, pool, loops = stopped(running=True)
    assert pool.hub.graph.counts[State.DONE] == 8 and pool.hub.graph.counts[State.READY] == 12
    assert sum(runs(loops).values()) == 12 and len(pool.all(e.Interrupted)) == 4
    assert world.now == pytest.approx(1002.5, abs=0.1)


def test_at_the_end_of_the_job_what_ended_in_the_last_second_does_not_count() -> None:
    _, pool, _ = stopped(running=True, in_doubt=True)
    assert pool.hub.graph.counts[State.DONE] == 4
    assert [len(event.tasks) for event in pool.all(e.Revoked)] == [4]


def test_a_worker_that_was_away_at_the_stop_is_told_when_it_returns() -> None:
    at = Away(100.0, others=0)
    at.weather.cut = True
    at.pool.loop.carry_out(at.pool.hub.drain(at.world.now, "stopped", running=True))
    at.world.wait(5.0)
    at.weather.cut = False
    at.world.run()
    assert at.pool.hub.graph.counts[State.READY] == 1 and at.loop.has_left
    assert at.world.now < 1050.0


def test_a_worker_on_which_everything_fails_costs_no_task(tmp_path: Path) -> None:
    world = World()
    pool = Pool(world)
    pool.create(*tasks(60))
    good = [pool.add(f"good:{n}", goes=takes(0.2)) for n in range(2)]
    bad = pool.add("bad:1", goes=takes(0.005, exit_status=1))
    world.run()
    assert all_done(pool) and len(bad.runner.started) < 20
    assert runs(good) == Counter(f"t{i}" for i in range(60))
    assert [event.location for event in pool.all(e.Excluded)] == ["bad:1"]
