"""Assembles what serves a run: a hub with its transports, record, listeners and queries; for a pool and for dhub.

Three orders matter. The record is opened before the bridge writes its connection file, by which clients find this run:
it may have to wait for an earlier run. The record gets each event before a listener shows it. And the record is closed
before the bridge: clients that find the bridge gone read the record.

zmq and sqlite3 are imported for a bridge and for a record, and not by a run that needs neither.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dwork.connection.endpoint import Endpoint
from dwork.core.messages import DEFAULT_EXECUTION, Execution, Inquiry, Welcome
from dwork.host.signals import ENDS, Signals
from dwork.hub.hub import Hub
from dwork.hub.policy import Policy
from dwork.output.failures import Failures
from dwork.output.notices import Notices
from dwork.output.printer import Printer
from dwork.output.totals import Totals
from dwork.progress.listener import Face, Progress, Silence
from dwork.progress.standing import standing
from dwork.server.hub_loop import Found, HubLoop, Listener
from dwork.server.overview import NoRecord, Overview
from dwork.transport import Transport
from dwork.transport.waiting import clock

if TYPE_CHECKING:
    from dwork.connection.bridge import Bridge
    from dwork.record.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """The options that a pool and dhub share.

    policy: the hub's settings. endpoint: where the hub listens besides MPI, and who may connect. record: the file of
    the record, empty for none. fresh: move an earlier record aside. logs: the directory of log files, empty for none.
    max_output: bytes to keep and print of each stream of an attempt; 0: all. execution: how tasks are run. quiet: print
    no notices.
    """

    policy: Policy
    endpoint: Endpoint
    record: str = ""
    fresh: bool = False
    logs: str = ""
    max_output: int = 0
    execution: Execution = DEFAULT_EXECUTION
    quiet: bool = False


class Server:
    """A hub with what serves it. store: its record, None if it keeps none. bridge: None if only ranks may connect.

    outcome: how the run has ended, for the record.
    """

    def __init__(
        self,
        settings: ServerSettings,
        signals: Signals,
        stack: contextlib.ExitStack,
        *,
        say: Callable[[str], None],
        tell: Callable[[str], None],
        ranks: Sequence[Transport] = (),
        printer: Printer | None = None,
        face: Face | None = None,
    ) -> None:
        """Assemble it; the stack closes it. signals: those of ENDS end the wait for a record.

        say(text): prints a line for people; tell(text): does so unless the program is quiet. ranks: more transports.
        printer: prints the output of tasks; without it, and without logs, workers do. face: shows the progress.
        """
        self.outcome = "aborted"
        self.store: Store | None = None
        self.bridge: Bridge | None = None
        stack.callback(self.close)  # also if the rest fails
        if settings.record:
            self.store = _record(settings, signals, say, tell, lambda name: self.hub.graph.number(name))
        if settings.endpoint.public or settings.endpoint.local:
            from dwork.connection.bridge import Bridge

            self.bridge = Bridge(settings.endpoint, clock(), say)
        self.hub = hub = Hub(settings.policy, self._welcome(settings, prints=printer is not None))
        self.totals = totals = Totals()
        self.failures = Failures()
        self.progress = Progress(face or Silence(), lambda now: standing(hub, totals, now))
        notices = None if settings.quiet else Notices(tell, are_listed=bool(settings.record))
        since = self.store.since if self.store is not None else None
        overview = Overview(hub, totals, settings.endpoint.tasks, clock, since)
        listeners: list[Listener | None] = [
            self.store, printer, notices, totals, self.failures, self.progress, overview
        ]  # fmt: skip
        bridge = [self.bridge.router] if self.bridge is not None else []
        self.loop = HubLoop(
            hub,
            [*ranks, *bridge],
            [each for each in listeners if each is not None],
            say,
            self._answer(overview),
            self.store.idle if self.store is not None else None,
        )

    def _welcome(self, settings: ServerSettings, *, prints: bool) -> Welcome:
        welcome = self.bridge.welcome if self.bridge is not None else Welcome
        return welcome(
            output=prints or bool(settings.logs),
            limit=settings.max_output,
            beat=settings.policy.beat,
            execution=settings.execution,
        )

    def _answer(self, overview: Overview) -> Callable[[Inquiry], Found]:
        if self.store is None:
            return NoRecord(overview).answer
        from dwork.server.queries import Inquiries

        return Inquiries(self.hub, self.store, overview).answer

    def conclude(self, code: int) -> None:
        """Send the exit code of the run to the clients that wait for its end."""
        self.loop.conclude(code, self.bridge.router if self.bridge is not None else None)

    def close(self) -> None:
        """Close the record, then the bridge."""
        try:
            if self.store is not None:
                self.store.close(clock(), self.outcome)
        finally:
            if self.bridge is not None:
                self.bridge.close()


def _record(
    settings: ServerSettings,
    signals: Signals,
    say: Callable[[str], None],
    tell: Callable[[str], None],
    number: Callable[[str], int | None],
) -> Store:
    from dwork.record.opening import open_store
    from dwork.record.waiting import Wait

    wait = Wait(lambda seconds: signals.pause(seconds, ENDS), say)
    return open_store(settings.record, settings.logs, number, clock(), tell, fresh=settings.fresh, wait=wait)
