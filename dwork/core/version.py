"""The version of dwork, defined only here, and what a hub and a worker compare before they work together."""

from __future__ import annotations

from typing import NamedTuple

__version__ = "0.1.0"


class Version(NamedTuple):
    """What a peer speaks: the version of its protocol, and that of its dwork; by default, those of a silent peer."""

    protocol: int = 1
    dwork: str = ""

    def __str__(self) -> str:
        return f"protocol {self.protocol} ({f'dwork {self.dwork}' if self.dwork else 'of an unknown dwork'})"


def mismatch(hub: str, theirs: Version, peer: str, ours: Version) -> str:
    """Return the message for two ends that do not understand each other; hub, peer: what it calls them."""
    return f"{hub} speaks {theirs}, {peer} {ours}: use the same dwork on both"
