"""The keys of a run, in ZeroMQ's text form: Z85."""

from __future__ import annotations

from typing import NamedTuple


class HubKeys(NamedTuple):
    """The keys of a hub: its own secret key, and the public key of the peers that it admits."""

    secret: str
    admitted: str


class PeerKeys(NamedTuple):
    """The keys that a peer needs to connect: the hub's public key, and its own pair."""

    server: str
    public: str
    secret: str
