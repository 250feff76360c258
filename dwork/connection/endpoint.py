"""Where a hub listens for others than its ranks, and who may come in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a bridge listens, and who may come in.

    bind: an address; None for all with keys, for loopback without. port: None for the default one, or any free one
    when that is taken. insecure: without keys. local: another address, for workers of this machine, or empty. public:
    whether it listens to more than that at all. tasks: what the run is about, for people who choose among several.
    keep: a name under which the keys outlive the run, for a hub that comes back; empty for none. record: the file
    that the run keeps, for those who miss its end; empty for none.
    """

    bind: str | None = None
    port: int | None = None
    insecure: bool = False
    local: str = ""
    public: bool = True
    tasks: str = ""
    keep: str = ""
    record: str = ""
