"""The resources that a worker has for its tasks: detected on this machine, or set by the user."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final, NamedTuple

from dwork.core.resources import Resources
from dwork.host import cores, gpus, memory, slots
from dwork.host.gpus import Gpus
from dwork.host.local_ranks import place

_GPUS: Final = "--gpus"


class Equipment(NamedTuple):
    """The resources of one worker.

    cpus: CPU numbers. cores: how many of these may be busy at a time. memory: bytes, 0 when unknown.
    shares_node: whether other ranks of the job are on this node.
    """

    cpus: tuple[int, ...] = ()
    cores: int = 1
    memory: int = 0
    gpus: Gpus = Gpus()
    shares_node: bool = False

    @property
    def has(self) -> Resources:
        return Resources(self.cores, self.memory, len(self.gpus.ids))


def found(
    n_cores: int | None = None, n_bytes: int | None = None, gpus_wanted: str | None = None, smt: bool = False
) -> Equipment:
    """Return the resources of this process; ValueError when `gpus_wanted` is malformed.

    n_cores, n_bytes: use these numbers instead of the detected ones. gpus_wanted: as for gpus.share. smt: count
    hardware threads as cores.
    """
    cpus, share = cores.allowed(smt), cores.share(smt)
    if share < len(cpus):  # only some of these CPUs are ours, and which is unknown: other jobs have the rest
        cpus = ()
    n = share if n_cores is None else n_cores
    # Take the last CPUs, so that the first ones stay free: a hub on the same node is likely to run there.
    n_bytes = memory.share() if n_bytes is None else n_bytes
    return Equipment(cpus[-n:], n, n_bytes, gpus.share(gpus_wanted), place(os.environ).ranks > 1)


def of_rank(arguments: Sequence[str]) -> tuple[int, Equipment]:
    """Return the slots and resources of a worker rank; of the pool's command line it reads only some options."""
    n_slots, wanted, smt = option(arguments, slots.OPTION), option(arguments, _GPUS), cores.SMT in arguments
    try:
        return slots.slots(n_slots, smt) if n_slots else 1, found(gpus_wanted=wanted or None, smt=smt)
    except ValueError:  # rank 0 reports the error and ends the other ranks
        return 1, Equipment()


def option(arguments: Sequence[str], name: str) -> str:
    """Return the value of an option, given as `name VALUE` or `name=VALUE`; empty when it is missing."""
    value = ""
    for i, word in enumerate(arguments):
        if word == name and i + 1 < len(arguments):
            value = arguments[i + 1]
        elif word.startswith(f"{name}="):
            value = word.partition("=")[2]
    return value
