"""The ranks of this job that are on this node: how many there are, and the how-manieth of them this one is.

They share what the node has. Each launcher says it in variables of its own; a rank asks nobody else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, TypeVar

#: Where launchers say it: those that are mpirun, and those that have the batch system's word for what a rank may use.
_MPIRUN: Final = (
    ("OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"),
    ("MPI_LOCALRANKID", "MPI_LOCALNRANKS"),  # Hydra: MPICH, Intel MPI
    ("MV2_COMM_WORLD_LOCAL_RANK", "MV2_COMM_WORLD_LOCAL_SIZE"),
)
_OTHERS: Final = (
    ("PALS_LOCAL_RANKID", "PALS_LOCAL_SIZE"),
    ("JSM_NAMESPACE_LOCAL_RANK", "JSM_NAMESPACE_LOCAL_SIZE"),
)
#: An entry of Slurm's lists, which have one for each node: `2(x3),1`.
_ENTRY: Final = re.compile(r"(\d+)(?:\(x(\d+)\))?")

Of = TypeVar("Of")


class LocalRank(NamedTuple):
    """rank: from 0 on, below `ranks`, on this node. by_mpirun: started by a mpirun, no matter what started that."""

    rank: int = 0
    ranks: int = 1
    by_mpirun: bool = False

    def part(self, of: Sequence[Of]) -> tuple[Of, ...]:
        """This rank's part of what all of them share, next to those of its neighbours; empty when there is too little.

        With fewer things than ranks the last ranks have one each: the first may be a hub, which needs none.
        """
        if len(of) < self.ranks:
            first = self.rank - (self.ranks - len(of))
            return tuple(of[first : first + 1]) if first >= 0 else ()
        return tuple(of[len(of) * self.rank // self.ranks : len(of) * (self.rank + 1) // self.ranks])


def place(environ: Mapping[str, str]) -> LocalRank:
    """This rank's place on its node; that of one alone when no launcher says anything."""
    for by_mpirun, names in ((True, _MPIRUN), (False, _OTHERS)):
        for rank, ranks in names:
            if environ.get(ranks, "").isdecimal():
                return _checked(environ.get(rank, ""), int(environ[ranks]), by_mpirun)
    if in_step(environ):
        counts = per_node(environ.get("SLURM_STEP_TASKS_PER_NODE", ""))
        node = environ.get("SLURM_NODEID", "0")
        if node.isdecimal() and int(node) < len(counts):
            return _checked(environ.get("SLURM_LOCALID", ""), counts[int(node)], by_mpirun=False)
    return LocalRank()


def in_step(environ: Mapping[str, str]) -> bool:
    """Whether srun has started this process (or what has started it); in a batch script it is not so."""
    return "SLURM_STEP_ID" in environ


def per_node(text: str) -> list[int]:
    """What Slurm says of each node, in their order."""
    return [int(n) for n, times in _ENTRY.findall(text) for _ in range(int(times or 1))]


def _checked(rank: str, ranks: int, by_mpirun: bool) -> LocalRank:
    ranks = max(1, ranks)
    return LocalRank(int(rank) % ranks if rank.isdecimal() else 0, ranks, by_mpirun)
