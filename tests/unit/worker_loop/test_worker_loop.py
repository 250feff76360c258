"""The worker's loop, rule by rule: what it does about messages, signals, ends of tasks, and time.

The hub is a script; the tasks are numbers of seconds; the clock is a virtual one.
"""

from __future__ import annotations

import json
import math
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from dwork.connection.file import Connection
from dwork.core import messages as m
from dwork.core.errors import TransportError, UsageError, WireError
from dwork.core.messages import PROTOCOL, Execution, Welcome
from dwork.core.peer_version import Version
from dwork.core.task import Assigned
from dwork.host.walltime import Walltime
from dwork.runner import outgoing
from dwork.runner.runner import Refused
from dwork.runner.stream import SHORT
from dwork.worker.refusals import PATIENCE as REFUSED_FOR
from dwork.worker.silence import FIRST, PATIENCE
from dwork.worker.suspects import SUSPICION
from dwork.worker.worker import OVER_TCP
from dwork.worker_loop import BUSY_POLL
from tests.world import Ends, Loop, Script, World

LONG = b"0123456789" * SHORT
#: How tasks go, by name: others take a second.
GOES = {
    "hour": Ends(3600.0),
    "stubborn": Ends(3600.0, grace=5.0),
    "killed": Ends(1.0, exit_status=143, signal=15),
    "bad": Ends(1.0, exit_status=3),
    "word": Ends(1.0, prints=b"word\n"),
    "book": Ends(0.5, prints=LONG),
    "series": Ends(3600.0, prints=LONG),
}

#: Of a hub that keeps or prints the output of tasks.
WANTS_OUTPUT = Welcome(output=True)


class Scene:
    """A worker's loop and a scripted hub, which has welcomed it unless told otherwise."""

    def __init__(self, welcome: Welcome | None = WANTS_OUTPUT, **options: Any) -> None:
        self.world, self.hub = World(), Script()
        self.said: list[m.Message] = []
        self.loop = Loop(self.world, self.hub.worker_end, goes=lambda name: GOES.get(name, Ends()), **options)
        self._steal = 0
        self._id = 0
        self.world.settle()
        if welcome is not None:
            self.says(welcome)

    def hears(self, *kinds: type[m.Message]) -> list[Any]:
        """What the worker has said since the last call, of these kinds."""
        new = self.hub.hears()
        self.said += new
        for message in new:
            if isinstance(message, m.Steal) or (isinstance(message, m.Complete) and message.steal):
                assert message.native is not None
                self._steal = message.native.sequence
        return [message for message in new if not kinds or isinstance(message, kinds)]

    def says(self, *messages: m.Message) -> None:
        self.hub.says(*messages)
        self.world.settle()

    def give(self, *names: str, command: str = "x") -> list[int]:
        """Answer the last Steal."""
        self.hears()
        assert self._steal, "nothing was asked for"
        tasks = []
        for name in names:
            self._id += 1
            tasks.append(Assigned(self._id, 1, name, command))
        self.says(m.Transfer(tuple(tasks), self._steal))
        return [assigned.id for assigned in tasks]

    def answer(self) -> list[Any]:
        """Acknowledge all that was reported since; return the results."""
        reports = [message for message in self.hears() if getattr(message, "native", None) is not None]
        self.says(*[m.OK(answers=message.native.sequence) for message in reports])
        return [result for message in reports if isinstance(message, m.Complete) for result in message.results]

    @property
    def started(self) -> list[str]:
        return self.loop.runner.started


@pytest.fixture(autouse=True)
def outside_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "FLUX_JOB_ID", "COBALT_JOBID", "JOB_ID"):
        monkeypatch.delenv(name, raising=False)


# -- signals ----------------------------------------------------------------------------------------------------------


def test_the_first_signal_lets_running_tasks_finish_and_gives_back_the_others() -> None:
    at = Scene()
    at.give("a", "b")
    at.loop.signal(signal.SIGTERM)
    at.world.settle()
    (back,) = at.hears(m.GiveBack)
    assert [returned.task for returned in back.tasks] == [2]
    at.says(m.OK(answers=back.native.sequence))
    at.world.wait(1.0)
    (result,) = at.answer()
    assert result.task == 1 and result.ok
    assert at.hears(m.Exit) == [m.Exit("w:1")] and at.loop.has_left and at.started == ["a"]


