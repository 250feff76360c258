"""What signals and failures mean for a run: whether running tasks may end, and with which exit code it ends."""

from __future__ import annotations

import signal
from collections.abc import Sequence

import pytest

from dwork.cli.program import ExitCode
from dwork.core import events as e
from dwork.core import messages as m
from dwork.core.task import Task
from dwork.hub.hub import Hub
from dwork.pool import interrupts
from dwork.pool.interrupts import Interrupts
from dwork.server.hub_loop import HubLoop


class Interrupted:
    """A hub with a task. `stops`: why it stopped, and whether running tasks are ended, each time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, has_ranks: bool = False, signals: object = None) -> None:
        self.now = 100.0
        self.stops: list[tuple[str, bool]] = []
        monkeypatch.setattr(interrupts, "clock", lambda: self.now)
        loop = HubLoop(Hub(), [], [self])
        loop.hub.receive("boss", m.Create((Task("a", "a"),)), self.now)
        self.interrupts = Interrupts(loop, signals, has_ranks=has_ranks)  # type: ignore[arg-type]

    def hear(self, happened: Sequence[e.Event]) -> None:
        self.stops += [(event.reason, event.now) for event in happened if isinstance(event, e.Stopping)]

    def get(self, *numbers: int, after: float = 1.0) -> None:
        self.now += after
        self.interrupts.handle(set(numbers))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Interrupted:
    for name in (
        "SLURM_JOB_ID",
        "PBS_JOBID",
        "LSB_JOBID",
        "FLUX_JOB_ID",
        "JOB_ID",
        "MPI_LOCALNRANKS",
    ):
        monkeypatch.delenv(name, raising=False)
    return Interrupted(monkeypatch)


SOFT = ("interrupted (repeat to end running tasks)", False)


def test_a_second_ctrl_c_ends_running_tasks_and_a_third_changes_nothing(run: Interrupted) -> None:
    assert not run.interrupts.is_stopped
    run.get(signal.SIGINT)
    assert run.stops == [SOFT] and run.interrupts.is_stopped and not run.interrupts.is_urgent
    run.get(signal.SIGINT)
    run.get(signal.SIGINT)
    assert run.stops == [SOFT, ("interrupted", True)] and run.interrupts.is_urgent
    assert run.interrupts.verdict is ExitCode.STOPPED


def test_where_the_launcher_would_kill_the_run_a_second_ctrl_c_is_not_advised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPI_LOCALNRANKS", "3")
    monkeypatch.delenv("OMPI_COMM_WORLD_SIZE", raising=False)
    run = Interrupted(monkeypatch, has_ranks=True)
    run.get(signal.SIGINT)
    ((reason, _),) = run.stops
    assert reason == "interrupted (`dquery drain --now` ends running tasks; at a second Ctrl-C mpirun kills this run)"


def test_one_ctrl_c_that_two_deliver_counts_once(run: Interrupted) -> None:
    run.get(signal.SIGINT)
    run.get(signal.SIGINT, after=0.1)
    assert run.stops == [SOFT]


def test_within_a_job_a_signal_ends_running_tasks_at_once(run: Interrupted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    run.get(signal.SIGINT)
    run.get(signal.SIGTERM)
    assert run.stops == [("SIGINT", True)] and run.interrupts.is_urgent
    assert run.interrupts.outcome == "SIGINT" and run.interrupts.verdict is ExitCode.STOPPED


def test_a_signal_for_the_death_of_a_rank_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPI_LOCALNRANKS", "2")
    with_ranks = Interrupted(monkeypatch, has_ranks=True)
    with_ranks.get(signal.SIGUSR1)
    assert with_ranks.stops == []
    alone = Interrupted(monkeypatch)
    alone.get(signal.SIGUSR1)
    assert alone.stops == [("SIGUSR1", True)]


def test_after_a_failure_of_the_pool_a_rerun_continues_and_one_ctrl_c_ends_running_tasks(run: Interrupted) -> None:
    run.interrupts.stop("the worker process was ended by SIGKILL")
    run.get(signal.SIGINT)
    assert run.stops == [("the worker process was ended by SIGKILL", False), ("interrupted", True)]


def test_the_outcome_is_the_first_reason_and_what_did_not_run_is_left_to_a_rerun(run: Interrupted) -> None:
    assert run.interrupts.outcome == "some failed"
    run.interrupts.stop("no worker is left")
    run.get(signal.SIGINT)
    assert run.interrupts.outcome == "no worker is left" and run.interrupts.verdict is ExitCode.STOPPED


class Arriving:
    """Signals that a test lets arrive."""

    descriptor = -1

    def __init__(self) -> None:
        self.numbers: set[int] = set()

    def take(self) -> set[int]:
        taken, self.numbers = self.numbers, set()
        return taken


def test_a_death_that_is_reported_at_the_end_is_known_and_loses_no_other_signal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MPI_LOCALNRANKS", "2")
    signals = Arriving()
    run = Interrupted(monkeypatch, has_ranks=True, signals=signals)
    assert not run.interrupts.is_death_reported()
    signals.numbers = {signal.SIGTERM}
    assert not run.interrupts.is_death_reported()
    signals.numbers = {signal.SIGUSR1}
    assert run.interrupts.is_death_reported() and run.interrupts.is_death_reported()
    assert run.interrupts.wait_for_end_of_job()
    assert run.interrupts.outcome == "SIGTERM"


def test_a_death_that_was_reported_earlier_is_known_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPI_LOCALNRANKS", "2")
    run = Interrupted(monkeypatch, has_ranks=True, signals=Arriving())
    run.get(signal.SIGUSR1)
    assert run.interrupts.is_death_reported()
