"""The keys of a run, as ZeroMQ writes them: Z85 text."""

from __future__ import annotations

from typing import NamedTuple


class HubKeys(NamedTuple):
    """What a hub knows: its own secret key, and the public key of those whom it lets in."""

    secret: str
    admitted: str


class PeerKeys(NamedTuple):
    """What whoever connects must know: the hub's public key, and its own pair."""

    server: str
    public: str
    secret: str
