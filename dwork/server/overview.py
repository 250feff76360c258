"""The overview of a run for clients that watch it: one short answer has everything that their screen shows.

It is built from what hub and totals keep anyway, and from a few facts that are collected here as they happen. It must
be cheap, since the hub does nothing else meanwhile. So long lists are shortened (workers by host, the oldest running
tasks, the latest failures), and an answer is reused while making a new one would take more than a small fraction of the
hub's time, however many clients watch.

The answer is a JSON object. time: the hub's clock; all times are in seconds since the epoch. run: tasks (where they
come from), host, pid, job, started. counts, running, cores, busy, slots, ended, seconds: as in a Standing. stopping:
why no more tasks are started, or empty. over: whether nothing runs and nothing will. job_end: when the batch job ends,
or null. workers: their number. crew: a row for each worker, as for Workers, with busy (slots); when there are many, a
row for each host, with workers (their number). tasks: rows of running tasks, those first that have been assigned the
longest: id, name (its beginning), attempt, worker, since. failures: failed attempts, the latest first: id, name,
attempt, worker, time, how, again (it will be retried), stderr (its end).
"""

from __future__ import annotations

import heapq
import json
import math
import os
import socket
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

from dwork.core import events
from dwork.core.byte_tails import Tails
from dwork.core.events import Ended, Event, Named
from dwork.core.location import host_of
from dwork.core.messages import Answer, Error, Inquiry, Message, Watch, Workers
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

Row = dict[str, Any]


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
        self._run = {
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
        self._failures: deque[Row] = deque(maxlen=FAILURES)
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
            return Answer(json.dumps([row(worker, now) for worker in self._hub.workers.values()]).encode())
        if now >= self._good_until:
            self._answer = Answer(json.dumps(self._build(now), separators=(",", ":")).encode())
            self._good_until = now + GOOD * max(0.0, self._clock() - now)
        return self._answer

    def _build(self, now: float) -> Row:
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
            "stopping": hub.stopping,
            "over": hub.over,
            "job_end": end if end < math.inf else None,
            "workers": len(hub.workers),
            "crew": self._worker_rows(now),
            "tasks": self._running(),
            "failures": list(self._failures),
        }

    def _worker_rows(self, now: float) -> list[Row]:
        workers = self._hub.workers.values()
        if len(workers) <= CREW:
            return [{**row(worker, now), "busy": worker.busy} for worker in workers]
        hosts: dict[str, Row] = {}
        for worker in workers:
            host = host_of(worker.location)
            sums = hosts.get(host)
            if sums is None:
                if len(hosts) == CREW:
                    continue
                sums = hosts[host] = dict.fromkeys(("workers", "slots", "busy", "held", "ended"), 0)
                sums.update(location=host, rate=0.0, silent=0.0)
            sums["workers"] += 1
            sums["slots"] += worker.slots or 1
            sums["busy"] += worker.busy
            sums["held"] += len(worker.held)
            sums["ended"] += worker.ended
            sums["rate"] += worker.rate(now) or 0.0
            sums["silent"] = max(sums["silent"], now - worker.heard)
        return list(hosts.values())

    def _running(self) -> list[Row]:
        """Return the rows of the oldest running tasks; a worker's tasks are in the order in which it got them."""
        each = [self._of(worker) for worker in self._hub.workers.values() if worker.held]
        oldest = heapq.merge(*each, key=_first)
        return [
            {"id": node.id, "name": node.name[:NAME], "attempt": node.attempt, "worker": node.holder, "since": since}
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
        return Error("this pool keeps no record (--no-record); only lookup can show a single task")


def _first(pair: tuple[float, Node]) -> float:
    return pair[0]
