"""Warns tasks before the job ends: has their workers send them a signal, and remembers which were warned.

A task that has a warning is not started when that much of the job is not left any more (see `Dispatch`): a program that
gets the signal before it has installed a handler dies of it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator

from dwork.core import messages
from dwork.core.task import EndWarning, Options
from dwork.hub.node import Node
from dwork.hub.step import Step
from dwork.hub.workers import WorkerState, WorkerTable


class EndWarnings:
    """See the module docstring. default: of tasks that set none. deadline: when `tick` is due."""

    def __init__(self, workers: WorkerTable, default: EndWarning | None) -> None:
        self.deadline = math.inf
        self._workers = workers
        self._default = default
        self._job_end = math.inf
        self._warned: dict[Node, int] = {}  # which attempt was warned

    def expect_end(self, end: float) -> None:
        """Set when the batch job ends."""
        self._job_end = end
        pending = [warning for worker in self._workers.values() for _, warning in self._pending(worker)]
        self.deadline = min([end - warning.before for warning in pending], default=math.inf)

    def _pending(self, worker: WorkerState) -> Iterator[tuple[Node, EndWarning]]:
        """Yield the tasks of a worker that are still to be warned."""
        for node in worker.held.values():
            warning = node.task.options.warn or self._default
            if warning is not None and not self.has_warned(node):
                yield node, warning

    def stop(self) -> None:
        """Warn no more: running tasks are asked to end."""
        self._job_end = self.deadline = math.inf

    def before(self, options: Options) -> float:
        """Return how many seconds before the end of the job a task is warned; 0.0 when it is not."""
        warning = options.warn or self._default
        return warning.before if warning is not None else 0.0

    def handed_out(self, options: Options) -> None:
        """Note that a task with these options is about to start."""
        if before := self.before(options):
            self.deadline = min(self.deadline, self._job_end - before)

    def has_warned(self, node: Node) -> bool:
        """Whether the present attempt of a task was warned."""
        return self._warned.get(node) == node.attempt

    def tick(self, step: Step) -> None:
        """Warn the tasks for which it is time."""
        if step.now < self.deadline:
            return
        self.deadline = math.inf
        for worker in self._workers.values():
            due: defaultdict[int, list[int]] = defaultdict(list)
            for node, warning in self._pending(worker):
                at = self._job_end - warning.before
                if step.now < at:
                    self.deadline = min(self.deadline, at)
                elif worker.slots:  # a C++ worker takes no unasked messages
                    self._warned[node] = node.attempt
                    due[warning.signal].append(node.id)
            for number, ids in due.items():
                step.send(worker, messages.Warn(tuple(ids), number))
