"""What the ranks of several hosts see of one another."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.system.netns.conftest import OVER_TCP, Host, spanning


@pytest.fixture
def doctor(hosts: list[Any], mpirun: list[str], run: Callable, tmp_path: Path) -> Callable[..., Any]:
    """Run it with a rank on each host; `apart`: hosts where the directory is another one."""

    def ask(*apart: Any) -> Any:
        def before(host: Host) -> str:
            return f"mount -t tmpfs none {tmp_path / 'here'} && cd . && " if host in apart else ""

        (tmp_path / "here").mkdir()
        script = 'cd here && exec "$@"'
        return run(
            *hosts[0].prefix, "sh", "-c", script, "sh", *spanning(mpirun, hosts, tmp_path / "agent", before),
            "-n", len(hosts), sys.executable, "-m", "dwork.pool", "--doctor", **OVER_TCP,
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