def test_the_second_signal_kills_them_and_they_are_not_reported() -> None:
    at = Scene()
    at.give("hour")
    for _ in range(2):
        at.loop.signal(signal.SIGINT)
        at.world.settle()
    assert at.hears() == [m.Exit("w:1")] and at.loop.has_left


def test_a_killed_task_may_take_its_time() -> None:
    at = Scene()
    at.give("stubborn")
    for _ in range(2):
        at.loop.signal(signal.SIGINT)
        at.world.settle()
    at.world.wait(4.9)
    assert not at.loop.has_left
    at.world.wait(0.1)
    assert at.loop.has_left and at.hears(m.Complete, m.Exit) == [m.Exit("w:1")]


def test_a_rank_ignores_signals() -> None:
    at = Scene(is_rank=True)
    at.give("a")
    for _ in range(3):
        at.loop.signal(signal.SIGTERM, signal.SIGUSR1)
        at.world.settle()
    at.world.wait(1.0)
    assert len(at.answer()) == 1 and not at.loop.has_left


def test_the_end_of_a_child_is_no_reason_to_leave() -> None:
    at = Scene()
    at.loop.signal(signal.SIGCHLD)
    at.world.wait(1.0)
    assert not at.loop.worker.leaving


def test_within_a_job_a_signal_takes_back_the_ends_of_the_last_second(monkeypatch: pytest.MonkeyPatch) -> None:
    at = Scene(slots=2)
    at.give("a", "hour")
    at.world.wait(1.0)
    assert [result.task for result in at.answer()] == [1]
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    at.loop.signal(signal.SIGTERM)
    at.world.settle()
    (back,) = at.hears(m.GiveBack)
    assert [returned.task for returned in back.tasks] == [1]


# -- the end of what it depends on ------------------------------------------------------------------------------------


def test_at_the_end_of_its_input_it_leaves_without_a_word_and_its_tasks_are_killed() -> None:
    at = Scene()
    at.give("hour")
    at.hears()
    at.loop.outside.has_eof = True
    at.loop.seat.poke()
    at.world.settle()
    assert at.loop.has_left and at.loop.error is None
    assert at.hears() == [] and at.loop.runner.cut_short == ["hour"]


@pytest.mark.parametrize("is_rank", [True, False])
def test_a_rank_ends_with_its_launcher(is_rank: bool) -> None:
    at = Scene(is_rank=is_rank, policy=OVER_TCP)
    at.give("hour")
    at.loop.outside.is_alone = True
    at.world.wait(0.1)
    assert at.loop.has_left is is_rank
    if is_rank:
        assert isinstance(at.loop.error, TransportError) and "launcher has exited" in str(at.loop.error)
        assert at.loop.runner.cut_short == ["hour"]


def test_an_exit_that_nobody_asked_for_kills_its_tasks() -> None:
    at = Scene()
    at.give("hour")
    at.says(m.Exit())
    at.world.wait(BUSY_POLL[1])
    assert at.loop.has_left and at.loop.error is None


# -- the silence of the hub -------------------------------------------------------------------------------------------


def test_a_silent_hub_ends_the_worker_after_hub_timeout_with_one_line() -> None:
    at = Scene(hub_timeout=60.0, slots=2)
    at.give("hour")
    at.world.wait(59.0)
    assert not at.loop.has_left
    at.world.wait(1.0)
    assert isinstance(at.loop.error, TransportError)
    assert str(at.loop.error) == "the hub has not answered for 60 s; running tasks were terminated"
    assert at.loop.runner.cut_short == ["hour"]


def test_a_hub_that_owes_nothing_may_be_silent() -> None:
    at = Scene(hub_timeout=10.0)
    at.give("hour", "b", "c")
    at.world.settle()
    at.hears()
    at.loop.worker.leave()
    at.loop.seat.poke()
    at.world.settle()
    at.answer()
    at.world.wait(60.0)
    assert not at.loop.has_left


