"""What a peer speaks, which a hub and a worker compare before they work together."""

from __future__ import annotations

from typing import NamedTuple


class Version(NamedTuple):
    """The version of a peer's protocol, and that of its dwork; by default, those of a peer that sends neither."""

    protocol: int = 1
    dwork: str = ""

    def __str__(self) -> str:
        return f"protocol {self.protocol} ({f'dwork {self.dwork}' if self.dwork else 'of an unknown dwork'})"


def mismatch(hub: str, theirs: Version, peer: str, ours: Version) -> str:
    """Return the message for two ends that do not understand each other; hub, peer: what it calls them."""
    return f"{hub} speaks {theirs}, {peer} {ours}: use the same dwork on both"
