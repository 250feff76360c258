"""What the ranks of several hosts see of one another."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

#: What mpirun calls instead of ssh, with a host's address and a command line. On hosts that are to have a directory of
#: their own something else is mounted there first.
AGENT = """\
#!/bin/sh
while :; do case "$1" in -*) shift ;; *) break ;; esac; done
host=$1; shift
case "$host" in
{cases}
esac
"""
ENTER = '{address}) exec {prefix} sh -c "{before}$*" ;;'


@pytest.fixture
def doctor(hosts: list[Any], mpirun: list[str], run: Callable, tmp_path: Path) -> Callable[..., Any]:
    """Run it with a rank on each host; `apart`: hosts where the directory is another one."""

    def ask(*apart: Any) -> Any:
        cases = [
            ENTER.format(
                address=host.address,
                prefix=" ".join(f"'{word}'" for word in host.prefix),
                before=f"mount -t tmpfs none {tmp_path / 'here'} && cd . && " if host in apart else "",
            ).replace("unshare' '-u", "unshare' '-um")
            for host in hosts
        ]
        agent = tmp_path / "agent"
        agent.write_text(AGENT.format(cases="\n".join(cases)))
        agent.chmod(0o755)
        (tmp_path / "here").mkdir()
        names = ",".join(host.address for host in hosts)
        version = subprocess.run([*mpirun, "--version"], capture_output=True, text=True).stdout
        words = ["-launcher", "ssh", "-launcher-exec", agent, "-iface", "eth0", "-hosts", names]
        if "Open MPI" in version:
            words = ["--mca", "plm_ssh_agent", agent, "--bind-to", "none", "--host", names]
        script = 'cd here && exec "$@"'
        return run(
            *hosts[0].prefix, "sh", "-c", script, "sh", *mpirun, *words, "-n", len(hosts),
            sys.executable, "-m", "dwork.pool", "--doctor", UCX_TLS="tcp,self", UCX_NET_DEVICES="eth0",
        )  # fmt: skip

    return ask


def test_hosts_that_share_a_directory_and_a_clock_are_well(doctor: Callable, hosts: list[Any]) -> None:
    ran = doctor()
    assert ran.code == 0, ran.out + ran.err
    assert "ranks      3 ranks on 3 hosts, 1 on each\n" in ran.out
    assert "clocks     2 hosts within " in ran.out and f" ms of {hosts[0].name}'s\n" in ran.out


def test_a_host_that_has_another_directory_is_named(doctor: Callable, hosts: list[Any], tmp_path: Path) -> None:
    ran = doctor(hosts[2])
    assert ran.code == 1, ran.out + ran.err
    assert f"1. {hosts[2].name} cannot see the {tmp_path}/here of {hosts[0].name}: start in a directory" in ran.out