def test_a_standstill_of_this_process_is_not_the_hubs_silence() -> None:
    at = Scene(hub_timeout=60.0)
    at.loop.seat.suspend(1000.0)
    at.world.wait(1059.0)
    assert not at.loop.has_left
    at.world.wait(1.0)
    assert isinstance(at.loop.error, TransportError)


def test_a_turn_that_stands_still_is_not_the_hubs_silence() -> None:
    at = Scene(hub_timeout=60.0)
    at.world.wait(59.0)
    poll = at.loop.runner.poll

    def suspended(now: float) -> Any:
        at.world.now += 1000.0
        at.loop.runner.poll = poll  # type: ignore[method-assign]
        return poll(now)

    at.loop.runner.poll = suspended  # type: ignore[method-assign]
    at.world.wait(30.0)
    assert not at.loop.has_left


def test_a_rank_waits_longer_for_its_first_message_than_a_kworker() -> None:
    rank = Scene(None, is_rank=True, hub_timeout=60.0)
    rank.world.wait(FIRST - 1.0)
    assert not rank.loop.has_left
    rank.world.wait(1.0)
    assert rank.loop.has_left
    other = Scene(None, hub_timeout=60.0)
    other.world.wait(60.0)
    assert other.loop.has_left


def test_a_rank_is_as_patient_as_its_hub_says() -> None:
    at = Scene(Welcome(beat=2.0), is_rank=True, hub_timeout=5.0)
    at.world.wait(PATIENCE * 2.0 - 0.1)
    assert not at.loop.has_left
    at.world.wait(0.1)
    assert str(at.loop.error).startswith(f"the hub has not answered for {PATIENCE * 2:g} s")


# -- how long it stays ------------------------------------------------------------------------------------------------


def test_a_worker_without_work_leaves_at_its_idle_timeout_and_not_later() -> None:
    at = Scene(idle_timeout=8.0, policy=OVER_TCP)
    at.give("a")
    at.world.wait(1.0)
    at.answer()
    at.world.wait(7.9)
    assert not at.loop.has_left
    at.world.wait(0.1)
    assert at.loop.has_left and at.hears(m.Exit) == [m.Exit("w:1")] and at.loop.error is None


def test_a_task_of_an_hour_is_no_idleness() -> None:
    at = Scene(idle_timeout=10.0)
    at.give("hour")
    at.world.wait(60.0)
    assert not at.loop.worker.leaving


def test_at_the_last_call_of_its_job_it_kills_its_tasks_says_so_and_leaves() -> None:
    job = Walltime(100.0, 1000.0, 30.0)
    at = Scene(job=job, slots=2, policy=OVER_TCP)
    at.give("hour")
    at.world.wait(69.9)
    at.answer()
    assert not at.loop.worker.leaving and at.loop.lines == []
    at.world.wait(0.1)
    assert at.loop.lines == ["the job ends in 30 s: leaving; running tasks are terminated and will run elsewhere"]
    assert at.hears(m.Complete, m.Exit) == [m.Exit("w:1")] and at.loop.has_left


def test_the_end_of_its_job_is_asked_for_when_that_is_due() -> None:
    asked: list[float] = []

    class Asks(Walltime):
        def poll(self, now: float) -> bool:
            asked.append(now)
            self.next = now + 300.0
            self.end = 1450.0
            return True

    job = Asks(5000.0, 1000.0)
    job.next = 1100.0
    at = Scene(job=job)
    at.world.wait(449.0)
    assert asked == [1100.0, 1400.0] and not at.loop.has_left
    at.world.wait(1.0)
    assert at.loop.has_left


def test_after_a_standstill_tasks_have_as_much_time_as_before_and_the_end_of_the_job_is_asked_for() -> None:
    gaps: list[float] = []

    class Noted(Walltime):
        def stood_still(self, seconds: float, now: float) -> None:
            gaps.append(seconds)

    at = Scene(job=Noted(5000.0, 1000.0), slots=2)
    at.give("hour")
    at.world.wait(10.5)
    at.loop.seat.suspend(1000.0)
    at.world.wait(1500.0)
    assert at.loop.runner.postponed == pytest.approx(999.5, abs=0.51)
    assert gaps == [at.loop.runner.postponed]


