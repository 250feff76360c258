"""A real hub, and one that says what it is told to, each in a thread at a port of its own."""

from __future__ import annotations

import math
import os
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dwork.core.task import State
from dwork.hub.hub import Hub
from dwork.hub.policy import Policy
from dwork.output.totals import Totals
from dwork.record.logs import Logs
from dwork.record.opening import MEMORY
from dwork.record.run import this_run
from dwork.record.store import Store
from dwork.server.hub_loop import HubLoop
from dwork.server.overview import Overview
from dwork.server.queries import Inquiries
from dwork.transport.waiting import clock, sleep
from dwork.transport.zmq import Router


@pytest.fixture(autouse=True)
def hubs_without_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What these tests talk to is served in this process, or is not there at all."""
    monkeypatch.setenv("DWORK_INSECURE", "1")
    monkeypatch.setenv("DWORK_DIR", str(tmp_path / ".dwork"))


ANYWHERE = "tcp://127.0.0.1:*"


class _Served:
    """A Router in a thread; `turn` is called whenever something has come."""

    def __init__(self, address: str) -> None:
        self.router = Router(address)
        self.address = self.router.addresses[0]
        self._asleep, self._wake = os.pipe()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.lock = threading.Lock()

    def _run(self) -> None:
        self.begin()
        while self._wake >= 0:
            sleep([self.router], [self._asleep], self.until())
            with self.lock:
                self.turn()
        self.end()

    def until(self) -> float:
        """When `turn` is to be called at the latest."""
        return math.inf

    def begin(self) -> None:
        """Called in the thread, before anything."""

    def end(self) -> None:
        """Called in the thread, after all."""

    def turn(self) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        if self._wake >= 0:
            wake, self._wake = self._wake, -1
            os.write(wake, b"x")
            self._thread.join()
            os.close(wake)
            os.close(self._asleep)
            self.router.close()


class ServedHub(_Served):
    """A hub and its loop."""

    def __init__(self, address: str = ANYWHERE, policy: Policy | None = None) -> None:
        super().__init__(address)
        self.hub = Hub(policy)
        self._loop = HubLoop(self.hub, [self.router], [])
        self._thread.start()

    def turn(self) -> None:
        self._loop.turn()

    def until(self) -> float:
        return self.hub.deadline

    def state(self, name: str) -> State | None:
        with self.lock:
            node = self.hub.graph.find(name)
            return node.state if node else None

    @property
    def names(self) -> list[str]:
        with self.lock:
            return [node.name for node in self.hub.graph.nodes]


class KeptHub(ServedHub):
    """A hub that keeps a record, in memory, and answers from it; logs: the directory for output, empty for none."""

    def __init__(self, logs: str = "", policy: Policy | None = None) -> None:
        self._logs = logs
        self._begun = threading.Event()
        super().__init__(policy=policy)
        assert self._begun.wait(10)

    def begin(self) -> None:
        # Here, since SQLite's connections belong to the thread that makes them.
        logs = Logs(self._logs, MEMORY) if self._logs else None
        self._store = Store(MEMORY, this_run(clock()), self.hub.graph.number, logs)
        totals = Totals()
        overview = Overview(self.hub, totals, "tasks.txt", clock, self._store.since)
        inquiries = Inquiries(self.hub, self._store, overview)
        listeners = [self._store, totals, overview]
        self._loop = HubLoop(self.hub, [self.router], listeners, answer=inquiries.answer, idle=self._store.idle)
        self._begun.set()

    def end(self) -> None:
        self._store.close(clock(), "told to end")


class Puppet(_Served):
    """Answers each frame with the next of `answers`; None and the end of them are silence. `frames` has what came."""

    def __init__(self, *answers: bytes | None) -> None:
        super().__init__(ANYWHERE)
        self._answers = list(answers)
        self.frames: queue.Queue[bytes] = queue.Queue()
        self._thread.start()

    def turn(self) -> None:
        for peer, frame in self.router.receive():
            answer = self._answers.pop(0) if self._answers else None
            if answer is not None:
                self.router.send(peer, answer)
            self.frames.put(frame)

    def next(self) -> str:
        """The next frame that came, in hex."""
        return self.frames.get(timeout=10).hex()


@pytest.fixture
def serve() -> Iterator[Callable[..., ServedHub]]:
    """Start hubs."""
    served: list[ServedHub] = []

    def start(address: str = ANYWHERE, policy: Policy | None = None) -> ServedHub:
        served.append(ServedHub(address, policy))
        return served[-1]

    yield start
    for each in served:
        each.stop()
        each.hub.check()


@pytest.fixture
def hub(serve: Callable[..., ServedHub]) -> ServedHub:
    """A hub that runs; its graph is checked at the end."""
    return serve()


@pytest.fixture
def keep(tmp_path: Path) -> Iterator[Callable[..., KeptHub]]:
    """Start hubs with a record; what tasks print is kept in tmp_path."""
    served: list[KeptHub] = []

    def start(logs: str | None = None, policy: Policy | None = None) -> KeptHub:
        served.append(KeptHub(str(tmp_path / "logs") if logs is None else logs, policy))
        return served[-1]

    yield start
    for each in served:
        each.stop()
        each.hub.check()


@pytest.fixture
def kept(keep: Callable[..., KeptHub]) -> KeptHub:
    """A hub with a record."""
    return keep()


@pytest.fixture
def puppet() -> Iterator[Callable[..., Puppet]]:
    """Start hubs that say what they are told to: bytes, hex, or None."""
    started: list[Puppet] = []

    def start(*answers: bytes | str | None) -> Puppet:
        started.append(Puppet(*(bytes.fromhex(a) if isinstance(a, str) else a for a in answers)))
        return started[-1]

    yield start
    for each in started:
        each.stop()


@pytest.fixture(autouse=True)
def host(monkeypatch: pytest.MonkeyPatch) -> str:
    """Golden bytes were taken on a host of this name; no test talks to a hub of the user's."""
    monkeypatch.setattr("socket.gethostname", lambda: "vm")
    monkeypatch.setenv("DWORK_SERVER", "tcp://127.0.0.1:9")
    return "vm"
