"""Where a hub listens for peers other than its ranks, and who may connect."""

from __future__ import annotations

from dataclasses import dataclass

from dwork.core.text import NO_TEXT, UserText


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a bridge listens, and who may connect.

    bind: an address; None: all interfaces with keys, loopback without. port: None: that of the last run with the name
    `keep`, the default port, or any free one. insecure: use no keys. local: an additional address for workers of this
    machine, or empty. public: whether the bridge listens on anything but `local`. tasks: a description of the run, for
    people who choose among several. keep: a name under which the keys and the port are stored beyond the run, for a hub
    that is restarted; empty: not stored. record: the file of the run's record, for clients that miss its end; empty:
    none.
    """

    bind: str | None = None
    port: int | None = None
    insecure: bool = False
    local: str = ""
    public: bool = True
    tasks: UserText = NO_TEXT
    keep: UserText = NO_TEXT
    record: UserText = NO_TEXT
