"""The GPUs that the tasks of a rank may use, and the variables that restrict a task to its own.

A variable defined by the GPU's vendor lists what a program may see, as indexes or names (`GPU-8a3f...`, `MIG-...`).
The entries are passed on unchanged: only the vendor's library can interpret them. The batch system sets the variable
to the GPUs of the job; without it the devices of the node are counted. No driver is queried.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Final, NamedTuple

from dwork.host.local_ranks import LocalRank, in_step, place

#: NVIDIA's; AMD's, below HIP and for HIP alone; Intel's; that of AMD's OpenCL. Slurm may set several to the same value.
CUDA: Final = "CUDA_VISIBLE_DEVICES"
ROCR: Final = "ROCR_VISIBLE_DEVICES"
HIP: Final = "HIP_VISIBLE_DEVICES"
ZE: Final = "ZE_AFFINITY_MASK"
OPENCL: Final = "GPU_DEVICE_ORDINAL"
VARIABLES: Final = (CUDA, ROCR, HIP, ZE, OPENCL)
#: Slurm's own variables, with indexes that are valid on the whole node.
_SLURM: Final = ("SLURM_STEP_GPUS", "SLURM_JOB_GPUS")
#: Entries that end a list; older versions of Slurm write NoDevFiles when there are no GPUs.
_END: Final = {"", "-1", "NoDevFiles"}
#: The value that hides all GPUs, where an empty value would hide none: an index that no GPU has.
_NOTHING: Final = {HIP: "-1", OPENCL: "-1", ZE: "999"}
_ID: Final = re.compile(r"\w[\w./:-]*")
ROOT: Final = "/"


class Gpus(NamedTuple):
    """GPUs of a rank. variable: the one that lists them; empty on a node without GPUs. ids: its entries."""

    variable: str = ""
    ids: tuple[str, ...] = ()


def share(wanted: str | None = None) -> Gpus:
    """Return this rank's GPUs. wanted: the user's setting for each node, N or id,id,...; ValueError for any other."""
    return found(os.environ, wanted, devices())


def found(environ: Mapping[str, str], wanted: str | None, at_node: Gpus = Gpus()) -> Gpus:  # noqa: B008
    """Return a rank's GPUs, by its environment or else by its node; ranks that see the same GPUs divide them.

    In a Slurm job the GPUs of the node do not count: they may belong to another job. When a number is wanted, the first
    ones are taken.
    """
    here = place(environ)
    visible = _visible(environ)
    if visible is None:
        visible = Gpus() if "SLURM_JOB_ID" in environ else at_node
    gpus = visible if wanted is None else _selected(wanted, visible)
    return gpus if _has_own(environ, here, visible.ids) else Gpus(gpus.variable, here.part(gpus.ids))


def environment(environ: Mapping[str, str], gpus: Gpus, given: Sequence[str]) -> dict[str, str]:
    """Return the variables that restrict a task to `given`, some of a rank's GPUs; without any it sees none at all.

    environ: that of the rank. Empty on a node without GPUs.
    """
    if not gpus.variable:
        return {}
    alike = [name for name in VARIABLES if name in environ and environ[name] == environ.get(gpus.variable)]
    values = {name: ",".join(given) or _NOTHING.get(name, "") for name in (gpus.variable, *alike)}
    if ROCR in values and HIP in environ and HIP not in values:  # HIP's indexes count what ROCR leaves visible
        values[HIP] = ",".join(map(str, range(len(given)))) or _NOTHING[HIP]
    if CUDA in values and given and "CUDA_DEVICE_ORDER" not in environ and all(one.isdecimal() for one in given):
        values["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # CUDA's default order puts the fastest GPU first
    return values


def devices(root: str = ROOT) -> Gpus:
    """Return the GPUs of this node that this process may open, numbered as their libraries number them."""
    n = sum(
        re.fullmatch(r"nvidia\d+", name) is not None and os.access(f"{root}dev/{name}", os.R_OK | os.W_OK)
        for name in _names(f"{root}dev")
    )
    if n:
        return Gpus(CUDA, tuple(map(str, range(n))))
    if os.access(f"{root}dev/kfd", os.R_OK | os.W_OK):
        nodes = f"{root}sys/class/kfd/kfd/topology/nodes"
        n = sum(_is_gpu(f"{nodes}/{name}/gpu_id") for name in _names(nodes))
    return Gpus(ROCR, tuple(map(str, range(n)))) if n else Gpus()


def _visible(environ: Mapping[str, str]) -> Gpus | None:
    """Return the GPUs that the environment lists; None when no variable is set."""
    listed = [Gpus(name, _ids(environ[name])) for name in VARIABLES if name in environ]
    listed += [Gpus(CUDA, _ids(environ[name])) for name in _SLURM if name in environ]
    return next((gpus for gpus in listed if gpus.ids), listed[0] if listed else None)


def _ids(text: str) -> tuple[str, ...]:
    return tuple(takewhile(lambda one: one not in _END, (word.strip() for word in text.split(","))))


def _selected(wanted: str, visible: Gpus) -> Gpus:
    variable = visible.variable or CUDA
    if wanted.isdecimal() and len(wanted) <= 4:
        n = int(wanted)
        return Gpus(variable, visible.ids[:n] if visible.ids else tuple(map(str, range(n))))
    ids = tuple(word.strip() for word in wanted.removesuffix(",").split(","))
    if wanted.isdecimal() or not all(_ID.fullmatch(one) for one in ids) or len(set(ids)) < len(ids):
        raise ValueError(f'"{wanted}" is neither a number of GPUs nor a list of distinct ids; give N or id,id,...')
    return Gpus(variable, ids)


def _has_own(environ: Mapping[str, str], here: LocalRank, ids: tuple[str, ...]) -> bool:
    """Whether the GPUs that this rank sees are its own, deduced from its environment: it cannot inspect other ranks."""
    if ids == (str(here.rank),):  # set by a script between mpirun and the rank
        return True
    if here.by_mpirun or not in_step(environ):
        return False
    each = environ.get("SLURM_GPUS_PER_TASK", "").rpartition(":")[2]
    on_node = environ.get("SLURM_GPUS_ON_NODE", "")
    n = max(len(_ids(environ.get("SLURM_STEP_GPUS", ""))), int(on_node) if on_node.isdecimal() else 0)
    return each == str(len(ids)) or len(ids) < n


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _is_gpu(path: str) -> bool:
    """Whether the file contains a GPU's id: AMD's driver gives CPUs the id 0, and hides GPUs that we may not use."""
    try:
        with open(path) as file:
            return file.read().strip() != "0"
    except OSError:
        return False
