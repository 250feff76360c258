"""Workers on which tasks fail that succeed elsewhere get no more tasks; what failed there runs again, at no charge."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dwork.core import events as e
from dwork.core import messages as m
from dwork.core.cause import Cause
from dwork.core.messages import Native
from dwork.core.resources import Resources
from dwork.core.task import Result
from dwork.hub.exclusions import FEWEST, QUICK, SUSPICION
from dwork.hub.policy import Policy
from tests.stage import INF, Stage, complete, finish, steal, task, told

#: A worker that has what others have.
SMALL = Resources(1, 0, 0)


class Scene(Stage):
    """A hub, and workers of one slot that ask for a task when a test says; each peer has the name of its worker."""

    def __init__(self, *workers: str, policy: Policy | None = None, has: Resources = SMALL) -> None:
        super().__init__(policy)
        self._numbers = dict.fromkeys(workers, 0)
        for worker in workers:
            self.say(worker, m.Beat(worker, Native(1, INF, self._next(worker), hello=True, has=has)))
        self.take()

    def _next(self, worker: str) -> int:
        self._numbers[worker] += 1
        return self._numbers[worker]

    def gets(self, worker: str) -> str | None:
        """The task that a worker gets; None when it waits."""
        self.say(worker, steal(worker, self._next(worker)))
        return self.given(worker)

    def given(self, worker: str) -> str | None:
        """The task that a worker that waits has got meanwhile."""
        names = [name for to, message in self.take() if to == worker and isinstance(message, m.Transfer)
                 for name in told(message)]  # fmt: skip
        return names[0] if names else None

    def ends(self, worker: str, name: str, status: int = 0, seconds: float = 0.01, cause: Cause = Cause.ITSELF) -> None:
        node = self.hub.graph.names[name]
        result = Result(node.id, node.attempt, status, seconds=seconds, cause=cause)
        self.say(worker, complete(worker, self._next(worker), result))
        self.take()

    def fail_in_a_row(self, worker: str, n: int = FEWEST, **more: float) -> list[str]:
        failed = []
        for _ in range(n):
            name = self.gets(worker)
            assert name is not None
            self.ends(worker, name, 1, **more)
            failed.append(name)
        return failed

    def why(self, worker: str) -> str:
        return self.hub.exclusions.reason(worker)

    def all(self, kind: type[e.Event]) -> list[e.Event]:
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene("bad", "good", "also good")
    scene.create(*[f"t{n}" for n in range(12)])
    yield scene
    finish(scene)


def test_a_task_that_succeeds_elsewhere_convicts_the_worker_and_all_its_tasks_run_again(scene: Scene) -> None:
    failed = scene.fail_in_a_row("bad")
    assert scene.states(*failed) == "failed failed failed failed ready"
    assert scene.gets("bad") is None and scene.why("bad").startswith("suspected: 5 tasks in a row failed there")
    assert scene.gets("good") == failed[-1]  # it is first in line
    assert not scene.all(e.Excluded)
    scene.ends("good", failed[-1])
    assert scene.states(*failed) == "ready ready ready ready done"
    (excluded,) = scene.all(e.Excluded)
    assert excluded == e.Excluded(scene.now, "bad", "5 tasks in a row failed there, and #4 t4 succeeded on good", [])
    (revived,) = scene.all(e.Revived)
    assert isinstance(revived, e.Revived) and [named.name for named in revived.tasks] == failed[:-1]
    for _ in range(12 - 1):
        name = scene.gets("good")
        assert name is not None
        scene.ends("good", name)
    assert scene.hub.over and set(scene.states().split()) == {"done"}


def test_failures_on_a_suspect_are_no_failures_of_the_tasks() -> None:
    scene = Scene("bad", "good", policy=Policy(retries=1, delay=0.0))
    scene.create(*[f"t{n}" for n in range(8)])
    failed = scene.fail_in_a_row("bad")
    assert [scene.hub.graph.names[name].failures for name in failed] == [1, 1, 1, 1, 0]
    assert scene.gets("good") == failed[-1]
    scene.ends("good", failed[-1])
    assert [scene.hub.graph.names[name].failures for name in failed] == [0] * 5
    (excluded,) = scene.all(e.Excluded)
    assert isinstance(excluded, e.Excluded) and [named.name for named in excluded.forgiven] == failed[:-1]
    finish(scene)


def test_a_task_that_fails_elsewhere_too_is_at_fault_and_the_worker_gets_tasks_again(scene: Scene) -> None:
    failed = scene.fail_in_a_row("bad")
    assert scene.gets("bad") is None
    assert scene.gets("good") == failed[-1]
    scene.ends("good", failed[-1], 1)
    assert scene.states(*failed) == "failed failed failed failed failed"
    assert scene.why("bad") == "" and not scene.all(e.Excluded)
    assert [node.name for node in scene.hub.workers["bad"].held.values()] == ["t5"]  # its Steal has waited


def test_the_next_suspicion_takes_twice_as_many_failures() -> None:
    scene = Scene("bad", "good")
    scene.create(*[f"t{n}" for n in range(30)])
    last = scene.fail_in_a_row("bad")[-1]
    assert scene.gets("good") == last
    scene.ends("good", last, 1)
    scene.fail_in_a_row("bad", 2 * FEWEST - 1)
    assert scene.why("bad") == ""
    scene.fail_in_a_row("bad", 1)
    assert scene.why("bad").startswith("suspected: 10 tasks")
    finish(scene)


def test_when_all_tasks_fail_everywhere_no_worker_is_excluded_and_each_task_fails() -> None:
    scene = Scene("a", "b", "c")
    scene.create(*[f"t{n}" for n in range(60)])
    workers = ["a", "b", "c"]
    while not scene.hub.over:
        for worker in workers:
            held = [node.name for node in scene.hub.workers[worker].held.values()]
            name = held[0] if held else scene.gets(worker)
            if name is not None:
                scene.ends(worker, name, 1)
    assert not scene.all(e.Excluded) and set(scene.states().split()) == {"failed"}
    attempts = [node.attempt for node in scene.hub.graph.names.values()]
    assert sum(attempts) < 60 * 1.2
    scene.take()
    finish(scene)


def test_a_success_ends_the_row(scene: Scene) -> None:
    scene.fail_in_a_row("bad", FEWEST - 1)
    name = scene.gets("bad")
    assert name is not None
    scene.ends("bad", name)
    scene.fail_in_a_row("bad", FEWEST - 1)
    assert scene.why("bad") == ""


@pytest.mark.parametrize("more", [{"seconds": QUICK + 1}, {"cause": Cause.TIMEOUT}, {"cause": Cause.MEMORY}])
def test_slow_failures_and_those_that_the_task_causes_do_not_count(scene: Scene, more: dict) -> None:
    scene.fail_in_a_row("bad", FEWEST + 1, **more)
    assert scene.why("bad") == ""


def test_the_only_worker_is_never_suspected() -> None:
    scene = Scene("only")
    scene.create(*[f"t{n}" for n in range(10)])
    scene.fail_in_a_row("only", 10)
    assert scene.states() == " ".join(["failed"] * 10)
    finish(scene)


def test_a_worker_that_alone_can_run_some_tasks_is_never_suspected() -> None:
    scene = Scene("good")
    scene._numbers["gpu"] = 0
    scene.say("gpu", m.Beat("gpu", Native(1, INF, scene._next("gpu"), hello=True, has=Resources(1, 0, 1))))
    scene.take()
    scene.create(*[task(f"t{n}", gpus=1) for n in range(10)])
    scene.fail_in_a_row("gpu", 10)
    assert scene.why("gpu") == "" and scene.states() == " ".join(["failed"] * 10)
    finish(scene)


def test_a_suspect_gets_a_task_that_only_it_has_the_memory_for() -> None:
    scene = Scene("good", has=Resources(1, 1 << 30, 0))
    scene._numbers["large"] = 0
    native = Native(1, INF, scene._next("large"), hello=True, has=Resources(1, 8 << 30, 0))
    scene.say("large", m.Beat("large", native))
    scene.take()
    scene.create(*[f"t{n}" for n in range(FEWEST)])
    failed = scene.fail_in_a_row("large")
    assert scene.why("large").startswith("suspected") and scene.gets("large") is None
    scene.say("client", m.Create((task("needs much", memory=4 << 30),)))
    assert scene.why("large") == "" and scene.given("large") == "needs much"
    assert scene.states(*failed) == "failed failed failed failed ready"
    finish(scene)


def test_at_most_half_of_the_workers_are_suspected() -> None:
    scene = Scene("a", "b", "c")
    scene.create(*[f"t{n}" for n in range(30)])
    scene.fail_in_a_row("a")
    name = scene.gets("b")  # t4 again, so b fails another
    assert name == "t4"
    scene.fail_in_a_row("c", FEWEST + 2)
    assert scene.why("a") and not scene.why("b") and not scene.why("c")
    finish(scene)


def test_a_suspect_gets_tasks_again_when_nothing_decides(scene: Scene) -> None:
    scene.fail_in_a_row("bad")
    assert scene.gets("bad") is None and scene.hub.deadline == scene.now + SUSPICION
    scene.wait(SUSPICION)
    assert scene.why("bad") == "" and scene.given("bad") == "t5"  # not the one that has failed there
    scene.ends("bad", "t5", 1)
    scene.fail_in_a_row("bad", FEWEST - 1)
    assert scene.why("bad").startswith("suspected: 10")  # the row goes on


def test_an_excluded_worker_gets_tasks_again_when_too_few_others_are_left(scene: Scene) -> None:
    last = scene.fail_in_a_row("bad")[-1]
    assert scene.gets("good") == last
    scene.ends("good", last)
    assert scene.gets("bad") is None
    scene.lose("good", "also good")
    assert scene.all(e.Included) == [e.Included(scene.now, "bad", "there are too few other workers")]
    assert scene.given("bad") is not None


def test_somebody_gives_an_excluded_worker_tasks_again(scene: Scene) -> None:
    last = scene.fail_in_a_row("bad")[-1]
    assert scene.gets("good") == last
    scene.ends("good", last)
    assert scene.gets("bad") is None
    scene.say("boss", m.Include(("b*",)))
    sent = scene.take()
    assert ("boss", m.OK(n=1)) in sent and any(to == "bad" and isinstance(x, m.Transfer) for to, x in sent)
    assert scene.all(e.Included) == [e.Included(scene.now, "bad", "on request")]
    reply = scene.ask("boss", m.Include(("b*",)))
    assert isinstance(reply, m.Error) and "no excluded worker" in reply.text


def test_an_excluded_worker_that_was_away_stays_excluded(scene: Scene) -> None:
    last = scene.fail_in_a_row("bad")[-1]
    assert scene.gets("good") == last
    scene.ends("good", last)
    scene.lose("bad")
    scene.say("bad", m.Beat("bad", Native(1, INF, 1, hello=True, has=SMALL)))
    scene.take()
    scene._numbers["bad"] = 1
    assert scene.gets("bad") is None and scene.why("bad").startswith("excluded: ")


def test_without_exclusion_every_failure_counts() -> None:
    scene = Scene("bad", "good", policy=Policy(exclude=False))
    scene.create(*[f"t{n}" for n in range(10)])
    scene.fail_in_a_row("bad", 10)
    assert scene.states() == " ".join(["failed"] * 10)
    finish(scene)


def test_what_a_suspect_still_holds_runs_elsewhere_without_a_charge() -> None:
    scene = Scene("good")
    scene.create(*[f"t{n}" for n in range(FEWEST + 1)])
    native = {"slots": FEWEST}
    scene.say("bad", steal("bad", 1, FEWEST, **native))
    scene.say("bad", steal("bad", 2, 1, **native))
    scene.say("big", m.Beat("big", Native(FEWEST, INF, 1, hello=True)))
    assert [told(message) for _, message in scene.take() if isinstance(message, m.Transfer)][1] == ["t5"]
    for n in range(FEWEST + 1):
        scene.say("bad", complete("bad", 3 + n, Result(n, 1, 1), **native))
    assert scene.states() == "failed failed failed failed ready ready"
    assert any(to == "bad" and isinstance(message, m.Recall) for to, message in scene.take())
    assert {scene.gets("good"), scene.hub.graph.names["t4"].failures, scene.hub.graph.names["t5"].failures} == {"t5", 0}
    finish(scene)
