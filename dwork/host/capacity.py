"""What a worker has for its tasks: found on this machine, or as somebody says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from dwork.core.resources import Resources
from dwork.host import cores, gpus, memory
from dwork.host.gpus import Gpus

_GPUS: Final = "--gpus"


class Equipment(NamedTuple):
    """cpus: their numbers; cores: how many of them may be busy at a time. memory: in bytes, 0 when nobody knows."""

    cpus: tuple[int, ...] = ()
    cores: int = 1
    memory: int = 0
    gpus: Gpus = Gpus()

    @property
    def has(self) -> Resources:
        return Resources(self.cores, self.memory, len(self.gpus.ids))


def found(n_cores: int | None = None, n_bytes: int | None = None, gpus_wanted: str | None = None) -> Equipment:
    """That of this process; ValueError when the GPUs that are wanted make no sense.

    n_cores, n_bytes: take these for what it has. gpus_wanted: as for gpus.share.
    """
    cpus, share = cores.allowed(), cores.share()
    if share < len(cpus):  # so many of them, but nobody says which: other jobs have the rest
        cpus = ()
    n = share if n_cores is None else n_cores
    # The first stay free, if any: a hub that this worker sits beside is likely to be there.
    return Equipment(cpus[-n:], n, memory.share() if n_bytes is None else n_bytes, gpus.share(gpus_wanted))


def of_rank(arguments: Sequence[str]) -> tuple[int, Equipment]:
    """The slots of a worker rank and what it has, by a pool's command line; it looks at nothing else of that."""
    slots, wanted = option(arguments, cores.OPTION), option(arguments, _GPUS)
    try:
        return cores.slots(slots) if slots else 1, found(gpus_wanted=wanted or None)
    except ValueError:  # rank 0 says so, and sends us home
        return 1, Equipment()


def option(arguments: Sequence[str], name: str) -> str:
    """What comes after `name`, or with it and `=`; empty when it is not there."""
    said = ""
    for i, word in enumerate(arguments):
        if word == name and i + 1 < len(arguments):
            said = arguments[i + 1]
        elif word.startswith(f"{name}="):
            said = word.partition("=")[2]
    return said