@pytest.mark.parametrize("ends", ["well", "badly"])
def test_nobody_asks_for_the_end_of_its_job_any_more_when_it_has_left(ends: str) -> None:
    closed: list[float] = []

    class Closes(Walltime):
        def close(self) -> None:
            closed.append(at.world.now)

    at = Scene(job=Closes(5000.0, 1000.0))
    if ends == "well":
        at.says(m.Exit())
    else:
        at.hub.end.send(1, b"\xff")
        at.world.settle()
    assert at.loop.has_left and closed == [1000.0]


def test_a_hub_can_ask_it_to_leave() -> None:
    at = Scene()
    at.give("a")
    at.says(m.Leave())
    at.world.wait(1.0)
    assert len(at.answer()) == 1 and at.hears(m.Exit) and at.loop.has_left


# -- results that the end of the job may have caused ------------------------------------------------------------------


def test_a_result_that_the_end_of_the_job_may_have_caused_is_reported_a_second_later() -> None:
    at = Scene()
    at.give("killed")
    at.world.wait(1.0 + SUSPICION - 0.01)
    assert at.answer() == []
    at.world.wait(0.01)
    (result,) = at.answer()
    assert result.signal == 15 and result.seconds == 1.0


def test_it_is_dropped_when_the_worker_must_leave_meanwhile() -> None:
    at = Scene()
    at.give("killed")
    at.world.wait(1.5)
    at.loop.signal(signal.SIGTERM)
    at.world.wait(1.0)
    assert at.hears(m.Complete, m.Exit) == [m.Exit("w:1")] and at.loop.has_left


def test_others_do_not_wait_for_it() -> None:
    at = Scene(slots=2)
    at.give("killed", "bad")
    at.world.wait(1.1)
    assert [result.exit_status for result in at.answer()] == [3]


# -- messages ---------------------------------------------------------------------------------------------------------


def test_a_move_ends_the_loop_with_the_connection_to_use() -> None:
    there = Connection(("tcp://hub:1",))
    at = Scene(is_rank=True)
    at.give("hour")
    at.hears()
    at.says(m.Move(there.to_json()))
    at.world.wait(BUSY_POLL[1])
    assert at.loop.has_left and at.loop.loop.moved is not None
    assert at.loop.loop.moved.addresses == ("tcp://hub:1",)
    assert at.hears() == [] and at.loop.runner.cut_short == ["hour"]


def test_a_hub_of_another_protocol_hears_exit_and_the_user_which_versions_they_are() -> None:
    at = Scene(None, hub="the hub at tcp://x:1")
    at.says(Welcome(version=Version(PROTOCOL + 1, "9.9")))
    assert isinstance(at.loop.error, UsageError)
    assert "the hub at tcp://x:1" in str(at.loop.error) and "9.9" in str(at.loop.error)
    assert at.hears()[-1] == m.Exit("w:1")


def test_a_frame_that_is_no_message_ends_the_worker_and_its_tasks() -> None:
    at = Scene(slots=2)
    at.give("hour")
    at.hub.end.send(1, b"\xff\xff\xff")
    at.world.settle()
    assert isinstance(at.loop.error, WireError) and at.loop.runner.cut_short == ["hour"]


def test_a_cancelled_task_is_killed_soon_though_all_slots_are_busy() -> None:
    at = Scene()
    (id,) = at.give("hour")
    at.world.wait(100.0)
    at.says(m.Cancel((id,)))
    at.world.wait(BUSY_POLL[1])
    (result,) = at.answer()
    assert result.exit_status == 143 and result.error == "cancelled"


def test_a_welcome_is_applied_once_and_another_one_again() -> None:
    execution = Execution(set=(("A", "1"),), pin=False)
    at = Scene(Welcome("tcp://hub:1", execution=execution))
    at.world.wait(10.0)
    assert at.loop.runner.configured == [(execution, {"DWORK_SERVER": "tcp://hub:1", "DWORK_INSECURE": "1"})]
    at.says(Welcome())
    assert at.loop.runner.configured[1:] == [(Execution(), {})]


