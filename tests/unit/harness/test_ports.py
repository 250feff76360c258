"""Ports that tests give to hubs."""

from __future__ import annotations

import socket

import pytest

from tests.ports import free_ports


def test_free_ports_are_different_and_can_be_listened_on() -> None:
    ports = free_ports(5)
    assert len(set(ports)) == 5
    for port in ports:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", port))


def test_workers_of_xdist_never_get_the_same_port(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for worker in ("gw0", "gw1", "gw12"):
        monkeypatch.setenv("PYTEST_XDIST_WORKER", worker)
        found.append({port % 32 for port in free_ports(3)})
    assert [len(each) for each in found] == [1, 1, 1]
    assert len(set.union(*found)) == 3
