"""A node of the task graph: a task with its state and its neighbours."""

from __future__ import annotations

from collections.abc import Sequence

from dwork.core.task import ACTIVE, State, Task

_NONE: frozenset[Node] = frozenset()


class Node:
    """A task's place in the graph.

    predecessors, successors: of both kinds. after_any: the predecessors that need only have ended; the others must be
    done. waiting: how many predecessors it waits for, plus suspensions. holder: the location that holds it, or that
    ended it. attempt: how often it was handed out and not given back unstarted. failures: how many attempts failed.
    culprit: the failed or cancelled task because of which this one is skipped.
    """

    __slots__ = (
        "attempt", "culprit", "failures", "holder", "id", "predecessors", "state", "successors", "task", "waiting",
    )  # fmt: skip

    after_any: frozenset[Node] = _NONE  # not a slot: few tasks have any, and a million tasks need no memory for it

    def __init__(self, task: Task) -> None:
        self.task = task
        self.predecessors: tuple[Node, ...] = ()
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
    def needed(self) -> Sequence[Node]:
        """The predecessors that must be done."""
        return [p for p in self.predecessors if p not in self.after_any] if self.after_any else self.predecessors

    def waits_for(self, p: Node) -> bool:
        """Whether a predecessor has not come to the state that this task waits for."""
        return p.state is not State.DONE and (p.state in ACTIVE or p not in self.after_any)

    @property
    def is_join(self) -> bool:
        return self.task.command is None

    def __repr__(self) -> str:
        return f"<{self.id} {self.task.name!r} {self.state.value}>"


class AnyNode(Node):
    """A node that has predecessors which need only have ended."""

    __slots__ = ("after_any",)
