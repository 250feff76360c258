"""Which address of a run is used, and whether one is left at which something listens."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest

from dwork.connection.reach import reach, refuses
from dwork.core.errors import TransportError
from tests.unit.connection.me import ME


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address at which nothing listens."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        yield f"tcp://127.0.0.1:{closed.getsockname()[1]}"


@pytest.fixture
def here() -> Iterator[str]:
    """An address at which something listens."""
    with socket.create_server(("127.0.0.1", 0)) as hub:
        yield f"tcp://127.0.0.1:{hub.getsockname()[1]}"


def test_addresses_are_tried_in_turn(here: str, nobody: str) -> None:
    assert reach(replace(ME, addresses=(nobody, here)), 10.0) == here
    with pytest.raises(TransportError, match=f"no address of the run answers: {nobody}: Connection refused"):
        reach(replace(ME, addresses=(nobody,)), 0.1)


def test_a_run_refuses_when_none_of_its_addresses_accepts(here: str, nobody: str) -> None:
    assert refuses(replace(ME, addresses=(nobody,)))
    assert not refuses(replace(ME, addresses=(nobody, here)))
    assert not refuses(replace(ME, addresses=("ipc:///nowhere",)))


def test_the_loopback_of_another_host_proves_nothing(here: str, nobody: str) -> None:
    assert refuses(replace(ME, host="elsewhere", addresses=(nobody.replace("127.0.0.1", "localhost"), here)))
