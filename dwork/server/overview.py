"""The overview of a run for clients that watch it: one short answer has everything that their screen shows.

It is built from what hub and totals keep anyway, and from a few facts that are collected here as they happen. It must
be cheap, since the hub does nothing else meanwhile. So long lists are shortened (workers by host, the oldest running
tasks, the latest failures), and an answer is reused while making a new one would take more than a small fraction of the
hub's time, however many clients watch.

The answer is a RunView; for Workers, a list of WorkerRows.
"""

from __future__ import annotations

import heapq
import math
import os
import socket
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Final

from dwork.core import events
from dwork.core.byte_tails import Tails
from dwork.core.events import Ended, Event, Named
from dwork.core.location import host_of
from dwork.core.messages import Answer, Error, Inquiry, Message, Watch, Workers
from dwork.core.row_json import pack
from dwork.core.rows import CrewRow, FailureRow, RunFacts, RunningRow, RunView, WorkerRow
from dwork.core.text import printable
from dwork.host.batch_job import element, job
from dwork.hub.hub import Hub
from dwork.hub.node import Node
from dwork.hub.workers import WorkerState
from dwork.output.totals import Totals
from dwork.progress.standing import standing
from dwork.server.worker_rows import row

#: The maximum number of rows.
CREW: Final = 200
TASKS: Final = 200
FAILURES: Final = 30
#: The maximum characters of a name, and bytes of stderr.
NAME: Final = 300
STDERR: Final = 1000
#: An answer is reused for this many times the time that it took to build.
GOOD: Final = 50


class Overview:
    """A listener. tasks: where they come from. since(id): when a task was assigned; None: collect these times here."""

    def __init__(
        self,
        hub: Hub,
        totals: Totals,
        tasks: str,
        clock: Callable[[], float],
        since: Callable[[int], float | None] | None = None,
    ) -> None:
        self._hub = hub
        self._totals = totals
        self._run: RunFacts = {
            "tasks": tasks,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "job": element() or job(),
            "started": clock(),
        }
        self._clock = clock
        self._keeps_times = since is None
        self._times: dict[int, float] = {}
        self._since = since or self._times.get
        self._tails = Tails(STDERR)
        self._failures: deque[FailureRow] = deque(maxlen=FAILURES)
        self._answer = Answer(b"")
        self._good_until = -math.inf

    def hear(self, happened: Sequence[Event]) -> None:
        for event in happened:
            match event:
                case events.Stolen(time=time, tasks=tasks):
                    if self._keeps_times:
                        self._times.update(dict.fromkeys([task.id for task in tasks], time))
                case events.Finished(tasks=tasks) | events.Requeued(tasks=tasks):
                    self._forget(tasks)
                case events.Printed(id=id, stream=2, data=data):
                    self._tails.add(id, data)
                case events.Failed(time=time, location=location, task=ended):
                    self._failed(ended, location, time, again=False)
                case events.Retried(time=time, location=location, task=ended):
                    self._failed(ended, location, time, again=True)
                case events.Killed(task=ended) | events.Interrupted(task=ended):
                    self._forget([ended])
                case events.Cancelled(tasks=named):
                    self._forget(named)
                case events.Revived(tasks=named) | events.Revoked(tasks=named):
                    revived = {task.id for task in named}
                    kept = [each for each in self._failures if each["id"] not in revived]
                    self._failures = deque(kept, FAILURES)

    def _forget(self, tasks: Sequence[Named | Ended]) -> None:
        """Forget tasks that are no longer assigned."""
        if not self._keeps_times and not self._tails:
            return
        ids = [task.id for task in tasks]
        self._tails.forget(ids)
        if self._keeps_times:
            pop = self._times.pop
            for id in ids:
                pop(id, None)

    def _failed(self, ended: Ended, location: str, time: float, *, again: bool) -> None:
        self._good_until = -math.inf
        id, name, result = ended
        self._failures.appendleft(
            {
                "id": id,
                "name": name[:NAME],
                "attempt": result.attempt,
                "worker": location,
                "time": time,
                "how": result.how,
                "again": again,
                "stderr": self._tails.end(id, result.stderr).decode(errors="backslashreplace"),
            }
        )
        self._forget([ended])

    def answer(self, inquiry: Watch | Workers) -> Answer:
        """Return the answer; for Watch, perhaps one that was built a moment ago."""
        now = self._clock()
        if isinstance(inquiry, Workers):
            return Answer(pack([self._row(worker, now) for worker in self._hub.workers.values()]))
        if now >= self._good_until:
            self._answer = Answer(pack(self._build(now)))
            self._good_until = now + GOOD * max(0.0, self._clock() - now)
        return self._answer

    def _build(self, now: float) -> RunView:
        hub, at = self._hub, standing(self._hub, self._totals, now)
        end = hub.dispatch.job_end
        return {
            "time": now,
            "run": self._run,
            "counts": {state.value: n for state, n in at.counts.items()},
            "running": at.running,
            "cores": at.cores,
            "busy": at.busy,
            "slots": at.slots,
            "ended": at.ended,
            "seconds": at.seconds,
            "stopping": hub.stop.reason,
            "over": hub.over,
            "job_end": end if end < math.inf else None,
            "workers": len(hub.workers),
            "crew": self._worker_rows(now),
            "tasks": self._running(),
            "failures": list(self._failures),
        }

    def _row(self, worker: WorkerState, now: float) -> WorkerRow:
        return row(worker, now, self._hub.exclusions.reason(worker.location))

    def _worker_rows(self, now: float) -> list[CrewRow]:
        workers = self._hub.workers.values()
        if len(workers) <= CREW:
            return [{**self._row(worker, now), "workers": 1, "busy": worker.busy} for worker in workers]
        hosts: dict[str, list[WorkerState]] = {}
        for worker in workers:
            hosts.setdefault(host_of(worker.location), []).append(worker)
        return [_host_row(host, crew, now) for host, crew in islice(hosts.items(), CREW)]

    def _running(self) -> list[RunningRow]:
        """Return the rows of the oldest running tasks; a worker's tasks are in the order in which it got them."""
        each = [self._of(worker) for worker in self._hub.workers.values() if worker.held]
        oldest = heapq.merge(*each, key=_first)
        return [
            {
                "id": node.id,
                "name": node.name[:NAME],
                "attempt": node.attempt,
                "worker": node.holder or "",
                "since": since,
            }
            for since, node in islice(oldest, TASKS)
        ]

    def _of(self, worker: WorkerState) -> Iterator[tuple[float, Node]]:
        for node in islice(worker.held.values(), worker.running):
            yield self._since(node.id) or worker.joined, node


class NoRecord:
    """The answers of a hub that keeps no record."""

    def __init__(self, overview: Overview) -> None:
        self._overview = overview

    def answer(self, inquiry: Inquiry) -> Message:
        if isinstance(inquiry, Watch | Workers):
            return self._overview.answer(inquiry)
        return Error(printable("this pool keeps no record (--no-record); only lookup can show a single task"))


def _host_row(host: str, crew: list[WorkerState], now: float) -> CrewRow:
    """Return the row of a host with these workers."""
    return {
        "location": host,
        "workers": len(crew),
        "slots": sum([worker.slots or 1 for worker in crew]),
        "busy": sum([worker.busy for worker in crew]),
        "held": sum([len(worker.held) for worker in crew]),
        "ended": sum([worker.ended for worker in crew]),
        "rate": sum([worker.rate(now) or 0.0 for worker in crew]),
        "silent": max(0.0, now - min([worker.heard for worker in crew])),
    }


def _first(pair: tuple[float, Node]) -> float:
    return pair[0]
