"""What serves a run is opened and closed in an order that loses nothing and misleads nobody."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dwork.connection.bridge import Bridge
from dwork.connection.endpoint import Endpoint
from dwork.core import messages as m
from dwork.core.errors import StoreError, UsageError
from dwork.core.messages import Native
from dwork.core.task import Result, Task
from dwork.hub.policy import Policy
from dwork.output.printer import Printer
from dwork.output.streams import Streams
from dwork.server.assemble import Server, ServerSettings
from tests.desk import Desk, look, rows

NOWHERE = Endpoint(public=False)
HERE = Endpoint(bind="127.0.0.1")


class Signalled:
    """Signals, of which one comes while something is waited for; `seen` is what `look` found then."""

    def __init__(self, look: Callable[[], Any]) -> None:
        self._look = look
        self.seen: list[Any] = []

    def pause(self, seconds: float, wanted: Any) -> bool:
        self.seen.append(self._look())
        return True


class Stream:
    """One that notes, whenever something is printed, what `look` finds then."""

    def __init__(self, look: Callable[[], Any]) -> None:
        self._look = look
        self.seen: list[tuple[bytes, Any]] = []

    def write(self, data: bytes) -> int:
        self.seen.append((data, self._look()))
        return len(data)

    def flush(self) -> None: ...

    def fileno(self) -> int:
        raise OSError

    def isatty(self) -> bool:
        return False


@pytest.fixture(autouse=True)
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """The connection files by which clients can find a run."""
    directory = tmp_path / "connections"
    monkeypatch.setenv("DWORK_DIR", str(directory))
    return lambda: [path.name for path in directory.glob("*.json")]


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


def serve(
    stack: contextlib.ExitStack,
    record: Path | str = "",
    endpoint: Endpoint = NOWHERE,
    signals: Any = None,
    *,
    quiet: bool = False,
    **more: Any,
) -> Server:
    settings = ServerSettings(policy=Policy(), endpoint=endpoint, record=str(record), quiet=quiet)
    return Server(settings, signals, stack, **{"say": print, "tell": print, **more})


def test_nobody_finds_a_run_that_waits_for_its_record(
    stack: contextlib.ExitStack, published: Callable[[], list[str]], tmp_path: Path
) -> None:
    earlier = Desk(tmp_path / "x.db")
    signals = Signalled(published)
    with pytest.raises(StoreError, match="a signal ended the wait"):
        serve(stack, tmp_path / "x.db", HERE, signals)
    assert signals.seen == [[]]
    earlier.close()
    serve(stack, tmp_path / "x.db", HERE)
    assert len(published()) == 1


def test_the_record_has_what_is_printed(stack: contextlib.ExitStack, tmp_path: Path) -> None:
    def recorded() -> list[Any]:
        assert server.store is not None
        return rows(server.store.connection, "SELECT count(*) FROM finished")

    out = Stream(recorded)
    server = serve(stack, tmp_path / "x.db", printer=Printer(Streams(out, out)))
    for message in (
        m.Create((Task("a", "echo a"),)),
        m.Steal("w:1", 1, Native(1, math.inf, 1, hello=True)),
        m.Complete("w:1", (Result(0, 1, stdout=b"a\n"),), 0, Native(1, math.inf, 2)),
    ):
        step = server.hub.receive("w", message, 1.0)
        step.sends.clear()
        server.loop.carry_out(step)
    assert out.seen == [(b"a\n", [1])]


def test_a_client_that_finds_the_bridge_gone_can_read_the_record(
    tmp_path: Path, published: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def noted(bridge: Bridge) -> None:
        seen.append((len(published()), look(tmp_path / "x.db", "SELECT outcome FROM runs")))
        close(bridge)

    close = Bridge.close
    monkeypatch.setattr(Bridge, "close", noted)
    with contextlib.ExitStack() as stack:
        serve(stack, tmp_path / "x.db", HERE).outcome = "done"
    assert seen == [(1, ["done"])]
    assert published() == []


def test_a_record_is_closed_when_the_hub_cannot_listen(stack: contextlib.ExitStack, tmp_path: Path) -> None:
    other = serve(stack, "", HERE).bridge
    assert other is not None
    taken = Endpoint(bind="127.0.0.1", port=int(other.server.rpartition(":")[2]))
    with pytest.raises(UsageError, match="in use"), contextlib.ExitStack() as inner:
        serve(inner, tmp_path / "x.db", taken)
    assert look(tmp_path / "x.db", "SELECT outcome FROM runs") == ["aborted"]


@pytest.mark.parametrize("quiet", [True, False])
def test_only_a_quiet_program_prints_no_notices(stack: contextlib.ExitStack, quiet: bool) -> None:
    lines: list[str] = []
    server = serve(stack, quiet=quiet, tell=lines.append)
    server.loop.carry_out(server.hub.drain(1.0, "interrupted"))
    assert lines == ([] if quiet else ["interrupted: no more tasks are started"])
