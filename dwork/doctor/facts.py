"""The facts about a rank, and about the job that the ranks form."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from dwork.core.errors import WireError
from dwork.host.mounts import Mount


class Facts(NamedTuple):
    """What one rank finds on its node. Sizes are in bytes; 0 or empty means unknown.

    bound: the CPUs that the rank itself may use; allowed: those that its tasks may use, of which they get `cores`;
    cpus: the number that its job has on the node. gpus: the ids of the GPUs for its tasks, as the variable has them;
    devices: the number of GPUs of the node. files, processes, address_space: soft and hard limit; negative: unlimited.
    The last is for each process, in bytes. shm: the size of /dev/shm.
    """

    rank: int = 0
    host: str = ""
    version: str = ""
    neighbours: int = 1
    bound: tuple[int, ...] = ()
    allowed: tuple[int, ...] = ()
    cores: int = 1
    cpus: int = 1
    memory: int = 0
    variable: str = ""
    gpus: tuple[str, ...] = ()
    devices: int = 0
    files: tuple[int, int] = (0, 0)
    processes: tuple[int, int] = (0, 0)
    address_space: tuple[int, int] = (-1, -1)
    shm: int = 0
    directory: str = ""
    mount: Mount = Mount()

    def to_json(self) -> bytes:
        return json.dumps(list(self._asdict().items())).encode()

    @classmethod
    def from_json(cls, frame: bytes) -> Facts:
        """Decode what `to_json` has made; WireError when the frame is something else."""
        try:
            pairs: list[tuple[str, Any]] = json.loads(frame)
            values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in pairs}
            return cls()._replace(**{**values, "mount": Mount(*values["mount"])})
        except (ValueError, TypeError, KeyError):
            raise WireError("a rank sent something other than its facts; is its dwork another version?") from None


class Record(NamedTuple):
    """Whether rank 0's directory can hold a record. locks: None if unknown; free: bytes."""

    trouble: str = ""
    locks: bool | None = None
    free: int = 0


class Job(NamedTuple):
    """What rank 0 knows besides the facts of the ranks.

    ranks: 0 without MPI. library: the name and version of MPI; mpirun: the one on PATH. launcher: the program that
    started the ranks, empty if none; unbound: how to start them unbound. trouble: why MPI could not start, though it
    should have.

    dies: whether the death of a rank ends all of them (None: unknown); survives_with: how to start them so that it does
    not. silent: ranks that did not answer. skew: seconds by which the clock of a host is ahead of rank 0's. apart:
    hosts whose ranks are in another directory than rank 0. left: seconds to the end of the batch job `number`.
    unpublished: why rank 0 cannot write a connection file.
    """

    ranks: int = 0
    library: str = ""
    mpirun: str = ""
    launcher: str = ""
    unbound: str = ""
    trouble: str = ""
    dies: bool | None = None
    survives_with: str = ""
    silent: tuple[int, ...] = ()
    skew: Mapping[str, float] = {}
    apart: tuple[str, ...] = ()
    number: str = ""
    left: float = math.inf
    record: Record = Record()
    unpublished: str = ""
