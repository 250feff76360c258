"""The workers of a hub, the tasks that each one holds, and the resources that are left."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from dwork.core.events import Event
from dwork.core.messages import OURS, Error, Message, Native
from dwork.core.resources import NOTHING, ONE_CORE, Resources
from dwork.core.version import mismatch
from dwork.hub.node import Node

Peer = Hashable


@dataclass(slots=True)
class Step:
    """The effects of one input: events in order, messages to send, and peers to drop since they were declared lost."""

    events: list[Event] = field(default_factory=list)
    sends: list[tuple[Peer, Message]] = field(default_factory=list)
    dropped: list[Peer] = field(default_factory=list)

    def send(self, worker: WorkerState, message: Message) -> None:
        """Send a message to a worker unasked, unless it has not returned to a restarted hub yet."""
        if worker.peer is not None:
            self.sends.append((worker.peer, message))


def refusal(location: str, native: Native | None) -> Error | None:
    """Return the answer to a worker that speaks another protocol, which must not join; None for any other."""
    if native is None or native.version.protocol == OURS.protocol:
        return None
    return Error(mismatch("the hub", OURS, f"worker {location}", native.version), native.sequence, OURS)


@dataclass(slots=True)
class WorkerState:
    """A location that steals, and the tasks that it holds, oldest first.

    peer is None when the hub was restored and has not heard from it since. has: its resources, with at least as many
    cores as slots. heavy: its tasks that ask for more than just one core; more: what these ask for in total, minus one
    core each. It may hold more plain tasks than it can run, but never more heavy ones.
    """

    location: str
    peer: Peer
    slots: int = 0  # 0: not reported
    has: Resources = NOTHING
    held: dict[int, Node] = field(default_factory=dict)
    heavy: dict[int, Node] = field(default_factory=dict)
    more: Resources = NOTHING
    recalled: bool = False
    sequence: int = 0  # the number of the last request of this peer
    heard: float = 0.0  # when its last message arrived
    beat: float = 0.0  # the interval at which it promised to send beats; 0: none
    joined: float = 0.0
    ended: int = 0  # how many tasks it has ended

    def hold(self, node: Node) -> None:
        """Add a task; call `recount` afterwards."""
        self.held[node.id] = node
        if node.task.options.asks is not ONE_CORE:
            self.heavy.pop(node.id, None)  # keep the order of held
            self.heavy[node.id] = node

    def recount(self) -> None:
        """Update `heavy` and `more` after `held` has changed."""
        if self.heavy:
            self.heavy = {id: node for id, node in self.heavy.items() if id in self.held}
            asked = [node.task.options.asks for node in self.heavy.values()]
            self.more = Resources(
                sum([a.cores - 1 for a in asked]), sum([a.memory for a in asked]), sum([a.gpus for a in asked])
            )

    def could(self, asked: Resources) -> bool:
        """Whether it could run a task with this request when idle; a worker without slots takes any task."""
        return not self.slots or self.has.suffices(asked)

    @property
    def balance(self) -> int:
        """How many more tasks of one core it could run; negative: how many of those it holds it cannot run yet."""
        n = len(self.held)
        return min(self.slots, self.has.cores - self.more.cores) - n

    @property
    def free(self) -> int:
        """How many more tasks of one core it could run."""
        return max(0, self.balance)

    @property
    def surplus(self) -> int:
        """How many tasks it holds that it cannot run yet.

        Heavy tasks never count, although the known cores of a worker that has not returned yet may be too few for them.
        """
        return min(max(0, -self.balance), len(self.held) - len(self.heavy)) if self.slots else 0

    @property
    def running(self) -> int:
        """How many of its tasks it runs; the others wait. A worker without slots runs one."""
        return len(self.held) - self.surplus if self.slots else min(1, len(self.held))

    @property
    def busy(self) -> int:
        """How many of its slots are in use."""
        return min(self.slots or 1, self.running + self.more.cores) if self.held else 0

    def rate(self, now: float) -> float | None:
        """Tasks ended per second since it joined; None when it has not contacted this hub yet."""
        return self.ended / max(now - self.joined, 1e-3) if self.joined else None
