"""The environment of the job script, for ranks whose launcher does not pass it on to their hosts.

Tasks are lines of the job script, so people expect its variables in them, as under srun and MPICH. Open MPI's mpirun
starts ranks on other hosts through a daemon, which has the environment of a remote shell, unless `-x` names a variable.
So the hub sends its environment to the ranks, over MPI, which belongs to the job: no other worker gets it.

The hub's variables win, for modules change PATH and others that each host has. Excepted are those that belong to a host
or to a process on it: what launchers, batch systems and logins set there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Final

from dwork.core.text import user_text
from dwork.runner.environment import is_of_launcher

#: Variables of a host, or of a login or a process there.
_OF_HOST: Final = re.compile(
    r"(HOST|HOSTNAME|HOME|USER|LOGNAME|SHELL|MAIL|PWD|OLDPWD|SHLVL|_|DISPLAY|WINDOWID|KRB5CCNAME"
    r"|CUDA_VISIBLE_DEVICES|ROCR_VISIBLE_DEVICES|HIP_VISIBLE_DEVICES|GPU_DEVICE_ORDINAL|ZE_AFFINITY_MASK"
    r"|NVIDIA_VISIBLE_DEVICES|SLURMD_NODENAME|SLURM_(CPUS_ON_NODE|GPUS_ON_NODE|JOB_GPUS|STEP_GPUS)"
    r"|PBS_(NODENUM|TASKNUM|VNODENUM)|NCPUS|NSLOTS|LSB_DJOB_RANK|LS_EXEC_T)$|(XDG|SSH|DBUS|GPG|TMUX|SYSTEMD)_"
)
#: Variables of batch systems: where a host has them, its own are right.
_OF_BATCH: Final = re.compile(r"(SLURM|PBS|LSB|LSF|SGE|PE|FLUX|COBALT|OAR|LOADL)_")
#: Variables with a directory that may exist on one host only.
_DIRECTORIES: Final = {"TMPDIR", "TMP", "TEMP"}


def packed(environ: Mapping[bytes, bytes]) -> bytes:
    """Return an environment as one frame."""
    return b"\0".join(name + b"=" + value for name, value in environ.items())


def adopt(frame: bytes) -> None:
    """Add the packed environment of the hub to that of this process."""
    theirs = dict(entry.partition(b"=")[::2] for entry in frame.split(b"\0") if entry)
    os.environb.update(taken(theirs, os.environb, os.path.isdir))


def taken(
    theirs: Mapping[bytes, bytes], mine: Mapping[bytes, bytes], is_directory: Callable[[bytes], bool]
) -> dict[bytes, bytes]:
    """Return the variables of the hub that a rank takes, given its own."""
    return {name: value for name, value in theirs.items() if _is_taken(name, value, mine, is_directory)}


def _is_taken(name: bytes, value: bytes, mine: Mapping[bytes, bytes], is_directory: Callable[[bytes], bool]) -> bool:
    text = user_text(name)
    if _OF_HOST.match(text) or is_of_launcher(text, in_step=True):
        return False
    if _OF_BATCH.match(text):
        return name not in mine
    return text not in _DIRECTORIES or is_directory(value)
