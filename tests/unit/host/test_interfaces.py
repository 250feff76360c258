"""The addresses at which other hosts reach this one."""

from __future__ import annotations

import socket

from dwork.host.interfaces import addresses


def test_interfaces_have_addresses_and_loopback_is_last() -> None:
    found = addresses()
    assert found and found[-1].startswith("127.")
    for address in found:
        assert socket.inet_aton(address)
