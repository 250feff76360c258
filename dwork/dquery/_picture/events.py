"""A run as trace events for Perfetto and chrome://tracing: a process per host, a thread per slot of a worker.

Format: "Trace Event Format" of the Chromium project, as far as Perfetto reads it. Times are whole microseconds since
the first run began. Slices of one thread must not overlap, so attempts that one worker ran at the same time are placed
in lanes, and both ends of a slice are rounded, not its length. Only the lanes are kept in memory, so there may be
millions of attempts; with `arrows`, also the places of the tasks that they connect.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Final, TypedDict

from dwork.core.location import host_of
from dwork.core.text import printable
from dwork.history.facts import DONE, Attempt, Session
from dwork.history.lanes import Lanes


class Event(TypedDict, total=False):
    """An event, with the keys of its format. ts and dur: microseconds."""

    name: str
    cat: str
    cname: str
    ph: str
    id: int
    pid: int
    tid: int
    ts: int
    dur: int
    s: str
    bp: str
    args: Mapping[str, object]


#: The process whose slices are the runs.
RUNS: Final = 1
#: The colour in chrome://tracing of a slice that did not end well; Perfetto chooses colours by name.
_ALARM: Final = "terrible"


class Trace:
    """The events of a run. workers: in display order.

    arrows: the predecessors of tasks, by task number; an arrow is drawn between two slices when both were done.
    """

    def __init__(
        self, sessions: Sequence[Session], workers: Iterable[str], arrows: Mapping[int, Sequence[int]] | None = None
    ) -> None:
        self._sessions = sessions
        self._begin = sessions[0].started if sessions else 0.0
        self._order = {worker: i for i, worker in enumerate(workers)}
        self._arrows = arrows or {}
        self._ends = {*self._arrows, *(p for before in self._arrows.values() for p in before)}
        self._n = RUNS  # the last id; processes and threads share them, since equal ids mean a main thread
        self._processes: dict[str, int] = {}
        self._threads: dict[tuple[str, int], int] = {}
        self._lanes: dict[str, Lanes] = {}
        self._places: dict[int, tuple[int, int, int, int]] = {}  # tasks with arrows: process, thread, start, end

    def events(self, attempts: Iterable[tuple[int, str, Attempt]]) -> Iterator[Event]:
        """Yield all events. attempts: with number and name of their tasks, in the order in which they began."""
        attempts = iter(attempts)
        first = list(islice(attempts, 1))
        for *_, attempt in first:  # a worker's clock may be behind that of the hub
            self._begin = min(self._begin, attempt.ended if attempt.started is None else attempt.started)
        yield _name("process_name", RUNS, 0, "runs")
        for i, session in enumerate(self._sessions, 1):
            yield self._run(i, session)
        for id, name, attempt in chain(first, attempts):
            yield from self._attempt(id, name, attempt)
        yield from self._drawn()

    def _time(self, seconds: float) -> int:
        return round((seconds - self._begin) * 1e6)

    def _run(self, number: int, session: Session) -> Event:
        outcome = "killed" if session.outcome is None else session.outcome
        start = self._time(session.started)
        about = {"host": session.host, "command": session.command, "job": session.job}
        args = {key: printable(value) for key, value in about.items() if value}
        return {
            "name": f"run {number}: {printable(outcome)}", "cat": "run", "ph": "X", "pid": RUNS, "tid": RUNS,
            "ts": start, "dur": self._time(session.ended) - start, "args": args,
        }  # fmt: skip

    def _attempt(self, id: int, name: str, attempt: Attempt) -> Iterator[Event]:
        """Yield one attempt, after the names of its process and thread if it is their first."""
        worker, start, end = attempt.worker, attempt.started, self._time(attempt.ended)
        lane = 0 if start is None else self._lanes.setdefault(worker, Lanes()).take(start, attempt.ended)
        yield from self._introduced(worker, lane)
        process, thread = self._processes[host_of(worker)], self._threads[worker, lane]
        is_done = attempt.outcome == DONE
        title = printable(name) if is_done else f"{printable(name)} [{attempt.outcome}]"
        event: Event = {
            "name": title,
            "cat": attempt.outcome,
            "pid": process,
            "tid": thread,
            "args": _about(id, attempt),
        }
        if not is_done:
            event["cname"] = _ALARM
        if start is None:
            yield {**event, "ph": "i", "s": "t", "ts": end}
            return
        begin = self._time(start)
        yield {**event, "ph": "X", "ts": begin, "dur": end - begin}
        if is_done and id in self._ends:
            self._places[id] = (process, thread, begin, end)

    def _introduced(self, worker: str, lane: int) -> Iterator[Event]:
        host, place = host_of(worker), self._order.get(worker, len(self._order))
        if host not in self._processes:
            process = self._processes[host] = self._next()
            yield _name("process_name", process, 0, printable(host))
            yield {"name": "process_sort_index", "ph": "M", "pid": process, "tid": 0, "args": {"sort_index": place}}
        if (worker, lane) not in self._threads:
            process, thread = self._processes[host], self._next()
            self._threads[worker, lane] = thread
            yield _name("thread_name", process, thread, printable(worker) + (f", slot {lane + 1}" if lane else ""))
            index = {"sort_index": (place << 16) + lane}
            yield {"name": "thread_sort_index", "ph": "M", "pid": process, "tid": thread, "args": index}

    def _next(self) -> int:
        self._n += 1
        return self._n

    def _drawn(self) -> Iterator[Event]:
        """Yield the arrows, each from within the last microsecond of a slice to the start of another."""
        number = 0
        for id, before in self._arrows.items():
            for p in before:
                if id in self._places and p in self._places:
                    number += 1
                    process, thread, start, end = self._places[p]
                    arrow: Event = {"name": "after", "cat": "after", "id": number}
                    yield {**arrow, "ph": "s", "pid": process, "tid": thread, "ts": max(start, end - 1)}
                    process, thread, start, _ = self._places[id]
                    yield {**arrow, "ph": "f", "bp": "e", "pid": process, "tid": thread, "ts": start}


def _name(what: str, process: int, thread: int, name: str) -> Event:
    return {"name": what, "ph": "M", "pid": process, "tid": thread, "args": {"name": name}}


def _about(id: int, attempt: Attempt) -> Mapping[str, object]:
    """Return the details of a selected slice."""
    about: dict[str, object] = {
        "task": id, "attempt": attempt.number, "outcome": attempt.outcome, "exit_status": attempt.exit_status,
        "cpu_seconds": round(attempt.cpu, 6),
    }  # fmt: skip
    if attempt.max_rss:
        about["max_rss"] = attempt.max_rss
    if attempt.signal:
        about["signal"] = attempt.signal
    if attempt.reason:
        about["reason"] = printable(attempt.reason)
    return about
