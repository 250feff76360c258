"""Whether a process has ended whose pid is stored in a file, perhaps by another machine or in a container.

A pid means something only where it was given: each boot of a machine starts anew, and each pid namespace (apptainer
with `--pid`, docker) has its own pids, often under the same host name and with the same files.
"""

from __future__ import annotations

import os
import socket

from dwork.host.processes import PROC


def pid_space(proc: str = PROC) -> str:
    """Return a name for the pids that this process sees: the machine's boot and the pid namespace. Empty if unknown."""
    try:
        if os.readlink(f"{proc}/self") != str(os.getpid()):  # /proc is that of another namespace
            return ""
        return f"{_boot(proc)}/{os.readlink(f'{proc}/self/ns/pid')}"
    except OSError:
        return ""


def _boot(proc: str) -> str:
    """Return a name for this machine since it was booted; OSError when there is none."""
    try:
        with open(f"{proc}/sys/kernel/boot_id") as file:
            return file.read().strip()
    except FileNotFoundError:  # some sandboxes
        with open(f"{proc}/stat") as file:
            times = [line.split()[1] for line in file if line.startswith("btime ")]
        return f"{socket.gethostname()}@{times[0] if times else 0}"


def has_ended(pid: int, space: str) -> bool:
    """Whether this process is known to have ended; never known for a process in another pid space."""
    return bool(space) and not os.path.exists(f"{PROC}/{pid}") and space == pid_space()
