"""Tasks are held to their memory by control groups of version 2; test_vm.py has this run in a virtual machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dwork.core.messages import Execution
from dwork.core.task import Options
from dwork.host import cgroups
from dwork.runner.memory_cgroups import REST, MemoryGroups
from tests.leftovers import is_gone
from tests.system.runner.bench import Bench, bench_of

MIB = 2**20
TOP = Path(cgroups.ROOT)


@pytest.fixture
def group() -> Iterator[Path]:
    """A group that is ours, as a batch system may give us one, with this process and another one in it."""
    (TOP / "cgroup.subtree_control").write_text("+memory")
    group = TOP / "job"
    group.mkdir()
    ours = (os.getpid(), os.getppid())
    for pid in ours:
        (group / "cgroup.procs").write_text(str(pid))
    yield group
    for pid in ours:
        (TOP / "cgroup.procs").write_text(str(pid))
    if (group / REST).exists():
        (group / REST).rmdir()
    group.rmdir()  # nothing is left in it


@pytest.fixture
def bench(group: Path) -> Iterator[Bench]:
    with bench_of() as bench:
        bench.runner.configure(Execution(enforce_memory=True), {})
        yield bench


def takes(mib: int, then: str = "") -> str:
    return f"{sys.executable} -S -c 'x = b\"x\" * ({mib} << 20){then}'"


def test_what_takes_more_than_it_asked_for_is_ended_with_all_that_it_has_started(bench: Bench, tmp_path: Path) -> None:
    line = f"sleep 1000 & echo $! > {tmp_path}/child; {takes(200)} & wait; wait; echo alive"
    result = bench.run(line, Options(memory=100 * MIB))
    assert (result.exit_status, result.signal, result.stdout) == (137, 9, b"")
    assert result.error == "out of memory: it needed more than the 100 MiB that it requested"
    assert is_gone((tmp_path / "child").read_text().strip())


def test_the_next_one_is_judged_by_itself(bench: Bench) -> None:
    assert bench.run(takes(200), Options(memory=100 * MIB)).error
    assert bench.run(takes(200), Options(memory=300 * MIB)).ok
    assert bench.run(takes(200)).ok, "it has asked for nothing"
    assert bench.run("kill -9 $$", Options(memory=100 * MIB)).error == "", "that was not for memory"


def test_it_is_started_as_ever(bench: Bench, tmp_path: Path) -> None:
    options = Options(memory=100 * MIB, cwd=str(tmp_path), env=(("WHAT", "a  b"),))
    assert bench.run('echo "$WHAT" $PWD', options).stdout == f"a  b {tmp_path}\n".encode()
    assert bench.run(("printf", "%s.", "a  b", "$c"), Options(memory=100 * MIB)).stdout == b"a  b.$c."
    assert bench.run(("/no/such/program",), Options(memory=100 * MIB)).exit_status == 127


def test_what_it_leaves_behind_goes_on_and_the_group_goes_in_the_end(group: Path, tmp_path: Path) -> None:
    with bench_of() as bench:
        bench.runner.configure(Execution(enforce_memory=True), {})
        assert bench.run(f"sleep 1000 & echo $! > {tmp_path}/child", Options(memory=100 * MIB)).ok
        assert not is_gone((tmp_path / "child").read_text().strip())
        assert list(group.glob("dwork-*-1"))
    assert not list(group.glob("dwork-*-1"))


def test_two_workers_share_a_group(group: Path) -> None:
    first, second = MemoryGroups(cgroups.own()), MemoryGroups(str(group))
    assert first and second
    assert first.open(1, MIB)
    assert not second.open(1, MIB), "the same process cannot have it twice"
    first.close_all()


def test_nobody_who_may_not_write_there_has_groups(group: Path) -> None:
    pid = os.fork()
    if not pid:
        os.setuid(65534)
        os._exit(bool(MemoryGroups(cgroups.own())))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert not (group / REST).exists()


def test_a_pool_tells_what_took_too_much(group: Path, run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text(
        f"{takes(200)}    #DWORK name=large memory=100M\n{takes(50)}    #DWORK name=small memory=100M\n"
    )
    ran = run(sys.executable, "-m", "dwork.pool", "--enforce-memory", "--slots", 2, "tasks.txt", limit=200)
    assert ran.code == 1
    reason = "out of memory: it needed more than the 100 MiB that it requested"
    assert f"dwork: failed: #0 large: {reason}" in ran.own_err
