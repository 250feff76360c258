"""The hub's loop, rule by rule: in which order it hears, records, sends and rests. The clock is a virtual one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest

from dwork.core import events as e
from dwork.core import messages as m
from dwork.core.events import Event
from dwork.core.messages import Native
from dwork.core.task import State, Task
from dwork.hub.hub import Hub
from dwork.hub.policy import Policy
from dwork.server.hub_loop import REST, HubLoop
from dwork.transport import Peer, wire
from dwork.transport.inproc import Inproc
from tests.world import World


class End(Inproc):
    """A hub's end, whose peers are only names: what each is sent is noted in a journal."""

    def __init__(self, journal: list[Any]) -> None:
        super().__init__()
        self.dropped: list[Peer] = []
        self.gone: set[Peer] = set()
        self._journal = journal

    def gets(self, peer: Peer, *messages: m.Message | bytes) -> None:
        for message in messages:
            self._inbox.append((peer, message if isinstance(message, bytes) else wire.encode(message)))

    def send(self, peer: Peer, frame: bytes) -> None:
        if peer in self.gone:
            self._lost.append(peer)
        else:
            self._journal.append((peer, wire.decode_reply(frame)))

    def drop(self, peer: Peer) -> None:
        self.dropped.append(peer)


class Hall:
    """A hub's loop. journal: what it did, in order: a list of events that were heard, (peer, message) for one sent."""

    def __init__(self, policy: Policy | None = None, **more: Any) -> None:
        self.world = World()
        self.seat = self.world.seat()
        self.journal: list[Any] = []
        self.end = End(self.journal)
        self.hub = Hub(policy)
        self.said: list[str] = []
        self.loop = HubLoop(self.hub, [self.end], [self], self.said.append, clock=self.seat, **more)

    def hear(self, happened: Sequence[Event]) -> None:
        self.journal.append(list(happened))

    def gets(self, peer: Peer, *messages: m.Message | bytes) -> None:
        self.end.gets(peer, *messages)

    def turn(self) -> list[Any]:
        """What one turn does."""
        self.journal.clear()
        self.loop.turn()
        self.hub.check()
        return list(self.journal)

    def joined(self, *locations: str) -> None:
        """Workers that wait for work."""
        for location in locations:
            self.gets(location, hello(location))
        self.turn()

    def rests(self) -> tuple[float, bool] | None:
        """Until when it sleeps, and whether it hurries; None when it does not sleep."""
        before = len(self.seat.slept)
        self.loop.sleep(-1)
        return self.seat.slept[-1][1:] if len(self.seat.slept) > before else None


def hello(location: str, *, wait: float = math.inf, beat: float = 0.0) -> m.Steal:
    return m.Steal(location, 1, Native(1, wait, 1, hello=True, beat=beat))


def kinds(journal: Sequence[Any]) -> list[Any]:
    """The types of events in a list, or of a message."""
    return [[type(one) for one in what] if isinstance(what, list) else type(what[1]) for what in journal]


# -- a turn -----------------------------------------------------------------------------------------------------------


def test_all_that_a_turn_takes_in_is_heard_once_and_before_anything_is_sent() -> None:
    hall = Hall()
    hall.gets("boss", m.Create((Task("a", "a"),)), m.Create((Task("b", "b"),)))
    hall.gets("w:1", hello("w:1"))
    assert kinds(hall.turn()) == [[e.Added, e.Added, e.Joined, e.Stolen], m.OK, m.OK, m.Welcome, m.Transfer]


def test_a_turn_in_which_nothing_happened_is_not_heard() -> None:
    hall = Hall()
    hall.gets("boss", m.OK())
    assert kinds(hall.turn()) == [m.OK]
    assert hall.turn() == []


def test_when_a_listener_cannot_go_on_nothing_is_sent() -> None:
    hall = Hall()

    class Full:
        def hear(self, happened: Sequence[Event]) -> None:
            raise OSError("the disk is full")

    hall.loop.listen(Full())
    hall.gets("boss", m.Create((Task("a", "a"),)))
    with pytest.raises(OSError, match="full"):
        hall.turn()
    assert kinds(hall.journal) == [[e.Added]]


def test_a_listener_that_comes_late_hears_after_the_others() -> None:
    hall, heard = Hall(), []

    class Late:
        def hear(self, happened: Sequence[Event]) -> None:
            heard.append(len(hall.journal))

    hall.loop.listen(Late())
    hall.gets("boss", m.Create((Task("a", "a"),)))
    hall.turn()
    assert heard == [1]


@pytest.mark.parametrize(
    ("frame", "answers"),
    [
        (b"\xff\xff\xff", 0),
        (b"", 0),
        (wire.encode(m.GiveBack("w:1", (), Native(sequence=7))), 7),
        (wire.encode(m.Welcome()), 0),
    ],
    ids=["noise", "nothing", "a numbered request without tasks", "a reply"],
)
def test_a_frame_that_is_no_request_gets_an_error_and_costs_nothing(frame: bytes, answers: int) -> None:
    hall = Hall()
    hall.joined("w:1")
    hall.gets("boss", m.Create((Task("a", "a"),)))
    hall.gets("w:1", frame)
    heard, *sent = hall.turn()
    assert [type(event) for event in heard] == [e.Added, e.Stolen]
    (error,) = [message for peer, message in sent if peer == "w:1" and isinstance(message, m.Error)]
    assert error.answers == answers and error.text
    assert list(hall.hub.workers) == ["w:1"] and hall.said == []