def test_tasks_find_a_hub_with_keys_by_a_file_of_their_own(tmp_path: Path) -> None:
    there = Connection(("tcp://hub:1",))
    at = Scene(Welcome(connection=there.to_json()), directory=str(tmp_path))
    [(_, way)] = at.loop.runner.configured
    assert way == {"DWORK_CONNECTION": str(tmp_path / "connection.json")}
    assert json.loads(Path(way["DWORK_CONNECTION"]).read_text()) == json.loads(there.to_json())


# -- turns ------------------------------------------------------------------------------------------------------------


def test_the_next_steal_is_on_its_way_before_the_last_of_the_tasks_without_a_process_has_run() -> None:
    at = Scene()
    at.give(*[f"t{i}" for i in range(64)], command="")
    assert len(at.started) == 64
    first, *_ = [message for message in at.hears(m.Complete) if message.steal]
    assert 0 < len(first.results) < 64


def test_a_worker_with_a_free_slot_is_woken_by_a_message_and_a_busy_one_looks_now_and_then() -> None:
    least, most, share = BUSY_POLL
    at = Scene(slots=2)
    at.give("hour")
    transports, *_ = at.loop.seat.slept[-1]
    assert transports
    at.give("hour")
    naps: list[float] = []
    for seconds in (0.1, 1.0, 10.0):
        at.world.wait(seconds)
        transports, until, _ = at.loop.seat.slept[-1]
        assert not transports
        naps.append(until - at.world.now)
    assert naps == sorted(naps) and max(naps) <= most
    assert at.world.turns < 12.0 / least and share < 1.0


def test_pipes_that_fill_slowly_are_read_when_their_pause_is_over() -> None:
    at = Scene()
    at.loop.runner.capture.rests_until = at.world.now + 0.005
    at.loop.seat.poke()
    at.world.settle()
    assert at.loop.seat.slept[-1][1] == at.world.now + 0.005
    at.world.wait(0.005)
    assert at.loop.seat.slept[-1][1] == math.inf


def test_a_worker_that_waits_takes_no_turns() -> None:
    at = Scene()
    before = at.world.turns
    at.world.wait(1e6)
    assert at.world.turns == before


def test_nothing_outlives_the_loop() -> None:
    at = Scene(slots=2, hub_timeout=20.0, policy=OVER_TCP)
    at.give("hour", "series")
    at.world.wait(60.0)
    assert at.loop.has_left and at.loop.runner.cut_short == ["hour", "series"]
    assert at.loop.runner.next_end == math.inf


# -- output -----------------------------------------------------------------------------------------------------------


