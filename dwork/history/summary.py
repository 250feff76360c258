"""A run in numbers: what became of its tasks, how long it took, and what limited it."""

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
    """What several attempts have in common. bad: how many did not end well; max_rss: of the largest one."""

    name: str
    attempts: int = 0
    bad: int = 0
    seconds: float = 0.0
    longest: float = 0.0
    cpu: float = 0.0
    max_rss: int = 0


@dataclass(slots=True)
class Summary:
    """states: of tasks; outcomes: of attempts. seconds: all sessions without the gaps between them.

    used: the share of slots' time in which tasks ran. chain: the positions on the critical path, and chain_seconds its
    length. kinds, hosts: tallies, those first on which most time was spent.
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
    """The numbers. ValueError when tasks wait for one another."""
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
    """How long each task ran when it was done; of one that never was, its last attempt."""
    took = [0.0] * len(history.tasks)
    is_done = [False] * len(history.tasks)
    for attempt in history.attempts:
        if attempt.outcome == DONE or not is_done[attempt.task]:
            took[attempt.task] = attempt.seconds
            is_done[attempt.task] = attempt.outcome == DONE
    return took


class Limit(Enum):
    """What kept a run from being quicker: its critical path, too few slots, or too few tasks that were ready."""

    CHAIN = "chain"
    SLOTS = "slots"
    TASKS = "tasks"


def limit(summary: Summary) -> Limit | None:
    """What limited it most; None when nothing is known."""
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