def test_what_is_due_is_done_in_a_turn_without_frames() -> None:
    hall = Hall()
    hall.gets("w:1", hello("w:1", wait=20.0))
    hall.turn()
    hall.world.wait(19.9)
    assert hall.turn() == []
    hall.world.wait(0.1)
    assert hall.turn() == [("w:1", m.NotFound(answers=1))]


# -- peers that are gone ----------------------------------------------------------------------------------------------


def test_a_silent_worker_is_dropped_by_its_transport_and_its_task_goes_elsewhere() -> None:
    hall = Hall(Policy(silence=10.0))
    hall.gets("boss", m.Create((Task("a", "a"),)))
    hall.gets("w:1", hello("w:1", beat=1.0))
    hall.gets("w:2", hello("w:2"))
    hall.turn()
    while not hall.end.dropped:
        assert hall.hub.deadline <= hall.world.now + 10.0
        hall.world.wait(hall.hub.deadline - hall.world.now)
        hall.turn()
    assert hall.end.dropped == ["w:1"]
    assert hall.hub.graph.names["a"].holder == "w:2"


def test_what_follows_from_a_loss_is_heard_and_sent_until_nobody_else_is_gone() -> None:
    """Each worker that gets the task turns out to be gone, but the last."""
    hall = Hall()
    hall.joined("w:1", "w:2", "w:3")
    hall.end.gone = {"w:1", "w:2"}
    hall.gets("boss", m.Create((Task("a", "a"),)))
    journal = hall.turn()
    assert [peer for what in journal if isinstance(what, tuple) for peer in [what[0]]] == ["boss", "w:3"]
    assert [type(event) for what in journal if isinstance(what, list) for event in what] == [
        e.Added, e.Stolen, e.Requeued, e.Left, e.Stolen, e.Requeued, e.Left, e.Stolen,
    ]  # fmt: skip
    assert hall.hub.graph.names["a"].attempt == 1, "an attempt that never arrived is none"


def test_a_bug_costs_the_sender_of_the_message_and_what_came_before_it_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    hall = Hall()
    hall.joined("w:1", "w:2")
    monkeypatch.setitem(hall.hub._handlers, m.Lookup, lambda *arguments: 1 / 0)
    hall.gets("boss", m.Create((Task("a", "a"),)))
    hall.gets("w:1", m.Lookup("x"))
    hall.gets("boss", m.Create((Task("b", "b"),)))
    hall.turn()
    assert set(hall.hub.graph.names) == {"a", "b"} and list(hall.hub.workers) == ["w:2"]
    (line,) = hall.said
    assert "please report it" in line and "Lookup" in line and "ZeroDivisionError" in line


# -- inquiries --------------------------------------------------------------------------------------------------------


def inquiring(**more: Any) -> tuple[Hall, list[int]]:
    """A hall, and for each inquiry how much its journal had when it was answered."""
    seen: list[int] = []

    def answer(inquiry: m.Inquiry) -> m.Message:
        seen.append(len(hall.journal))
        return m.Answer(b"[]")

    hall = Hall(answer=answer, **more)
    return hall, seen


def test_an_inquiry_sees_the_events_before_it_and_not_those_after_it() -> None:
    hall, seen = inquiring()
    hall.gets("boss", m.Create((Task("a", "a"),)), m.List(), m.Create((Task("b", "b"),)))
    assert kinds(hall.turn()) == [[e.Added], m.OK, [e.Added], m.Answer, m.OK]
    assert seen == [2]


def test_an_inquiry_after_nothing_new_is_answered_with_the_rest() -> None:
    hall, seen = inquiring()
    hall.gets("boss", m.OK(), m.List(), m.Workers())
    assert kinds(hall.turn()) == [m.OK, m.Answer, m.Answer] and seen == [0, 0]


def test_an_inquiry_that_needs_deferred_work_is_answered_after_it_while_the_hub_goes_on() -> None:
    hall, done = deferring(3, lambda inquiry: lambda: m.Answer(b"[]") if len(done) == 2 else None)
    hall.gets("boss", m.List())
    hall.gets("other", m.OK())
    assert kinds(hall.turn()) == [m.OK]
    assert hall.rests() is None and len(done) == 1, "at once"
    hall.gets("other", m.OK())
    assert kinds(hall.turn()) == [m.OK]
    assert hall.rests() is None and len(done) == 2
    assert hall.turn() == [("boss", m.Answer(b"[]"))]
    assert hall.rests() == (math.inf, False) and len(done) == 3