def test_output_that_the_hub_does_not_want_is_printed_here_and_not_sent(
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    at = Scene(Welcome(output=False), slots=3)
    at.give("word", "book", "bad")
    at.world.wait(1.0)
    assert capsysbinary.readouterr().out == LONG + b"word\n"
    assert at.loop.lines == ["bad failed: exit status 3"]
    assert {(result.stdout, result.sent) for result in at.answer()} == {(b"", ())}
    assert not [message for message in at.said if isinstance(message, m.Output)]


def test_a_reader_that_is_gone_stops_no_task(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        buffer: Any

        def write(self, data: bytes) -> int:
            raise BrokenPipeError

        def isatty(self) -> bool:
            return False

        def fileno(self) -> int:
            raise OSError

    gone = Gone()
    gone.buffer = gone
    monkeypatch.setattr(sys, "stdout", gone)
    at = Scene(Welcome(output=False))
    monkeypatch.undo()
    at.give("word")
    at.world.wait(1.0)
    assert [result.ok for result in at.answer()] == [True]


def test_short_output_travels_with_the_result() -> None:
    at = Scene()
    at.give("word")
    at.world.wait(1.0)
    assert [result.stdout for result in at.answer()] == [b"word\n"] and at.loop.lines == []


def pieces(messages: list[Any]) -> bytes:
    """The text of pieces that follow each other from the begin."""
    text = b""
    for piece in messages:
        assert piece.position == len(text)
        text += piece.data
    return text


def test_long_output_is_sent_before_its_result() -> None:
    at = Scene()
    at.give("book")
    at.world.wait(0.5)
    *output, complete = at.hears(m.Output, m.Complete)
    assert pieces(output) == LONG and complete.results[0].sent == (len(LONG), 0)


def test_the_output_of_a_task_that_runs_on_is_passed_on_meanwhile() -> None:
    at = Scene()
    at.give("series")
    at.world.wait(1.1)
    assert pieces(at.hears(m.Output)) == LONG and at.loop.worker.running


def test_a_task_that_is_assigned_anew_while_it_runs_goes_on_as_the_new_attempt() -> None:
    at = Scene(slots=2)
    (id,) = at.give("book")
    (steal,) = at.hears(m.Steal)
    at.says(m.Transfer((Assigned(id, 2, "book", "x"),), steal.native.sequence))
    at.world.wait(0.5)
    *output, complete = at.hears(m.Output, m.Complete)
    assert at.started == ["book"]
    assert {piece.attempt for piece in output} == {2} == {result.attempt for result in complete.results}


def test_a_welcome_again_sends_output_and_results_again() -> None:
    at = Scene(slots=2)
    at.give("book", "series")
    at.world.wait(1.1)
    first = at.hears(m.Output, m.Complete)
    assert len([message for message in first if isinstance(message, m.Complete)]) == 1
    at.says(Welcome(output=True, again=True))
    again = at.hears(m.Output, m.Complete)
    of_book = [message for message in again if isinstance(message, m.Output) and message.task == 1]
    (complete,) = [message for message in again if isinstance(message, m.Complete)]
    assert pieces(of_book) == LONG and again.index(of_book[-1]) < again.index(complete)
    assert [result.task for result in complete.results] == [1] and complete.native.held == ((2, 1),)


def test_output_is_kept_until_its_result_is_answered() -> None:
    at = Scene()
    at.give("book")
    at.world.wait(0.5)
    assert len(at.answer()) == 1
    at.says(Welcome(output=True, again=True))
    assert at.hears(m.Output) == []


def test_with_the_output_of_too_many_results_unanswered_it_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "MOST", 4)
    at = Scene()
    at.give(*["book"] * 4, "a")
    at.world.wait(10.0)
    assert len(at.started) == 4
    assert len(at.answer()) == 4
    assert at.started[4:] == ["a"]


# -- starts that the system refuses ------------------------------------------------------------------------------------


def refuse(at: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on no process starts."""

    def start(assigned: Assigned, now: float) -> None:
        raise Refused("Resource temporarily unavailable")

    monkeypatch.setattr(at.loop.runner, "start", start)


def test_a_refused_start_is_reported_once_and_the_task_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    at = Scene(slots=2)
    at.give("hour")
    refuse(at, monkeypatch)
    for n in range(3):
        (task,) = at.give(f"a{n}")
        (back,) = at.hears(m.GiveBack)
        assert [returned.task for returned in back.tasks] == [task] and back.native.slots == 1
        at.says(m.OK(answers=back.native.sequence))
        at.loop.worker.holding.slots = 2  # the hub gives it more all the same
        at.loop.worker._refusals.slots = 2
        at.loop.seat.poke()
        at.world.settle()
    (line,) = at.loop.lines
    assert "1 task at a time" in line and "Resource temporarily unavailable" in line


def test_a_worker_that_can_start_nothing_leaves_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    at = Scene()
    refuse(at, monkeypatch)
    while not at.loop.has_left:
        at.hears()
        if at.loop.worker.reports.steal:
            at.give("a")
        at.answer()
        at.world.wait(1.0)
    assert REFUSED_FOR <= at.world.now - 1000.0 < 2 * REFUSED_FOR
    assert len(at.loop.lines) == 2 and "leaving" in at.loop.lines[1]
    assert at.hears(m.Exit) == [m.Exit("w:1")]


# -- tasks that cannot be killed --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("slots", "rest", "leaves"), [(2, "runs up to 1 at a time from now on", False), (1, "leaves", True)]
)
def test_a_task_that_cannot_be_killed_costs_a_slot(slots: int, rest: str, leaves: bool) -> None:
    at = Scene(slots=slots)
    at.give("hour")
    at.loop.runner.stuck.append(at.loop.worker.running[1])
    at.loop.seat.poke()
    at.world.settle()
    assert at.loop.lines == [f"hour cannot be killed; worker w:1 {rest}"]
    assert at.loop.worker.leaving is leaves and at.loop.runner.stuck == []
