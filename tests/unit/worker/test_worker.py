"""A worker's decisions: how far ahead it steals, when it reports, what it gives back, how it leaves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwork.core import messages as m
from dwork.core.peer_version import Version
from dwork.core.resources import Resources
from dwork.core.task import Assigned
from dwork.worker.worker import Worker, WorkerPolicy
from tests.unit.worker.bench import CAREFUL, INF, Bench, with_queue

# -- what holds whatever happens --------------------------------------------------------------------------------------

MOVES = st.lists(
    st.tuples(
        st.sampled_from(["wait", "give", "end", "ok", "nothing", "recall", "cancel", "welcome", "leave", "late"]),
        st.integers(0, 6),
    ),
    max_size=40,
)


@given(
    MOVES, st.integers(1, 3), st.sampled_from([WorkerPolicy(), CAREFUL, WorkerPolicy(wait=0.0, patience=1.0, most=4)])
)
def test_whatever_happens_it_neither_spins_nor_oversleeps_nor_steals_nothing(
    moves: list[tuple[str, int]], slots: int, policy: WorkerPolicy
) -> None:
    bench = Bench(slots, policy, greet=False)
    worker = bench.worker
    known: list[m.Message] = []
    for move, k in moves:
        match move:
            case "wait":
                bench.now += (0.0, 0.0005, 0.003, 0.1, 1.0, 15.0, 40.0)[k]
            case "give" if worker.reports.steal:
                bench.given(k, awaited=k == 2)
            case "end" if worker.running:
                bench.runs(next(iter(worker.running)), (0.0, 0.001, 0.01, 1.0)[k % 4], k % 2)
            case "ok" if worker.reports.unanswered:
                bench.hears(m.OK(answers=next(iter(worker.reports.unanswered))))
            case "nothing" if worker.reports.steal:
                bench.hears(m.NotFound(answers=worker.reports.steal))
            case "recall":
                bench.hears(m.Recall(k))
            case "cancel":
                bench.hears(m.Cancel(tuple(worker.running)[:k]))
            case "welcome":
                bench.hears(m.Welcome())
            case "leave" if k == 0:
                worker.leave()
            case "late" if known:
                bench.hears(known[k % len(known)])
        bench.starts()
        said = bench.says()
        for message in said:
            assert not isinstance(message, m.Steal) or message.n >= 1
            assert not isinstance(message, m.Complete) or message.steal >= 0
            if getattr(message, "native", None) and message.native.sequence > 1:
                known.append(m.Transfer((Assigned(1000 + k, 1, "x", "x"),), message.native.sequence - 1))
        assert len(worker.running) <= slots
        if worker.native and not worker.reports.unanswered:
            assert worker.queue or not worker.reports.results, "nobody has heard of these"
        deadline = worker.deadline(bench.now)
        assert deadline > bench.now, "it would spin"
        # Nothing is said before the deadline, but for results that a task's end may take along earlier.
        if deadline < INF:
            quiet = (
                deadline
                if not worker.reports.results or worker.native is False
                else worker.reports._oldest + worker.reports._hold
            )
            for part in (0.3, 0.7, 0.99):
                now = bench.now + part * (min(deadline, quiet) - bench.now)
                if bench.now < now < min(deadline, quiet):
                    assert worker.outbox(now) == []
            if not worker.leaving and move == "wait":
                bench.now = deadline
                bench.starts()
                assert bench.says(), "it has said that it would have something to say"


# -- versions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("again", [False, True])
def test_a_welcome_of_another_protocol_is_kept_for_the_caller_and_not_followed(again: bool) -> None:
    bench = Bench(greet=False)
    bench.says()
    bench.hears(m.Welcome(again=again, version=Version(m.PROTOCOL + 1, "9.9")))
    assert bench.worker.other == Version(m.PROTOCOL + 1, "9.9")
    assert bench.worker.welcome is None and bench.says() == []


def test_an_error_of_another_protocol_is_kept_for_the_caller() -> None:
    bench = Bench(greet=False)
    bench.says()
    bench.hears(m.Error("no", 1, Version(m.PROTOCOL + 1)))
    assert bench.worker.other == Version(m.PROTOCOL + 1, "")


def test_another_dwork_of_the_same_protocol_is_as_good_as_ours() -> None:
    bench = Bench(greet=False)
    bench.says()
    bench.hears(m.Welcome(version=Version(m.PROTOCOL, "9.9")))
    assert bench.worker.other is None and bench.worker.welcome is not None


# -- tasks that cannot be killed --------------------------------------------------------------------------------------


def test_a_lost_slot_is_reported_and_no_longer_filled() -> None:
    bench = Bench(3)
    bench.given(3)
    bench.starts()
    bench.says()
    bench.worker.lose_slot(Resources())
    bench.runs(0, status=137)
    [report] = bench.says()
    assert report.native.slots == 2 and report.native.held == ((1, 1), (2, 1))
    assert report.steal == 0, "the two others fill it"
    bench.runs(1)
    [report] = bench.says()
    assert report.steal == 1


def test_what_a_task_that_cannot_be_killed_asked_for_is_lost_with_its_slot() -> None:
    worker = Worker("w", 2, has=Resources(8, 100, 2))
    worker.receive(m.Welcome(), 0.0)
    worker.lose_slot(Resources(4, 100, 1))
    assert (worker.slots, worker.has) == (1, Resources(4, 1, 1)), "0 bytes of memory would mean that any task fits"


def test_a_worker_without_a_slot_leaves() -> None:
    bench = Bench(1)
    bench.given(1)
    bench.starts()
    bench.says()
    bench.worker.lose_slot(Resources())
    bench.runs(0, status=137)
    [report] = bench.says()
    assert (report.native.slots, report.steal) == (1, 0), "0 slots are those of a C++ worker"
    bench.answers(report)
    assert bench.says() == [m.Exit("w")]


# -- warnings ---------------------------------------------------------------------------------------------------------


def test_a_warning_is_for_tasks_that_run_and_the_others_are_given_back() -> None:
    bench = Bench()
    with_queue(bench)
    bench.hears(m.Warn((0, 1), 10))
    assert bench.worker.warnings() == [(0, 10)] and bench.worker.warnings() == []
    [back] = [message for message in bench.says() if isinstance(message, m.GiveBack)]
    assert [returned.task for returned in back.tasks] == [1]
