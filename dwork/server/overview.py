"""How a run stands, for those who watch it: one short answer tells all that their screen shows.

It is made from what hub and report know anyway, and a few things that are kept here as they happen. It must cost the
hub little, which does nothing else meanwhile: what there may be very many of is told in part (workers by host, of the
running tasks the oldest, of the failures the last), and an answer is given again as long as making another one would
take more than a small part of the hub's time, however many watch.

The answer is a JSON object. time: the hub's clock; all times are seconds since the epoch. run: tasks (what it is
about), host, pid, job, started. counts, running, cores, busy, slots, ended, seconds: as in a Standing. stopping: why no
more is started, or empty. over: whether nothing runs, and nothing will. job_end: when the batch job ends, or null.
workers: how many. crew: a row of each, as for Workers, with busy (slots); when they are many a row for each host, with
how many there are (workers). tasks: rows of running tasks, those first that are longest in a worker's hands: id, name
(its beginning), attempt, worker, since. failures: attempts that have failed, the last one first: id, name, attempt,
worker, time, how, again (it is tried once more), stderr (its end).
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
from dwork.output.summary import Report
from dwork.progress.standing import standing
from dwork.server.worker_rows import row

#: Rows that are told, at the most.
CREW: Final = 200
TASKS: Final = 200
FAILURES: Final = 30
#: Characters of a name, and bytes of stderr.
NAME: Final = 300
STDERR: Final = 1000
#: An answer is good for so many times the time that it took.
GOOD: Final = 50

Row = dict[str, Any]


class Overview:
    """A listener. tasks: what the run is about. since(id): when a task came into a worker's hands; None: see to it."""

    def __init__(
        self,
        hub: Hub,
        report: Report,
        tasks: str,
        clock: Callable[[], float],
        since: Callable[[int], float | None] | None = None,
    ) -> None:
        self._hub = hub
        self._report = report
        self._run = {
            "tasks": tasks,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "job": element() or job(),
            "started": clock(),
        }
        self._clock = clock
        self._may_keep = since is None
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
                    if self._may_keep:
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
        """These are in nobody's hands any more."""
        if not self._may_keep and not self._tails:
            return
        ids = [task.id for task in tasks]
        self._tails.forget(ids)
        if self._may_keep:
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
        """The answer, to Watch perhaps one that was given a moment ago."""
        now = self._clock()
        if isinstance(inquiry, Workers):
            return Answer(json.dumps([row(worker, now) for worker in self._hub.workers.values()]).encode())
        if now >= self._good_until:
            self._answer = Answer(json.dumps(self._told(now), separators=(",", ":")).encode())
            self._good_until = now + GOOD * max(0.0, self._clock() - now)
        return self._answer

    def _told(self, now: float) -> Row:
        hub, at = self._hub, standing(self._hub, self._report, now)
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
            "crew": self._crew(now),
            "tasks": self._running(),
            "failures": list(self._failures),
        }

    def _crew(self, now: float) -> list[Row]:
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
        """Each worker's are in the order in which it got them."""
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
    """What a hub that keeps no record can answer."""

    def __init__(self, overview: Overview) -> None:
        self._overview = overview

    def answer(self, inquiry: Inquiry) -> Message:
        if isinstance(inquiry, Watch | Workers):
            return self._overview.answer(inquiry)
        return Error("this pool keeps no record (--no-record), so it tells of no single task but with lookup")


def _first(pair: tuple[float, Node]) -> float:
    return pair[0]