def test_a_bug_in_a_late_answer_costs_its_peer_alone() -> None:
    hall, _ = deferring(3, lambda inquiry: lambda: 1 / 0)
    hall.gets("boss", m.List())
    [(peer, error)] = hall.turn()
    assert peer == "boss" and isinstance(error, m.Error) and "List" in error.text and "bug" in error.text
    assert hall.turn() == []


def test_a_hub_without_a_record_says_so() -> None:
    hall = Hall()
    hall.gets("boss", m.List())
    [(_, error)] = hall.turn()
    assert isinstance(error, m.Error) and "keeps no record" in error.text


# -- rest -------------------------------------------------------------------------------------------------------------


def test_it_sleeps_until_the_hub_or_its_caller_has_something_to_do() -> None:
    hall = Hall()
    assert hall.rests() == (math.inf, False)
    hall.gets("boss", m.Await(30.0))
    hall.turn()
    assert hall.rests() == (1030.0, False)
    hall.loop.sleep(-1, 1010.0)
    assert hall.seat.slept[-1][1] == 1010.0


def test_it_hurries_while_a_worker_waits_for_work() -> None:
    hall = Hall()
    hall.joined("w:1")
    assert hall.rests() == (math.inf, True)
    hall.gets("boss", m.Create((Task("a", "a"),)))
    hall.turn()
    assert hall.rests() == (math.inf, False)


def deferring(n: int, answer: Any = None) -> tuple[Hall, list[float]]:
    """A hall with so many pieces of deferred work, and when each was done."""
    done: list[float] = []

    def idle() -> bool:
        if len(done) < n:
            done.append(hall.world.now)
        return len(done) < n

    hall = Hall(idle=idle, **({"answer": answer} if answer else {}))
    return hall, done


def test_deferred_work_is_done_piece_by_piece_with_a_look_at_the_frames_between() -> None:
    hall, done = deferring(3)
    assert hall.rests() is None and len(done) == 1
    hall.gets("boss", m.OK())
    assert kinds(hall.turn()) == [m.OK]
    assert hall.rests() is not None and len(done) == 1, "frames come first"
    hall.turn()
    assert hall.rests() is None and len(done) == 2
    hall.turn()
    assert hall.rests() == (math.inf, False) and len(done) == 3


def test_deferred_work_begins_soon_after_the_last_frame_though_nothing_else_wakes_the_hub() -> None:
    hall, done = deferring(2)
    hall.seat.body = lambda: [hall.loop.turn(), hall.loop.sleep(-1)] != []
    hall.gets("boss", m.OK())
    hall.world.wait(REST)
    assert len(done) == 2
    before = hall.world.turns
    hall.world.wait(1e6)
    assert hall.world.turns == before, "then it sleeps"


# -- the end ----------------------------------------------------------------------------------------------------------


def test_at_the_end_those_who_wait_for_it_get_the_exit_code_and_the_view() -> None:
    hall, _ = inquiring()
    hall.gets("boss", m.Await(1e9))
    hall.turn()
    hall.loop.conclude(3)
    [(peer, end)] = hall.journal
    assert peer == "boss" and isinstance(end, m.OK) and (end.n, end.data) == (3, b"[]")
    hall.journal.clear()
    hall.loop.conclude(3)
    assert hall.journal == [], "each is answered once"


def test_an_await_that_comes_too_late_is_answered_and_other_requests_are_not() -> None:
    hall, _ = inquiring()
    hall.gets("boss", m.Create((Task("late", "x"),)), b"\xff", m.Await(1e9))
    hall.gets("other", m.Lookup("late"))
    hall.loop.conclude(0, hall.end)
    assert [(peer, type(message)) for peer, message in hall.journal] == [("boss", m.OK)]
    assert not hall.hub.graph.names


def test_whoever_waited_and_is_gone_costs_nothing_and_without_a_view_the_code_is_all() -> None:
    hall = Hall()
    hall.gets("one", m.Await(1e9))
    hall.gets("two", m.Await(1e9))
    hall.turn()
    hall.journal.clear()
    hall.end.gone = {"one"}
    hall.loop.conclude(1, hall.end)
    [(peer, end)] = hall.journal
    assert peer == "two" and (end.n, end.data) == (1, b"") and hall.end.lost() == []


def test_the_dismissal_reaches_all_native_workers_but_those_that_are_gone() -> None:
    hall = Hall()
    hall.joined("w:1", "w:2")
    hall.gets("old", m.Steal("old"))
    hall.turn()
    hall.journal.clear()
    hall.end.gone = {"w:1"}
    hall.loop.dismiss()
    assert hall.journal == [("w:2", m.Exit())] and hall.end.lost() == []


def test_a_hub_that_cannot_write_its_record_lets_the_workers_kill_their_tasks_and_nobody_hears_of_it() -> None:
    hall = Hall()
    hall.gets("boss", m.Create((Task("a", "a"),)))
    hall.joined("w:1", "w:2")
    hall.journal.clear()
    hall.loop.abandon()
    assert hall.journal == [("w:1", m.Cancel((0,))), ("w:1", m.Exit()), ("w:2", m.Exit())]
    assert hall.hub.graph.counts[State.ASSIGNED] == 1
