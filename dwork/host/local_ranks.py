"""The ranks of this job on this node: their number, and the index of this rank among them.

They share the resources of the node. Each launcher sets variables of its own; these are the only source.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, TypeVar

#: The variables of mpirun programs, and of launchers that apply the batch system's limits to each rank.
_MPIRUN: Final = (
    ("OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"),
    ("MPI_LOCALRANKID", "MPI_LOCALNRANKS"),  # Hydra: MPICH, Intel MPI
    ("MV2_COMM_WORLD_LOCAL_RANK", "MV2_COMM_WORLD_LOCAL_SIZE"),
)
_OTHERS: Final = (
    ("PALS_LOCAL_RANKID", "PALS_LOCAL_SIZE"),
    ("JSM_NAMESPACE_LOCAL_RANK", "JSM_NAMESPACE_LOCAL_SIZE"),
)
#: An entry of Slurm's per-node lists, as in `2(x3),1`.
_ENTRY: Final = re.compile(r"(\d+)(?:\(x(\d+)\))?")

Of = TypeVar("Of")


class LocalRank(NamedTuple):
    """A rank's place on its node. rank: 0 to `ranks` - 1. by_mpirun: started by an mpirun, whatever started that."""

    rank: int = 0
    ranks: int = 1
    by_mpirun: bool = False

    def part(self, of: Sequence[Of]) -> tuple[Of, ...]:
        """Return this rank's contiguous part of what the ranks of the node share; empty when there is too little.

        With fewer things than ranks the last ranks get one each: the first rank may be a hub, which needs none.
        """
        if len(of) < self.ranks:
            first = self.rank - (self.ranks - len(of))
            return tuple(of[first : first + 1]) if first >= 0 else ()
        return tuple(of[len(of) * self.rank // self.ranks : len(of) * (self.rank + 1) // self.ranks])


def place(environ: Mapping[str, str]) -> LocalRank:
    """Return this rank's place on its node; rank 0 of 1 when no launcher has set a variable."""
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
    """Whether srun has started this process or one above it; False in a batch script."""
    return "SLURM_STEP_ID" in environ


def per_node(text: str) -> list[int]:
    """Return the numbers of a Slurm per-node list, one for each node in order."""
    return [int(n) for n, times in _ENTRY.findall(text) for _ in range(int(times or 1))]


def _checked(rank: str, ranks: int, by_mpirun: bool) -> LocalRank:
    ranks = max(1, ranks)
    return LocalRank(int(rank) % ranks if rank.isdecimal() else 0, ranks, by_mpirun)
