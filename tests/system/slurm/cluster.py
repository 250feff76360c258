"""A Slurm cluster of several emulated nodes on this machine: the real daemons, on loopback, in a directory of its own.

A slurmd takes the name of its node by -N, so several run on one host. The daemons stay in the foreground as children of
this process and die with it; what jobs leave behind is known by its environment, so nothing is ever ended by name.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests import leftovers
from tests.ports import free_ports
from tests.waiting import wait_until

PROGRAMS: Final = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "scancel", "squeue", "sinfo")
#: What Debian's plugin for `srun --mpi=pmix` loads, in /usr/lib; only the -dev package has it under this name.
PMIX: Final = "*/pmix2/lib/libpmix.so"
_PATH: Final = f"{os.environ['PATH']}:/usr/sbin:/sbin"
_PR_SET_PDEATHSIG: Final = 1

#: No cgroups, no accounting; a node whose slurmd is gone is down after SlurmdTimeout.
_CONFIGURATION: Final = """\
ClusterName=dwork
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={directory}/munge.socket
CredType=cred/munge
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={directory}/state
SlurmdSpoolDir={directory}/spool.%n
TmpFS={directory}/tmp.%n
SlurmctldPidFile={directory}/slurmctld.pid
SlurmdPidFile={directory}/slurmd.%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerType=sched/builtin
SchedulerParameters=batch_sched_delay=1,sched_interval=1
SlurmdTimeout=6
MessageTimeout=5
KillWait=5
JobRequeue=1
ReturnToService=2
MailProg=/bin/true
"""


class Cluster:
    """nodes: their names. environment: what its commands and jobs need."""

    def __init__(self, directory: Path, nodes: int, cpus: int) -> None:
        self.nodes = [f"n{i + 1}" for i in range(nodes)]
        self._configuration = {"SLURM_CONF": str(directory / "slurm.conf")}
        self.environment = {**self._configuration, "PATH": _PATH}
        self._directory = directory
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        self._configure(cpus)

    def _configure(self, cpus: int) -> None:
        host = socket.gethostname().partition(".")[0]
        port, *ports = free_ports(1 + len(self.nodes))
        lines = [_CONFIGURATION.format(host=host, port=port, directory=self._directory)]
        for node, port in zip(self.nodes, ports, strict=True):
            lines.append(f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={cpus}\n")
            for name in ("spool", "tmp"):
                (self._directory / f"{name}.{node}").mkdir()
        lines.append("PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP\n")
        (self._directory / "slurm.conf").write_text("".join(lines))
        (self._directory / "state").mkdir()
        key = self._directory / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)

    # -- up and down -------------------------------------------------------------------------------------------

    def start(self) -> None:
        place = self._directory
        self._daemon(
            "munged", "munged", "--foreground", "--force", f"--key-file={place}/munge.key",
            f"--socket={place}/munge.socket", f"--pid-file={place}/munged.pid", f"--log-file={place}/munged.own.log",
            f"--seed-file={place}/munge.seed", "--num-threads=2",
        )  # fmt: skip
        wait_until((place / "munge.socket").exists, 10)
        self._daemon("slurmctld", "slurmctld", "-D", "-f", place / "slurm.conf")
        for node in self.nodes:
            self._start_node(node)
        wait_until(self._is_up, 30)

    def _start_node(self, node: str) -> None:
        self._daemon(node, "slurmd", "-D", "-N", node, "-f", self._directory / "slurm.conf", SLURMD_NODENAME=node)

    @contextlib.contextmanager
    def without(self, node: str) -> Iterator[None]:
        """Its power is gone meanwhile: nothing that ran there runs any more, and nobody is told."""
        daemon = self._daemons.pop(node)
        daemon.kill()
        daemon.wait()
        leftovers.end(**self._configuration, SLURMD_NODENAME=node)
        try:
            yield
        finally:
            self._start_node(node)
            wait_until(self._is_up, 30)

    def stop(self) -> None:
        """At once: there is nothing to be kept."""
        for daemon in self._daemons.values():
            daemon.kill()
            daemon.wait()
        leftovers.end(**self._configuration)  # steps and their tasks

    def _daemon(self, name: str, program: str, *words: object, **more: str) -> None:
        command = [str(shutil.which(program, path=_PATH)), *map(str, words)]
        with (self._directory / f"{name}.log").open("ab") as log:
            self._daemons[name] = subprocess.Popen(
                command,
                env={**os.environ, **self.environment, **more},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    # -- looking -----------------------------------------------------------------------------------------------

    def command(self, *words: object) -> str:
        """What a command of Slurm prints."""
        ran = subprocess.run(
            [str(word) for word in words],
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=20,
        )
        assert ran.returncode == 0, f"{' '.join(map(str, words))}: {ran.stderr}"
        return ran.stdout

    def processes(self, job: str) -> list[int]:
        """What still runs of a job."""
        return leftovers.processes(**self._configuration, SLURM_JOB_ID=job)

    def _is_up(self) -> bool:
        for name, daemon in self._daemons.items():
            assert daemon.poll() is None, f"{name} has ended: {self._last_words(name)}"
        ran = subprocess.run(
            ["sinfo", "-h", "-N", "-o", "%t"], env={**os.environ, **self.environment}, capture_output=True, text=True
        )
        states = ran.stdout.split()
        return len(states) == len(self.nodes) and set(states) <= {"idle", "alloc", "comp"}

    def _last_words(self, name: str) -> str:
        return (self._directory / f"{name}.log").read_text(errors="replace")[-1000:]


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
