"""The hub's loop.

Each turn processes all frames that have arrived, passes all events to the listeners, and only then sends: a listener
that keeps a record can make it durable once for many messages, and nothing is acknowledged before that.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, Final, Protocol

from dwork.core.errors import StoreError, WireError
from dwork.core.events import Event
from dwork.core.messages import Answer, Await, Error, Inquiry, Message, Watch
from dwork.core.text import printable
from dwork.hub.hub import Hub
from dwork.hub.step import Step
from dwork.transport import Peer, Transport, wire
from dwork.transport.waiting import SYSTEM, Clock

Where = tuple[Transport, Peer]
#: An answer; or a function that returns it when there is one, and None before.
Found = Message | Callable[[], Message | None]

#: Seconds without a frame after which deferred work begins.
REST: Final = 0.05


class Listener(Protocol):
    """Receives all events in order; must not change anything that the hub uses."""

    def hear(self, happened: Sequence[Event]) -> None: ...


class HubLoop:
    """Run a hub over its transports. To the hub, a peer is a pair: a transport and that transport's peer."""

    def __init__(
        self,
        hub: Hub,
        transports: Sequence[Transport],
        listeners: Iterable[Listener],
        tell: Callable[[str], None] = lambda text: None,
        answer: Callable[[Inquiry], Found] = lambda inquiry: Error(printable("this hub keeps no record to query")),
        idle: Callable[[], bool] | None = None,
        clock: Clock = SYSTEM,
    ) -> None:
        """Create the loop. tell(text): prints a line for people. answer(inquiry): answers a query.

        idle(): does some deferred work of the record, and returns whether more is left. A query may have to wait for
        that; see Found.
        """
        self.hub = hub
        self._tell = tell
        self._transports = transports
        self._listeners = list(listeners)
        self._answer = answer
        self._idle = idle
        self._clock = clock
        self._is_busy = False
        self._unanswered: list[tuple[Where, str, Callable[[], Message | None]]] = []

    def listen(self, listener: Listener) -> None:
        """Add a listener, which gets all events from now on, after the others."""
        self._listeners.append(listener)

    def turn(self) -> None:
        """Process all frames that have arrived, and send the messages that they cause."""
        now = self._clock.now()
        total = Step(now)
        for transport in self._transports:
            for peer, frame in transport.receive():
                self._is_busy = True
                self._take(transport, peer, frame, now, total)
        if now >= self.hub.deadline:
            total.add(self.hub.tick(now))
        self.carry_out(total)
        if self._unanswered:
            late = Step(now)
            self._answer_late(late)
            self.carry_out(late)

    def _take(self, transport: Transport, peer: Peer, frame: bytes, now: float, total: Step) -> None:
        where = (transport, peer)
        kind = "undecodable"
        try:
            message = wire.decode_request(frame)
            kind = type(message).__name__
            if not isinstance(message, Inquiry):
                total.add(self.hub.receive(where, message, now))
                return
        except WireError as error:
            total.sends.append((where, Error(printable(str(error)), error.answers)))
            return
        except Exception as error:
            self._survive(where, kind, error, total)
            return
        if total.events:  # the record does not have them yet
            self.carry_out(total)
            total.events, total.sends, total.dropped = [], [], []
        self._try_to_answer(where, kind, lambda: self._answer(message), total)

    def _answer_late(self, total: Step) -> None:
        """Send the answers that have been waited for, and are there now."""
        unanswered, self._unanswered = self._unanswered, []
        for where, kind, later in unanswered:
            self._try_to_answer(where, kind, lambda later=later: later() or later, total)  # type: ignore[misc]

    def _try_to_answer(self, where: Where, kind: str, answer: Callable[[], Found], total: Step) -> None:
        try:
            found = answer()
        except StoreError:
            raise
        except Exception as error:
            self._survive(where, kind, error, total)
            return
        if callable(found):
            self._unanswered.append((where, kind, found))
        else:
            total.sends.append((where, found))

    def _survive(self, where: Hashable, kind: str, error: Exception, total: Step) -> None:
        """Handle a message that hit a bug in dwork: drop its peer and continue, unless the graph is inconsistent."""
        text = self._report_bug(f"a message ({kind}) from a peer", error)
        total.sends.append((where, Error(printable(f"this message ({kind}) hit a bug in dwork: {text}"))))
        total.add(self.hub.lose({where: ()}, self._clock.now(), f"its message ({kind}) hit a bug in dwork"))

    def _report_bug(self, what: str, error: Exception) -> str:
        """Print what hit which bug in dwork, which costs a peer; return the bug. Raise when the graph is broken."""
        self.hub.check()
        text = printable(f"{type(error).__name__}: {error}")
        self._tell(f"this is a bug in dwork, please report it: {what} caused {text}; the peer is dropped")
        return text

    def carry_out(self, step: Step) -> None:
        """Pass the events to the listeners, then send; repeat with the consequences when peers turn out to be gone."""
        while True:
            if step.events:
                for listener in self._listeners:
                    listener.hear(step.events)
            unsent = self._send(step)
            gone: dict[Hashable, list[Message]] = {where: [] for where, _ in unsent}
            where: Any  # the hub accepts any hashable; ours are pairs
            for where in step.dropped:
                transport, peer = where
                transport.drop(peer)
            gone.update(((transport, peer), []) for transport in self._transports for peer in transport.lost())
            if not gone:
                return
            for to, message in step.sends:  # what did not reach them is in this step only
                # Tasks that cannot be sent stay with their worker, and are lost with it: after some losses they fail.
                if to in gone and (to, message) not in unsent:
                    gone[to].append(message)
            step = self.hub.lose(gone, self._clock.now(), "it can no longer be reached")

    def _send(self, step: Step) -> list[tuple[Hashable, Message]]:
        """Send; return the messages that cannot be encoded, whose peers must be dropped."""
        unsent: list[tuple[Hashable, Message]] = []
        where: Any
        for where, message in step.sends:
            transport, peer = where
            try:
                frame = wire.encode(message)
            except Exception as error:
                if isinstance(error, WireError):
                    self._tell(f"dropping a peer: {error}")
                else:
                    self._report_bug(f"a message ({type(message).__name__}) to a peer", error)
                unsent.append((where, message))
                continue
            transport.send(peer, frame)
        return unsent

    def sleep(self, descriptor: int, until: float = math.inf) -> None:
        """Sleep until there is something to do, descriptor is readable, or it is `until`."""
        if self._unanswered and self._idle is not None:
            self._is_busy = False
            self._idle()
            return
        if self._is_busy:  # check for frames again before doing deferred work
            self._is_busy = False
            if self._idle is not None:
                until = min(until, self._clock.now() + REST)
        elif self._idle is not None and self._idle():
            return
        self._clock.sleep(self._transports, [descriptor], min(until, self.hub.deadline), hurry=self.hub.awaited)

    def dismiss(self) -> None:
        """Send Exit to all workers; ignore those that have already gone."""
        step = self.hub.dismiss(self._clock.now())
        self._send(step)
        for transport in self._transports:
            transport.lost()

    def conclude(self, code: int, endpoint: Transport | None = None) -> None:
        """Report the end of the run, with its exit code, to the peers that wait for it.

        endpoint: also read the Awaits that have just arrived there; other requests are ignored from now on.
        """
        for peer, frame in endpoint.receive() if endpoint is not None else ():
            with contextlib.suppress(WireError):
                if isinstance(message := wire.decode_request(frame), Await):
                    self.hub.receive((endpoint, peer), message, self._clock.now())
        if self.hub.has_end_waiters:
            answer = self._answer(Watch())
            self._send(self.hub.conclude(self._clock.now(), code, answer.data if isinstance(answer, Answer) else b""))
        if endpoint is not None:
            endpoint.lost()  # peers that have gone do not matter any more

    def abandon(self) -> None:
        """Let all workers kill their tasks and leave, since the record can no longer be written; notify no one else."""
        self._listeners.clear()
        self.carry_out(self.hub.drain(self._clock.now(), "abandoned", running=True))
        self.dismiss()
