"""The GPUs that the tasks of a rank may use, and how a task is told which of them are its own.

What a program sees is told by a variable of its GPU's maker, as a list of indexes or of names (`GPU-8a3f...`,
`MIG-...`). They are taken as they stand: only the maker's library knows what they mean. The batch system sets the
variable to what the job may use; without it the devices of the node are counted. Nothing is asked of a driver.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Final, NamedTuple

from dwork.host.local_ranks import LocalRank, in_step, place

#: Of NVIDIA; of AMD, below HIP and for HIP alone; of Intel; of AMD's OpenCL. Slurm may set several, all to the same.
CUDA: Final = "CUDA_VISIBLE_DEVICES"
ROCR: Final = "ROCR_VISIBLE_DEVICES"
HIP: Final = "HIP_VISIBLE_DEVICES"
ZE: Final = "ZE_AFFINITY_MASK"
OPENCL: Final = "GPU_DEVICE_ORDINAL"
VARIABLES: Final = (CUDA, ROCR, HIP, ZE, OPENCL)
#: What Slurm says beside them, in numbers that hold on the whole node.
_SLURM: Final = ("SLURM_STEP_GPUS", "SLURM_JOB_GPUS")
#: What ends a list: older Slurms say NoDevFiles when there are none.
_END: Final = {"", "-1", "NoDevFiles"}
#: What hides all, where an empty value would hide nothing: a number that no GPU has.
_NOTHING: Final = {HIP: "-1", OPENCL: "-1", ZE: "999"}
_ID: Final = re.compile(r"\w[\w./:-]*")
ROOT: Final = "/"


class Gpus(NamedTuple):
    """variable: which one tells programs of them; empty on a node that has none. ids: as they stand there."""

    variable: str = ""
    ids: tuple[str, ...] = ()


def share(wanted: str | None = None) -> Gpus:
    """This rank's GPUs. wanted: what the user says of each node, N or id,id,...; ValueError when it is neither."""
    return found(os.environ, wanted, devices())


def found(environ: Mapping[str, str], wanted: str | None, at_node: Gpus = Gpus()) -> Gpus:  # noqa: B008
    """A rank's GPUs, by its environment or by what is at its node; ranks that see the same ones share them out.

    In a Slurm job what is at the node may be another's. Of a wanted number the first ones are taken.
    """
    here = place(environ)
    visible = _visible(environ)
    if visible is None:
        visible = Gpus() if "SLURM_JOB_ID" in environ else at_node
    gpus = visible if wanted is None else _asked(wanted, visible)
    return gpus if _has_own(environ, here, visible.ids) else Gpus(gpus.variable, here.part(gpus.ids))


def environment(environ: Mapping[str, str], gpus: Gpus, given: Sequence[str]) -> dict[str, str]:
    """The variables for a task that gets these of a rank's GPUs, or none: then it sees none and can take nobody's.

    environ: that of the rank. Nothing is said where there are no GPUs.
    """
    if not gpus.variable:
        return {}
    alike = [name for name in VARIABLES if name in environ and environ[name] == environ.get(gpus.variable)]
    said = {name: ",".join(given) or _NOTHING.get(name, "") for name in (gpus.variable, *alike)}
    if ROCR in said and HIP in environ and HIP not in said:  # it numbers what the other lets it see
        said[HIP] = ",".join(map(str, range(len(given)))) or _NOTHING[HIP]
    if CUDA in said and given and "CUDA_DEVICE_ORDER" not in environ and all(one.isdecimal() for one in given):
        said["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # for CUDA alone the first would be the fastest
    return said


def devices(root: str = ROOT) -> Gpus:
    """The GPUs at this node that this process may open, numbered as their libraries would."""
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
    """None when nothing says anything of GPUs."""
    said = [Gpus(name, _ids(environ[name])) for name in VARIABLES if name in environ]
    said += [Gpus(CUDA, _ids(environ[name])) for name in _SLURM if name in environ]
    return next((gpus for gpus in said if gpus.ids), said[0] if said else None)


def _ids(text: str) -> tuple[str, ...]:
    return tuple(takewhile(lambda one: one not in _END, (word.strip() for word in text.split(","))))


def _asked(wanted: str, visible: Gpus) -> Gpus:
    variable = visible.variable or CUDA
    if wanted.isdecimal() and len(wanted) <= 4:
        n = int(wanted)
        return Gpus(variable, visible.ids[:n] if visible.ids else tuple(map(str, range(n))))
    ids = tuple(word.strip() for word in wanted.removesuffix(",").split(","))
    if wanted.isdecimal() or not all(_ID.fullmatch(one) for one in ids) or len(set(ids)) < len(ids):
        raise ValueError(f'"{wanted}" is no number of GPUs, and no list of different ones; give N or id,id,...')
    return Gpus(variable, ids)


def _has_own(environ: Mapping[str, str], here: LocalRank, ids: tuple[str, ...]) -> bool:
    """Whether what this rank sees is not what its neighbours see; a rank cannot look at theirs."""
    if ids == (str(here.rank),):  # a script between mpirun and the rank has said so
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
    """AMD's driver numbers the processors, too, with 0, and lets nobody read of a GPU that he may not use."""
    try:
        with open(path) as file:
            return file.read().strip() != "0"
    except OSError:
        return False
