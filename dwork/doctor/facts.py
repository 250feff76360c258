"""What is known of a rank, and of the job that the ranks are."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from dwork.core.errors import WireError
from dwork.host.mounts import Mount


class Facts(NamedTuple):
    """What one rank finds at its place. Sizes are in bytes, and 0 or empty is what is not known.

    bound: the CPUs that the rank itself may use; allowed: those of its tasks, of which `cores` count; cpus: how many
    its job has on the node. gpus: the ids of its tasks' GPUs, as the variable has them; devices: how many GPUs the node
    has. files, processes: how many it may have, and what it could raise that to; negative: any number. shm: the size of
    /dev/shm.
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
    shm: int = 0
    directory: str = ""
    mount: Mount = Mount()

    def to_json(self) -> bytes:
        return json.dumps(list(self._asdict().items())).encode()

    @classmethod
    def from_json(cls, frame: bytes) -> Facts:
        """WireError when it is none."""
        try:
            told: list[tuple[str, Any]] = json.loads(frame)
            values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in told}
            return cls()._replace(**{**values, "mount": Mount(*values["mount"])})
        except (ValueError, TypeError, KeyError):
            raise WireError("a rank has sent something else than its facts; is it of another dwork?") from None


class Record(NamedTuple):
    """Whether a record can be kept at rank 0's directory. locks: None when that cannot be told; free: bytes."""

    trouble: str = ""
    locks: bool | None = None
    free: int = 0


class Job(NamedTuple):
    """What rank 0 knows beside.

    ranks: 0 without MPI. library: MPI's own name; mpirun: the one on PATH. launcher: what has started the ranks, empty
    when nothing has; unbound: how to start them unbound. trouble: why MPI is not up, though it should be.

    dies: whether the death of a rank ends all of them (None: not known), and how to start them so that it does not.
    silent: ranks that did not answer. skew: by how many seconds the clock of a host is ahead of rank 0's. apart: hosts
    whose ranks are in another directory than rank 0. left: seconds to the end of the batch job `number`.
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
