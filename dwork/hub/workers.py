"""The workers that a hub knows, what each of them has in its hands, and what that leaves free."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from dwork.core.events import Event
from dwork.core.messages import Message
from dwork.core.resources import NOTHING, ONE_CORE, Resources
from dwork.hub.node import Node

Peer = Hashable


@dataclass(slots=True)
class Step:
    """What one input causes: events in the order in which they happened, messages to send, and peers taken for lost."""

    events: list[Event] = field(default_factory=list)
    sends: list[tuple[Peer, Message]] = field(default_factory=list)
    dropped: list[Peer] = field(default_factory=list)

    def tell(self, worker: WorkerState, message: Message) -> None:
        """Say it unasked, if the worker can be reached: one that is still to come back will tell what it holds."""
        if worker.peer is not None:
            self.sends.append((worker.peer, message))


@dataclass(slots=True)
class WorkerState:
    """A location that steals, and the tasks in its hands, oldest first.

    peer is None when the hub was restored and has not heard of it since. has: with as many cores as slots at the least.
    heavy: those of its tasks that ask for more than one core; more: what these ask for beside a core each. Of others it
    may hold more than it can run, of these never.
    """

    location: str
    peer: Peer
    slots: int = 0  # 0: it did not say
    has: Resources = NOTHING
    held: dict[int, Node] = field(default_factory=dict)
    heavy: dict[int, Node] = field(default_factory=dict)
    more: Resources = NOTHING
    recalled: bool = False
    sequence: int = 0  # the last numbered request of this peer
    heard: float = 0.0  # when it said something last
    beat: float = 0.0  # it said that it would, every so many seconds
    joined: float = 0.0
    ended: int = 0  # tasks that have ended in its hands

    def hold(self, node: Node) -> None:
        """This is in its hands; call `recount` then."""
        self.held[node.id] = node
        if node.task.options.asks is not ONE_CORE:
            self.heavy.pop(node.id, None)  # in the order of held
            self.heavy[node.id] = node

    def recount(self) -> None:
        """What it holds has changed."""
        if self.heavy:
            self.heavy = {id: node for id, node in self.heavy.items() if id in self.held}
            asked = [node.task.options.asks for node in self.heavy.values()]
            self.more = Resources(
                sum([a.cores - 1 for a in asked]), sum([a.memory for a in asked]), sum([a.gpus for a in asked])
            )

    def could(self, asked: Resources) -> bool:
        """Whether it could run a task that asks for this; one that tells no slots takes what it gets."""
        return not self.slots or self.has.suffices(asked)

    @property
    def balance(self) -> int:
        """How many tasks of one core it could run besides what it holds; below zero, how many it cannot run yet."""
        n = len(self.held)
        return min(self.slots, self.has.cores - self.more.cores) - n

    @property
    def free(self) -> int:
        return max(0, self.balance)

    @property
    def surplus(self) -> int:
        """How many tasks it holds that it cannot run yet. None of the heavy ones, though the cores of a worker that
        is to come back, as far as they are known, may be too few for these."""
        return min(max(0, -self.balance), len(self.held) - len(self.heavy)) if self.slots else 0

    @property
    def running(self) -> int:
        """How many of the tasks in its hands it runs; the others wait there. One that tells no slots runs one."""
        return len(self.held) - self.surplus if self.slots else min(1, len(self.held))

    @property
    def busy(self) -> int:
        """How many of its slots that takes."""
        return min(self.slots or 1, self.running + self.more.cores) if self.held else 0

    def rate(self, now: float) -> float | None:
        """Tasks that ended in a second since it joined; None: it has not said anything yet."""
        return self.ended / max(now - self.joined, 1e-3) if self.joined else None
