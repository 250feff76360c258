"""The listening hub: its keys, its addresses, its connection file, and what its Welcome contains."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dwork.connection import bridge as module
from dwork.connection.bridge import Bridge
from dwork.connection.directory import is_withdrawn, store_secret
from dwork.connection.endpoint import Endpoint
from dwork.connection.file import Connection, read
from dwork.core.errors import UsageError
from dwork.core.messages import Welcome


@pytest.fixture(autouse=True)
def free_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default port is a free one, whatever else runs on this machine."""
    monkeypatch.setattr(module, "DEFAULT_PORT", "*")


class Listening:
    """Bridges, and what they warn of."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.open: list[Bridge] = []

    def __call__(self, **more: Any) -> Bridge:
        endpoint = Endpoint(**{"bind": "127.0.0.1", **more})
        self.open.append(Bridge(endpoint, 1000.0, self.warnings.append))
        return self.open[-1]


@pytest.fixture
def listen() -> Iterator[Listening]:
    listening = Listening()
    yield listening
    for bridge in listening.open:
        bridge.close()


def test_its_connection_file_has_its_address_and_new_keys_and_goes_with_it(listen: Listening) -> None:
    bridge = listen()
    assert read(bridge.path) == bridge.connection
    assert bridge.server.startswith("tcp://127.0.0.1:") and bridge.connection.keys is not None
    bridge.close()
    assert not Path(bridge.path).exists()
    assert bridge.connection.keys != listen().connection.keys


def test_without_keys_it_listens_on_loopback_and_warns_elsewhere(listen: Listening) -> None:
    bridge = listen(bind=None, insecure=True)
    assert bridge.server.startswith("tcp://127.0.0.1:") and bridge.connection.keys is None
    assert listen.warnings == []
    listen(bind="0.0.0.0", insecure=True)
    assert listen.warnings == [
        "anyone who can reach 0.0.0.0 can run commands as you: --insecure disables authentication"
    ]


def test_one_that_listens_everywhere_names_the_addresses_of_this_machine(
    listen: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "addresses", lambda: ["10.0.0.1", "fe80::1", "127.0.0.1"])
    hosts = [address.rpartition(":")[0] for address in listen(bind=None).connection.addresses]
    assert hosts == ["tcp://10.0.0.1", "tcp://[fe80::1]", "tcp://127.0.0.1"]


def test_a_chosen_port_that_is_taken_is_refused_and_a_default_one_replaced(
    listen: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = int(listen().server.rpartition(":")[2])
    with pytest.raises(UsageError, match=f"cannot listen on tcp://127.0.0.1:{taken}: it is in use"):
        listen(port=taken)
    monkeypatch.setattr(module, "DEFAULT_PORT", taken)
    assert listen().server != f"tcp://127.0.0.1:{taken}"


def test_one_that_is_not_public_has_a_local_address_and_no_file(listen: Listening, tmp_path: Path) -> None:
    local = f"ipc://{tmp_path}/hub"
    bridge = listen(public=False, local=local)
    assert (bridge.connection.addresses, bridge.path) == ((local,), "")
    assert bridge.welcome(output=True) == Welcome(output=True)


def test_its_welcome_has_the_connection_file_or_without_keys_the_address(listen: Listening) -> None:
    bridge, insecure = listen(), listen(insecure=True)
    assert bridge.welcome().server == ""
    assert Connection.from_json(bridge.welcome().connection) == bridge.connection
    assert insecure.welcome() == Welcome(insecure.server)


def test_without_a_writable_home_the_connection_file_is_beside_the_record(
    listen: Listening, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DWORK_DIR", str(tmp_path / "file" / "place"))
    bridge = listen(record=str(tmp_path / "tasks.txt.db"))
    assert bridge.path == str(tmp_path / "tasks.txt.db.connection") and read(bridge.path) == bridge.connection
    (warning,) = listen.warnings
    assert "Not a directory; set $DWORK_DIR to another directory; the connection file of this run is" in warning
    assert not is_withdrawn(bridge.connection)
    bridge.close()
    assert is_withdrawn(bridge.connection) and not Path(bridge.path).exists()


def test_without_a_place_for_its_connection_file_a_hub_runs_without(
    listen: Listening, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DWORK_DIR", str(tmp_path / "file" / "place"))
    bridge = listen(keep="run")
    assert bridge.path == "" and bridge.welcome().connection
    kept, found = listen.warnings
    assert kept.endswith("; workers cannot reconnect when this hub is restarted")
    assert found.endswith("; dquery and kworker cannot find this run")


def test_a_hub_that_is_restarted_has_the_keys_that_it_had(listen: Listening) -> None:
    first = listen(keep="run")
    first.close()
    again, other = listen(keep="run"), listen(keep="another")
    assert first.connection.keys == again.connection.keys != other.connection.keys


def test_stored_keys_that_are_damaged_are_refused(listen: Listening) -> None:
    store_secret("run", '[["a"], 3]')
    with pytest.raises(UsageError, match=r"the keys of run in .* are damaged; delete them"):
        listen(keep="run")
