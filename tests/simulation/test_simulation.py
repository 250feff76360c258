"""Whole pools: what a user relies on, whatever happens to workers, links, hub and tasks.

It ends, each task ends once, none runs before its predecessors, and without faults each attempt runs once.
`.ci/long pools` tries many more pools, other ones each time.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dwork.core import messages as m
from dwork.core.resources import Resources
from dwork.core.task import Options, State, Task
from dwork.hub.policy import Policy
from dwork.worker.worker import WorkerPolicy
from tests.long import LONG, rounds, seeds
from tests.simulation.pool import CAREFUL, HAS, Faults, Pool, Runs
from tests.simulation.random_pool import RandomPool

# -- plans ------------------------------------------------------------------------------------------------------------

SECONDS = st.sampled_from([0.0, 0.0005, 0.003, 0.02, 0.3, 1.7, 6.0])


#: What a member has that can run only some of the tasks; and what these ask for.
SMALL = Resources(2, 2 << 30, 0)
OPTIONS = (
    Options(), Options(priority=1), Options(cores=3), Options(), Options(gpus=1), Options(cores=2, memory=3 << 30),
    Options(memory=2 << 30, priority=-1),
)  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """tasks: (seconds, failures, join, predecessors as indices of earlier tasks)."""

    tasks: tuple[tuple[float, int, bool, tuple[int, ...]], ...]
    slots: tuple[int, ...]
    seed: int
    late: int  # so many of the tasks are created while others run

    def definitions(self) -> list[Task]:
        return [
            Task(
                f"t{i}",
                None if join else f"t{i}",
                tuple(f"t{p}" for p in sorted(after) if not self._is_any(i, p)),
                OPTIONS[(i + self.seed) % 7],
                after_any=tuple(f"t{p}" for p in sorted(after) if self._is_any(i, p)),
            )
            for i, (_, _, join, after) in enumerate(self.tasks)
        ]

    def _is_any(self, i: int, p: int) -> bool:
        """Whether task i waits only for the end of task p."""
        return (i + p + self.seed) % 4 == 0

    def runs(self) -> Runs:
        return Runs(
            {f"t{i}": seconds for i, (seconds, *_) in enumerate(self.tasks)},
            {f"t{i}": n for i, (_, n, *_) in enumerate(self.tasks) if n},
        )


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    n = draw(st.integers(1, 14))
    tasks = []
    for i in range(n):
        after = draw(st.sets(st.integers(0, i - 1), max_size=3)) if i else set()
        is_join = draw(st.integers(0, 9)) == 9
        tasks.append((draw(SECONDS), draw(st.sampled_from([0, 0, 0, 0, 1, 2])), is_join, tuple(after)))
    slots = draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))
    return Plan(tuple(tasks), tuple(slots), draw(st.integers(0, 999)), draw(st.integers(0, n - 1)))


def prepare(plan: Plan, faults: Faults, policy: WorkerPolicy, second: Resources = HAS, prints: int = 0) -> Pool:
    """second: what every other member has; prints: pieces of output of every other task."""
    runs = plan.runs()
    runs.prints = {f"t{i}": prints for i in range(0, len(plan.tasks), 2)} if prints else {}
    pool = Pool(runs, Policy(retries=1, exclude=False), faults, plan.seed)
    tasks = plan.definitions()
    early = len(tasks) - plan.late
    pool.create(*tasks[:early], Task("keep-open", "keep-open"))
    pool.runs.seconds["keep-open"] = 1.0
    if plan.late:
        pool.at(0.5, lambda: pool.create(*tasks[early:]))
    for i, slots in enumerate(plan.slots):
        has = second if i % 2 else HAS
        pool.at(0.1 * i, lambda i=i, slots=slots, has=has: pool.join(f"w{i}", slots, policy, has))
    return pool


def conclude(pool: Pool, faults: Faults) -> None:
    pool.run()
    graph = pool.hub.graph
    for node in graph.nodes:
        if node.is_join:
            continue
        assert node.state in (State.DONE, State.FAILED, State.SKIPPED), node
        ran = sum(n for (id, _), n in pool.runs.started.items() if id == node.id)
        assert (ran > 0) == (node.state is not State.SKIPPED)
        assert (node.state is State.DONE) <= (pool.runs.failures.get(node.name, 0) < node.attempt)
        if not faults.any:
            assert ran == node.attempt == min(2, pool.runs.failures.get(node.name, 0) + 1) * (ran > 0)
            assert max((n for (id, _), n in pool.runs.started.items() if id == node.id), default=1) == 1


FEW = settings(max_examples=rounds(30, 2000), deadline=None, derandomize=not LONG)


@given(plans())
@FEW
def test_without_faults_each_attempt_runs_once_and_all_leave(plan: Plan) -> None:
    """As over MPI: no frame is lost, and workers wait for ever."""
    conclude(prepare(plan, Faults(), WorkerPolicy()), Faults())


@given(plans())
@FEW
def test_workers_need_not_be_alike(plan: Plan) -> None:
    conclude(prepare(plan, Faults(), WorkerPolicy(), SMALL), Faults())


@given(plans(), st.integers(1, 2))
@FEW
def test_peers_of_the_original_dialect_and_ours_share_the_work(plan: Plan, n: int) -> None:
    pool = prepare(plan, Faults(), WorkerPolicy())
    for i in range(n):
        pool.at(0.05 * i, lambda i=i: pool.join_original(f"vm{i}"))
    conclude(pool, Faults())


@given(plans(), st.sampled_from([5, 20, 40]), st.sampled_from([0, 20]))
@FEW
def test_lost_late_and_repeated_frames_cost_time_and_nothing_else(plan: Plan, drop: int, duplicate: int) -> None:
    faults = Faults(drop=drop, duplicate=duplicate)
    conclude(prepare(plan, faults, CAREFUL, SMALL if plan.seed % 2 else HAS), faults)


@given(
    plans(),
    st.lists(
        st.tuples(st.sampled_from([0.001, 0.1, 0.3, 1.0, 2.5, 4.0]), st.sampled_from(m.Verb), st.integers(0, 13)),
        min_size=1,
        max_size=12,
    ),
    st.booleans(),
)
@FEW
def test_whatever_people_do_to_tasks_each_ends_once(
    plan: Plan, orders: list[tuple[float, m.Verb, int]], shares: bool
) -> None:
    pool = prepare(plan, Faults(), WorkerPolicy(), SMALL)
    pool.runs.seconds["keep-open"] = 10.0
    if shares:
        pool.join_original("vm")
    for time, verb, i in (*orders, (9.0, m.Verb.RELEASE, -1)):
        pool.at(time, lambda verb=verb, i=i: pool.order(verb, f"t{i}" if i >= 0 else "*"))
    pool.run()
    assert not any(node.state.is_active for node in pool.hub.graph.nodes)


@given(plans(), st.sampled_from([1, 3, 12]), st.sampled_from([0, 5, 20]), st.sampled_from([0, 20]), st.integers(0, 2))
@FEW
def test_no_task_ends_with_less_output_than_it_has_printed(
    plan: Plan, prints: int, drop: int, duplicate: int, n: int
) -> None:
    faults = Faults(drop=drop, duplicate=duplicate, vanish=n)
    pool = prepare(plan, faults, CAREFUL, prints=prints)
    for i in range(n):  # one dies, and one is only thought to be dead
        pool.at(0.4 + i, lambda i=i: pool.vanish(f"w{i % len(plan.slots)}"))
        pool.at(0.6 + i, lambda i=i: pool.join(f"new{i}", 1 + i % 2, CAREFUL))
        if not duplicate:  # no transport brings a frame again that came before it said so
            pool.at(0.9 + i, lambda i=i: pool.lose(f"new{i}", "it seems dead"))
    conclude(pool, faults)


@given(
    plans(), st.integers(1, 4), st.sampled_from([0, 10]), st.lists(st.sampled_from([0.01, 0.3, 1.0, 2.5]), min_size=4)
)
@FEW
def test_workers_may_vanish_and_others_come(plan: Plan, n: int, drop: int, times: list[float]) -> None:
    faults = Faults(drop=drop, duplicate=drop, vanish=n)
    pool = prepare(plan, faults, CAREFUL)
    time = 0.05
    for i in range(n):
        time += times[i]
        pool.at(time, lambda i=i: pool.vanish(f"w{i % len(plan.slots)}"))
        pool.at(time + 0.2, lambda i=i: pool.join(f"new{i}", 1 + i % 2, CAREFUL))
    conclude(pool, faults)


@given(plans(), st.sampled_from([0.0, 0.15, 0.6, 1.2]), st.booleans(), st.sampled_from([0, 20]))
@FEW
@example(Plan(((6.0, 0, False, ()),), (1,), 0, 0), 0.6, True, 0)
def test_a_stopped_pool_ends_soon_with_nothing_in_anybodys_hands(
    plan: Plan, when: float, running: bool, drop: int
) -> None:
    faults = Faults(drop=drop)
    pool = prepare(plan, faults, CAREFUL)
    pool.at(when, lambda: pool.follow(pool.hub.drain(pool.now, "enough", running=running)))
    pool.run()
    assert not pool.hub.graph.counts[State.ASSIGNED]
    if not drop:
        longest = max(pool.runs.seconds.values())
        assert pool.now <= when + (CAREFUL.wait if running else longest + CAREFUL.wait) + 1.0


@given(plans(), st.sampled_from([0.3, 0.7]), st.booleans(), st.sampled_from([0, 20]))
@FEW
def test_a_worker_that_leaves_loses_nothing(plan: Plan, when: float, running: bool, drop: int) -> None:
    faults = Faults(drop=drop)
    pool = prepare(plan, faults, CAREFUL)

    def leave() -> None:
        pool.join("other", 1, CAREFUL)
        if "w0" in pool.actors:
            pool.actors["w0"].worker.leave(running=running)
            pool.actors["w0"].act()

    pool.at(when, leave)
    pool.run()
    assert not pool.hub.graph.active


@pytest.mark.parametrize("slots", [1, 4])
def test_a_worker_thought_dead_that_is_not_does_no_harm(slots: int) -> None:
    runs = Runs({str(i): 0.4 for i in range(40)})
    pool = Pool(runs, faults=Faults(vanish=1))
    pool.create(*(Task(str(i), str(i)) for i in range(40)))
    pool.join("w", slots, CAREFUL)
    pool.join("v", slots, CAREFUL)
    for time in (0.5, 0.9, 1.3, 2.0):
        pool.at(time, lambda: pool.lose("w", "it seems dead"))
    conclude(pool, pool.faults)


def test_many_short_tasks_take_few_messages() -> None:
    n = 2000
    pool = Pool(Runs({}))
    pool.create(*(Task(str(i), str(i)) for i in range(n)))
    pool.join("a")
    pool.join("b")
    pool.run()
    assert len(pool.transcript) < n / 20
    assert len(pool.runs.started) == n


def test_long_tasks_spread_over_all_workers() -> None:
    pool = Pool(Runs({str(i): 10.0 for i in range(8)}))
    pool.create(*(Task(str(i), str(i)) for i in range(8)))
    for name in "abcd":
        pool.join(name)
    pool.run()
    assert pool.now < 20.2


def test_who_is_full_with_a_large_task_does_not_ask_for_small_ones_all_the_time() -> None:
    names = [f"small-{i}" for i in range(20)]
    pool = Pool(Runs({"large": 60.0, **dict.fromkeys(names, 5.0)}))
    pool.create(Task("large", "large", (), Options(cores=4)), *[Task(name, name) for name in names])
    pool.join("w0", 3)
    pool.join("w1", 1)
    pool.run()
    assert len(pool.transcript) < 100


def test_uneven_run_times_leave_no_worker_idle_for_long() -> None:
    """Short tasks make a worker greedy; when long ones follow, what it cannot start goes to the others."""
    seconds = {str(i): 0.001 for i in range(200)} | {str(i): 5.0 for i in range(200, 208)}
    pool = Pool(Runs(seconds))
    pool.create(*(Task(name, name) for name in seconds))
    for name in "abcd":
        pool.join(name)
    pool.run()
    assert pool.now < 10.5


def test_the_transcript_of_a_small_pool() -> None:
    pool = Pool(Runs({"a": 1.0, "b": 0.5, "c": 0.25, "d": 0.25}, {"b": 1}), Policy(retries=1, delay=0))
    pool.create(Task("a", "a"), Task("b", "b"), Task("c", "c", ("a", "b")), Task("d", "d", ("a", "b")))
    pool.join("v")
    pool.join("w")
    pool.run()
    assert pool.transcript == TRANSCRIPT


TRANSCRIPT = [
    "v > Steal #1 1",
    "w > Steal #1 1",
    "v < Welcome",
    "v < Transfer =1 a/1",
    "w < Welcome",
    "w < Transfer =1 b/1",
    "w > Complete #2 1:1 steal 1",
    "w < Transfer =2 b/2",
    "v > Complete #2 0:0 steal 1",
    "v < OK =2",
    "w > Complete #3 1:0 steal 1",
    "w < Transfer =3 c/1",
    "v < Transfer =2 d/1",
    "w > Complete #4 2:0 steal 1",
    "v > Complete #3 3:0 steal 1",
    "w < OK =4",
    "v < Exit =3",
    "w < Exit",
]


@pytest.mark.parametrize("seed", seeds(20, 1000))
def test_a_pool_to_which_everything_happens_keeps_its_promises(seed: int) -> None:
    print(f"DWORK_SEED={seed} DWORK_ROUNDS=1 runs this pool alone")
    RandomPool(seed).run()
