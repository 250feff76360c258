"""How many tasks a rank runs at a time."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

#: Where launchers say how many ranks of this job are on this node.
_LOCAL: Final = ("OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", "MV2_COMM_WORLD_LOCAL_SIZE", "PALS_LOCAL_SIZE")
OPTION: Final = "--slots"
AUTO: Final = "auto"


def share() -> int:
    """The cores that this process may use, divided by the ranks on this node that may use the same; at least 1."""
    cores = len(os.sched_getaffinity(0))
    found = next((os.environ[name] for name in _LOCAL if os.environ.get(name, "").isdecimal()), "1")
    ranks = max(1, int(found))
    if cores * ranks <= (os.cpu_count() or 1):  # each rank has cores of its own
        return cores
    return max(1, cores // ranks)


def slots(wanted: str) -> int:
    """Of `N` that number, of `auto` this rank's share; ValueError when it is neither."""
    if wanted == AUTO:
        return share()
    n = int(wanted) if wanted.isdecimal() else 0
    if not 1 <= n <= 65536:
        raise ValueError(f'"{wanted}" is no number of slots; give 1 to 65536, or auto')
    return n


def slots_of(arguments: Sequence[str]) -> int:
    """What a pool's command line asks of a worker rank, which looks at nothing else of it; 1 when it says nothing."""
    wanted = ""
    for i, word in enumerate(arguments):
        if word == OPTION and i + 1 < len(arguments):
            wanted = arguments[i + 1]
        elif word.startswith(f"{OPTION}="):
            wanted = word.partition("=")[2]
    try:
        return slots(wanted) if wanted else 1
    except ValueError:  # rank 0 says so, and sends us home
        return 1
