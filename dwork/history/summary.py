"""A run in numbers: the states of its tasks, how long it took, and what limited it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from dwork.core.location import host_of
from dwork.history.chain import longest
from dwork.history.facts import DONE, Attempt, History
from dwork.history.kinds import kind
from dwork.history.timeline import Timeline


@dataclass(slots=True)
class Tally:
    """Totals of several attempts. bad: number of attempts that were not done; longest, max_rss: of one attempt."""

    name: str
    attempts: int = 0
    bad: int = 0
    seconds: float = 0.0
    longest: float = 0.0
    cpu: float = 0.0
    max_rss: int = 0


@dataclass(slots=True)
class Summary:
    """The numbers of a run. states: of tasks. outcomes: of attempts. seconds: all sessions, without gaps between them.

    spent: run time of all attempts. used: the fraction of the slots' time in which tasks ran; None when unknown. chain,
    chain_seconds: positions on the critical path, and its length. kinds, hosts: tallies, most run time first.
    """

    states: Counter[str]
    outcomes: Counter[str]
    seconds: float
    spent: float
    used: float | None
    cpu: float
    chain: list[int] = field(default_factory=list)
    chain_seconds: float = 0.0
    kinds: list[Tally] = field(default_factory=list)
    hosts: list[Tally] = field(default_factory=list)


def summary(history: History, timeline: Timeline) -> Summary:
    """Return the summary of a run. Raise ValueError when tasks wait for one another."""
    took = run_times(history)
    chain = longest(history.predecessors, took)
    attempts = history.attempts
    return Summary(
        states=Counter(task.state for task in history.tasks if not task.is_join and not task.removed),
        outcomes=Counter(attempt.outcome for attempt in attempts),
        seconds=sum(session.seconds for session in history.sessions),
        spent=sum(attempt.seconds for attempt in attempts),
        used=min(1.0, timeline.spent / timeline.capacity) if timeline.capacity > 0 else None,
        cpu=sum(attempt.cpu for attempt in attempts),
        chain=chain,
        chain_seconds=sum(took[i] for i in chain),
        kinds=_tallied(history, lambda a: kind(history.tasks[a.task].name)),
        hosts=_tallied(history, lambda a: host_of(a.worker)),
    )


def run_times(history: History) -> list[float]:
    """Return the seconds of each task's successful attempt; for a task without one, of its last attempt."""
    took = [0.0] * len(history.tasks)
    is_done = [False] * len(history.tasks)
    for attempt in history.attempts:
        if attempt.outcome == DONE or not is_done[attempt.task]:
            took[attempt.task] = attempt.seconds
            is_done[attempt.task] = attempt.outcome == DONE
    return took


class Limit(Enum):
    """What limited the speed of a run: its critical path, too few slots, or too few ready tasks."""

    CHAIN = "chain"
    SLOTS = "slots"
    TASKS = "tasks"


def limit(summary: Summary) -> Limit | None:
    """Return what limited the run most; None when unknown."""
    if summary.used is None or summary.seconds <= 0:
        return None
    if summary.chain_seconds >= 0.8 * summary.seconds:
        return Limit.CHAIN
    return Limit.SLOTS if summary.used >= 0.7 else Limit.TASKS


def _tallied(history: History, name_of: Callable[[Attempt], str]) -> list[Tally]:
    tallies: dict[str, Tally] = {}
    for attempt in history.attempts:
        name = name_of(attempt)
        tally = tallies.get(name)
        if tally is None:
            tally = tallies[name] = Tally(name)
        seconds = attempt.seconds
        tally.attempts += 1
        tally.bad += attempt.outcome != DONE
        tally.seconds += seconds
        tally.cpu += attempt.cpu
        tally.longest = max(tally.longest, seconds)
        tally.max_rss = max(tally.max_rss, attempt.max_rss)
    return sorted(tallies.values(), key=lambda tally: -tally.seconds)
