"""The effects of one input of the hub."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Protocol

from dwork.core.events import Event
from dwork.core.messages import Message

#: The caller's handle for sending to a process.
Peer = Hashable


class Reachable(Protocol):
    """What has a peer, which is None as long as it has not contacted this hub."""

    peer: Peer


@dataclass(slots=True)
class Step:
    """The effects of one input at a time: events in order, messages to send, and peers to drop as declared lost.

    now: when the input came, in seconds since the epoch.
    """

    now: float
    events: list[Event] = field(default_factory=list)
    sends: list[tuple[Peer, Message]] = field(default_factory=list)
    dropped: list[Peer] = field(default_factory=list)

    def answer(self, peer: Peer, message: Message) -> None:
        """Send a message to a peer."""
        self.sends.append((peer, message))

    def send(self, worker: Reachable, message: Message) -> None:
        """Send a message to a worker unasked, unless it has not returned to a restarted hub yet."""
        if worker.peer is not None:
            self.sends.append((worker.peer, message))

    def add(self, other: Step) -> None:
        """Append the effects of a later input."""
        self.events += other.events
        self.sends += other.sends
        self.dropped += other.dropped
