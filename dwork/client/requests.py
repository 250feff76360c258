"""The requests of a client, and what it checks of each reply, given what the hub at the other end understands."""

from __future__ import annotations

import re

from dwork.client.exchange import Exchange
from dwork.client.status import Status
from dwork.connection.file import Connection
from dwork.core import messages
from dwork.core.errors import GraphError, WireError
from dwork.core.messages import Message, Request
from dwork.core.peer_version import Version, mismatch
from dwork.core.row_json import T, unpack

_STATUS = re.compile(r"dhub: (\d+) active tasks?, (\d+) ready\.")


class Requests:
    """The requests to one hub; threads may share it. timeout: seconds that a request may take."""

    def __init__(self, connection: Connection, timeout: float) -> None:
        self.connection = connection
        self.timeout = timeout
        self.exchange = Exchange(connection, timeout)
        self.ask, self.strange = self.exchange.ask, self.exchange.strange
        self._is_original: bool | None = None
        self._hub = Version()

    @property
    def server(self) -> str:
        """The address of the hub."""
        return self.exchange.server

    def status(self) -> Status:
        """Return how many tasks are in each state."""
        reply = self.ask(messages.OK(), again=True)
        status = self.status_of(reply)
        version = reply.version if isinstance(reply, messages.OK) else None
        self._is_original, self._hub = version is None and not status.counts, version or Version()
        return status

    def status_of(self, reply: Message) -> Status:
        numbers = _STATUS.fullmatch(reply.name or "") if isinstance(reply, messages.OK) else None
        if numbers is None or not isinstance(reply, messages.OK):
            raise self.strange(reply)
        return Status(int(numbers[1]), int(numbers[2]), dict(reply.counts), numbers[0])

    def ok(self, request: Request, *, again: bool = False) -> None:
        """Send a request whose reply is OK."""
        reply = self.ask(request, again=again)
        if not isinstance(reply, messages.OK):
            raise self.strange(reply)

    def number(self, request: Request, what: str, *, again: bool = False) -> int:
        """Return the number in the OK to a request that the original hub does not know."""
        reply = self.ask_ours(request, what, again=again)
        if not isinstance(reply, messages.OK):
            raise self.strange(reply)
        return reply.n or 0

    def answer(self, request: messages.Inquiry, what: str) -> messages.Answer | None:
        """Return the answer to an inquiry; None when there is none."""
        reply = self.ask_ours(request, what, again=True)
        if isinstance(reply, messages.NotFound):
            return None
        if not isinstance(reply, messages.Answer):
            raise self.strange(reply)
        return reply

    def unpacked(self, data: bytes, kind: type[T]) -> T:
        """Return the rows of an answer."""
        try:
            return unpack(data, kind)
        except ValueError as error:
            raise WireError(
                f"the answer of the hub at {self.server} is not understood: {error}; use the dquery of its version"
            ) from None

    def ask_ours(
        self, request: Request, what: str, *, again: bool = False, exchange: Exchange | None = None, wait: float = 0.0
    ) -> Message:
        """Like ask, for requests that the original hub does not know, nor perhaps one of another protocol."""
        try:
            return (exchange or self.exchange).ask(request, again=again, wait=wait)
        except GraphError as error:
            if self._is_original is None:
                self.status()
            if self._is_original:
                raise GraphError(f"the hub at {self.server} is an original dhub, which cannot {what}") from None
            if self._hub.protocol != messages.OURS.protocol:
                versions = mismatch(f"the hub at {self.server}", self._hub, "this client", messages.OURS)
                raise GraphError(f"{error}; {versions}") from None
            raise

    def need_ours(self, what: str) -> None:
        """Refuse what the original hub would silently drop: it would run, or count as done, the wrong thing."""
        if self._is_original is None:
            self.status()
        if self._is_original:
            raise GraphError(
                f"the hub at {self.server} is an original dhub, which would silently drop {what}; use dwork-mpi's dhub"
            )

    def need_protocol(self, protocol: int, what: str) -> None:
        """Refuse what a hub that speaks an older protocol would silently drop."""
        self.need_ours(what)
        if self._hub.protocol < protocol:
            versions = mismatch(f"the hub at {self.server}", self._hub, "this client", messages.OURS)
            raise GraphError(f"the hub would silently drop {what}; {versions}")
