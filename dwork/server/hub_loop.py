"""The hub's loop.

It takes in all frames that are there, lets the listeners hear all events, and only then sends: a listener that keeps a
record can make it durable once for many messages, and nothing is promised before.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, Protocol

from dwork.core.errors import WireError
from dwork.core.events import Event
from dwork.core.messages import Answer, Await, Error, Inquiry, Message, Watch
from dwork.core.text import printable
from dwork.hub.hub import Hub
from dwork.hub.workers import Step
from dwork.transport import Peer, Transport, wire
from dwork.transport.waiting import clock, sleep


class Listener(Protocol):
    """Hears what has happened, in order; must not change anything that the hub sees."""

    def hear(self, happened: Sequence[Event]) -> None: ...


class HubLoop:
    """Runs a hub over its transports. A peer, to the hub, is a transport with that transport's own peer."""

    def __init__(
        self,
        hub: Hub,
        transports: Sequence[Transport],
        listeners: Iterable[Listener],
        tell: Callable[[str], None] = lambda text: None,
    ) -> None:
        """tell prints a line for people."""
        self.hub = hub
        self._tell = tell
        self._transports = transports
        self._listeners = list(listeners)
        self._idle: Callable[[], bool] = lambda: False
        self._answer: Callable[[Inquiry], Message] = lambda inquiry: Error("this hub keeps no record to answer from")
        self._is_busy = False

    def keep(self, idle: Callable[[], bool], answer: Callable[[Inquiry], Message]) -> None:
        """There is a record. idle: does some of what can wait, and says whether there is more; answer: looks it up."""
        self._idle = idle
        self._answer = answer

    def listen(self, listener: Listener) -> None:
        """Let another listener hear what happens from now on, after the others."""
        self._listeners.append(listener)

    def turn(self) -> None:
        """Take in all that is there, and send what it causes."""
        now = clock()
        total = Step()
        for transport in self._transports:
            for peer, frame in transport.receive():
                self._is_busy = True
                self._take(transport, peer, frame, now, total)
        if now >= self.hub.deadline:
            _add(total, self.hub.tick(now))
        self.carry_out(total)

    def _take(self, transport: Transport, peer: Peer, frame: bytes, now: float, total: Step) -> None:
        where = (transport, peer)
        try:
            message = wire.decode_request(frame)
        except WireError as error:
            total.sends.append((where, Error(str(error), error.answers)))
            return
        if isinstance(message, Inquiry):
            if total.events:  # the record has not heard of them yet
                self.carry_out(total)
                total.events, total.sends, total.dropped = [], [], []
            total.sends.append((where, self._answer(message)))
            return
        try:
            _add(total, self.hub.receive(where, message, now))
        except Exception as error:
            self._survive(where, message, error, total)

    def _survive(self, where: Hashable, message: Message, error: Exception, total: Step) -> None:
        """A message has hit a bug of ours: drop its peer and go on, unless the graph is broken (AssertionError)."""
        self.hub.check()
        kind, text = type(message).__name__, printable(f"{type(error).__name__}: {error}")
        self._tell(f"this is a bug in dwork, please report it: {kind} of one peer caused {text}; that peer is dropped")
        total.sends.append((where, Error(f"this {kind} has hit a bug in dwork: {text}")))
        _add(total, self.hub.lose({where: ()}, clock(), f"its {kind} has hit a bug in dwork"))

    def carry_out(self, step: Step) -> None:
        """Let the listeners hear what has happened, then send; and so with what that causes, when peers are gone."""
        while True:
            if step.events:
                for listener in self._listeners:
                    listener.hear(step.events)
            gone: dict[Hashable, list[Message]] = {where: [] for where in self._send(step)}
            where: Any  # the hub takes any hashable; ours are pairs
            for where in step.dropped:
                transport, peer = where
                transport.drop(peer)
            gone.update(((transport, peer), []) for transport in self._transports for peer in transport.lost())
            if not gone:
                return
            for to, message in step.sends:  # what they have not got is in this step, and in no other
                if to in gone:
                    gone[to].append(message)
            step = self.hub.lose(gone, clock(), "it cannot be reached any more")

    def _send(self, step: Step) -> list[Hashable]:
        """Send; return the peers that must be given up, since what they are to be told cannot be said."""
        mute: list[Hashable] = []
        where: Any
        for where, message in step.sends:
            transport, peer = where
            try:
                transport.send(peer, wire.encode(message))
            except WireError as error:
                self._tell(f"a peer is dropped: {error}")
                mute.append(where)
        return mute

    def sleep(self, descriptor: int, until: float = math.inf) -> None:
        """Sleep until there is something to do, descriptor is readable, or it is `until`."""
        if self._is_busy:  # look again before anything that can wait
            self._is_busy = False
        elif self._idle():
            return
        sleep(self._transports, [descriptor], min(until, self.hub.deadline), hurry=self.hub.awaited)

    def dismiss(self) -> None:
        """Tell all workers that all is finished. Who has gone already was told before, and is not missed."""
        step = self.hub.dismiss()
        self._send(step)
        for transport in self._transports:
            transport.lost()

    def conclude(self, code: int, endpoint: Transport | None = None) -> None:
        """The run is over, with this exit code: tell those who wait for that.

        Also those who have just asked: door is where they do, and what others say there is not listened to any more.
        """
        for peer, frame in endpoint.receive() if endpoint is not None else ():
            with contextlib.suppress(WireError):
                if isinstance(message := wire.decode_request(frame), Await):
                    self.hub.receive((endpoint, peer), message, clock())
        if self.hub.has_end_waiters:
            answer = self._answer(Watch())
            self._send(self.hub.conclude(code, answer.data if isinstance(answer, Answer) else b""))
        if endpoint is not None:
            endpoint.lost()  # who has not waited for it is not missed

    def abandon(self) -> None:
        """What happens cannot be kept any more: tell all workers to end their tasks and leave; nobody else is told."""
        self._listeners.clear()
        self.carry_out(self.hub.stop(clock(), "abandoned", running=True))
        self.dismiss()


def _add(total: Step, step: Step) -> None:
    total.events += step.events
    total.sends += step.sends
    total.dropped += step.dropped
