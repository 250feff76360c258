"""A node of the task graph: a task with its state and its neighbours."""

from __future__ import annotations

from dwork.core.task import State, Task


class Node:
    """A task's place in the graph.

    waiting: how many predecessors are unfinished, plus suspensions. holder: the location that holds it, or that ended
    it. attempt: how often it was handed out and not given back unstarted. failures: how many attempts failed.
    culprit: the failed or cancelled task because of which this one is skipped.
    """

    __slots__ = (
        "attempt", "culprit", "failures", "holder", "id", "predecessors", "state", "successors", "task", "waiting",
    )  # fmt: skip

    def __init__(self, task: Task, predecessors: tuple[Node, ...] = ()) -> None:
        self.task = task
        self.predecessors = predecessors
        self.id = -1
        self.state = State.WAITING
        self.waiting = 0
        self.attempt = 0
        self.failures = 0
        self.successors: list[Node] | None = None
        self.holder: str | None = None
        self.culprit: Node | None = None

    @property
    def name(self) -> str:
        return self.task.name

    @property
    def is_join(self) -> bool:
        return self.task.command is None

    def __repr__(self) -> str:
        return f"<{self.id} {self.task.name!r} {self.state.value}>"
