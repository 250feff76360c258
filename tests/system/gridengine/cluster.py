"""A Grid Engine of several hosts on this machine: the real daemons, in a directory of their own.

Grid Engine knows a host by its name and address, so the hosts are network namespaces. The daemons stay in the
foreground as children of this process; what jobs leave behind is known by its environment, so nothing is ever ended by
name.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests import leftovers
from tests.ports import free_ports
from tests.system.netns.conftest import Host
from tests.waiting import wait_until

#: Where Debian's packages have the programs, and what an installation begins with.
PROGRAMS: Final = Path("/usr/lib/gridengine")
_SHARE: Final = Path("/usr/share/gridengine")

_BOOTSTRAP: Final = """\
admin_user none
default_domain none
ignore_fqdn false
spooling_method classic
spooling_lib libspoolc
spooling_params {root}/default/common;{root}/spool
binary_path {root}/bin
qmaster_spool_dir {root}/spool
security_mode none
listener_threads 2
worker_threads 2
scheduler_threads 1
"""
_HOST: Final = """\
hostname {name}
load_scaling NONE
complex_values NONE
user_lists NONE
xuser_lists NONE
projects NONE
xprojects NONE
usage_scaling NONE
report_variables NONE
"""
#: A parallel environment over several hosts: ranks there start through `qrsh -inherit`, which needs control_slaves.
_PARALLEL: Final = """\
pe_name mpi
slots 99
user_lists NONE
xuser_lists NONE
start_proc_args NONE
stop_proc_args NONE
allocation_rule {slots}
control_slaves TRUE
job_is_first_task FALSE
urgency_slots min
accounting_summary FALSE
qsort_args NONE
"""


class Cluster:
    """hosts: the first one has the master. slots: those of each host. inherited: the environment of its jobs.

    environment: that of its commands.
    """

    def __init__(self, directory: Path, hosts: list[Host], slots: int, inherited: Mapping[str, str]) -> None:
        self.hosts = hosts
        self.root = directory / "sge"
        self._slots = slots
        master, execution = free_ports(2)
        self.environment = {
            **inherited,
            "SGE_ROOT": str(self.root),
            "SGE_CELL": "default",
            "SGE_QMASTER_PORT": str(master),
            "SGE_EXECD_PORT": str(execution),
            "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
        }
        self._names = directory / "hosts"
        self._names.write_text("".join(f"{host.address} {host.name}\n" for host in hosts))
        self._daemons: list[subprocess.Popen[bytes]] = []

    # -- up and down -------------------------------------------------------------------------------------------

    def start(self, defaults: str) -> None:
        """defaults: options of every qsub."""
        common = self.root / "default/common"
        for path in (common, self.root / "spool", *(self.root / f"tmp.{host.name}" for host in self.hosts)):
            path.mkdir(parents=True)
        for link in ("bin", "utilbin"):
            (self.root / link).mkdir()
            (self.root / link / "lx-amd64").symlink_to(PROGRAMS)
        (self.root / "util").symlink_to(_SHARE / "util")
        (common / "bootstrap").write_text(_BOOTSTRAP.format(root=self.root))
        (common / "act_qmaster").write_text(f"{self.hosts[0].name}\n")
        (common / "sge_request").write_text(f"{defaults}\n")
        self._make_spool(common)
        self._daemon(self.hosts[0], "sge_qmaster")
        wait_until(self._is_up, 30)
        self._configure()
        for host in self.hosts:
            self._daemon(host, "sge_execd")

    def _make_spool(self, common: Path) -> None:
        """The first content of the master's spool, as Debian's init_cluster makes it."""
        configuration = _with(
            (_SHARE / "default-configuration").read_text(),
            min_uid=0, min_gid=0, execd_spool_dir=self.root / "spool", mailer="/bin/true",
            login_shells="none",  # they would set another PATH
            reporting_params="accounting=true reporting=false flush_time=00:00:00 joblog=false sharelog=00:00:00",
        )  # fmt: skip
        self._spool("spoolinit", "classic", "libspoolc", f"{common};{self.root}/spool", "init")
        self._spool("spooldefaults.bin", "configuration", self._file(configuration))
        self._spool("spooldefaults.bin", "complexes", _SHARE / "util/resources/centry")
        self._spool("spooldefaults.bin", "usersets", _SHARE / "util/resources/usersets")
        self._spool("spooldefaults.bin", "managers", "root")

    def _spool(self, *words: object) -> None:
        self.command("env", f"LD_LIBRARY_PATH={PROGRAMS}", *words)

    def _configure(self) -> None:
        for host in self.hosts:
            self.command("qconf", "-Ae", self._file(_HOST.format(name=host.name)))
            self.command("qconf", "-as", host.name)
        names = " ".join(host.name for host in self.hosts)
        self.command("qconf", "-Ahgrp", self._file(f"group_name @allhosts\nhostlist {names}\n"))
        self.command("qconf", "-Ap", self._file(_PARALLEL.format(slots=self._slots)))
        own = (f"[{host.name}={self.root}/tmp.{host.name}]" for host in self.hosts)
        queue = _with(
            self.command("qconf", "-sq"), qname="all.q", hostlist="@allhosts", slots=self._slots, pe_list="mpi",
            load_thresholds="NONE", notify="00:00:05", tmpdir=",".join(["/tmp", *own]),
        )  # fmt: skip
        self.command("qconf", "-Aq", self._file(queue))
        scheduler = self.command("qconf", "-ssconf")
        quick = _with(scheduler, schedule_interval="0:0:1", flush_submit_sec=1, flush_finish_sec=1)
        self.command("qconf", "-Msconf", self._file(quick))

    def _file(self, text: str) -> Path:
        path = self.root / "to-be-read"
        path.write_text(text)
        return path

    def _daemon(self, host: Host, name: str) -> None:
        with (self.root / f"{name}.log").open("ab") as log:
            self._daemons.append(
                subprocess.Popen(
                    [*self.prefix(host), name],
                    env={**self.environment, "LD_LIBRARY_PATH": str(PROGRAMS), "SGE_ND": "1"},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )

    def _is_up(self) -> bool:
        assert self._daemons[0].poll() is None, (self.root / "sge_qmaster.log").read_text()
        return self.run("qconf", "-sh").returncode == 0

    def stop(self) -> None:
        """At once: there is nothing to be kept."""
        for daemon in self._daemons:
            daemon.kill()
            daemon.wait()
        leftovers.end(SGE_ROOT=str(self.root))

    # -- looking -----------------------------------------------------------------------------------------------

    def prefix(self, host: Host) -> list[str]:
        """Before a command: it runs on this host, where the names of all hosts are known."""
        return ["unshare", "-m", *host.prefix, "sh", "-c", 'mount --bind "$0" /etc/hosts; exec "$@"', str(self._names)]

    def run(self, *words: object, directory: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command on the first host, which is also the login node."""
        return subprocess.run(
            [*self.prefix(self.hosts[0]), *map(str, words)],
            cwd=directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def command(self, *words: object, directory: Path | None = None) -> str:
        """What a command prints that must succeed."""
        ran = self.run(*words, directory=directory)
        assert ran.returncode == 0, f"{' '.join(map(str, words))}: {ran.stdout}{ran.stderr}"
        return ran.stdout

    def processes(self, job: str) -> list[int]:
        """What still runs of a job."""
        return leftovers.processes(SGE_ROOT=str(self.root), JOB_ID=job)


def _with(text: str, **values: object) -> str:
    """A configuration of Grid Engine with other values for these names."""
    for name, value in values.items():
        text, n = re.subn(rf"(?m)^{name}\s.*$", f"{name} {value}", text)
        assert n == 1, name
    return text
