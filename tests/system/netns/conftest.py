"""Hosts that are network namespaces of this machine: a network stack and a name of their own, and links to cut."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.needs import missing


def ip(*words: object) -> str:
    ran = subprocess.run(["ip", *map(str, words)], capture_output=True, text=True)
    assert ran.returncode == 0, f"ip {' '.join(map(str, words))}: {ran.stderr}"
    return ran.stdout


class Host:
    """One host; `prefix` before a command runs it there."""

    def __init__(self, network: Network, number: int) -> None:
        self.name = f"{network.name}{number}"
        self.address = f"10.78.0.{number}"
        self._port = f"p{number}"
        self._switch = network.switch
        ip("netns", "add", self.name)
        ip("link", "add", "eth0", "netns", self.name, "type", "veth", "peer", "name", self._port, "netns", self._switch)
        ip("-n", self._switch, "link", "set", self._port, "master", "br0", "up")
        ip("-n", self.name, "addr", "add", f"{self.address}/24", "dev", "eth0")
        ip("-n", self.name, "link", "set", "eth0", "up")
        ip("-n", self.name, "link", "set", "lo", "up")

    @property
    def prefix(self) -> list[str]:
        script = 'hostname "$0"; exec "$@"'
        return ["unshare", "-u", "nsenter", f"--net=/run/netns/{self.name}", "sh", "-c", script, self.name]

    def cut(self) -> None:
        """Pull the cable: nobody is told anything."""
        ip("-n", self._switch, "link", "set", self._port, "down")

    def heal(self) -> None:
        ip("-n", self._switch, "link", "set", self._port, "up")

    def blackhole(self, other: Host) -> None:
        """What goes to the other one vanishes; what it sends still comes."""
        ip("-n", self.name, "route", "add", "blackhole", f"{other.address}/32")

    def crash(self) -> None:
        """The power is gone."""
        self.cut()
        for pid in ip("netns", "pids", self.name).split():
            os.kill(int(pid), 9)

    def remove(self) -> None:
        for pid in ip("netns", "pids", self.name).split():
            os.kill(int(pid), 9)
        ip("netns", "del", self.name)


class Network:
    """Some hosts at a switch. mark: a letter that tells apart the networks of one process."""

    def __init__(self, hosts: int, mark: str = "x") -> None:
        self.name = f"dw{os.getpid()}{mark}"
        self.switch = f"{self.name}s"
        Path("/run/netns").mkdir(exist_ok=True)
        ip("netns", "add", self.switch)
        ip("-n", self.switch, "link", "add", "br0", "type", "bridge")
        ip("-n", self.switch, "link", "set", "br0", "up")
        self.hosts = [Host(self, i + 1) for i in range(hosts)]

    def remove(self) -> None:
        for host in self.hosts:
            host.remove()
        ip("netns", "del", self.switch)


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
#: For MPICH: the hosts share their memory, as real ones do not.
OVER_TCP = {"UCX_TLS": "tcp,self", "UCX_NET_DEVICES": "eth0"}


def spanning(
    mpirun: list[str], hosts: list[Host], agent: Path, before: Callable[[Host], str] = lambda _: ""
) -> list[object]:
    """The mpirun that starts its ranks on these hosts, through the program `agent` that is written for it.

    before: what a host does first, in a mount namespace of its own.
    """
    cases = []
    for host in hosts:
        first = before(host)
        prefix = ["unshare", "-m", *host.prefix] if first else host.prefix
        words = " ".join(f"'{word}'" for word in prefix)
        cases.append(ENTER.format(address=host.address, prefix=words, before=first))
    agent.write_text(AGENT.format(cases="\n".join(cases)))
    agent.chmod(0o755)
    names = ",".join(host.address for host in hosts)
    if "Open MPI" in subprocess.run([*mpirun, "--version"], capture_output=True, text=True).stdout:
        return [*mpirun, "--mca", "plm_ssh_agent", agent, "--bind-to", "none", "--host", names]
    return [*mpirun, "-launcher", "ssh", "-launcher-exec", agent, "-iface", "eth0", "-hosts", names]


def is_possible() -> bool:
    return os.geteuid() == 0 and all(shutil.which(name) for name in ("ip", "nsenter", "unshare"))


@pytest.fixture
def hosts() -> Iterator[list[Host]]:
    """Three hosts; needs root and iproute2."""
    if not is_possible():
        missing("netns")
    network = Network(3)
    yield network.hosts
    network.remove()
