"""Ranks that are killed: the others go on where the launcher lets them, and nobody is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.leftovers import is_gone

ROOT = Path(__file__).parents[3]
#: Kills the rank that runs it, the first time.
KILLER = "[ -e killed ] || { touch killed; kill -9 $PPID; }"


def is_open_mpi(mpirun: list[str]) -> bool:
    return "Open MPI" in subprocess.run([*mpirun, "--version"], capture_output=True, text=True).stdout


def path_of(mpirun: list[str], tmp_path: Path) -> str:
    """With that mpirun, with this Python as `python`, and before all what a test puts into bin."""
    places = (str(tmp_path / "bin"), str(Path(mpirun[0]).parent), str(Path(sys.executable).parent))
    return os.pathsep.join([*places, os.environ["PATH"]])


def tells_where_it_is(tmp_path: Path, first: str) -> None:
    """Let `dwork-pool` say first of each rank which process that is, in a file pid-RANK."""
    (tmp_path / "pool.py").write_text(
        "import os\n"
        "from dwork.transport import mpi\n"
        f"{first}"
        "with open(f'pid-{mpi.rank_hint()}', 'w') as file:\n"
        "    file.write(str(os.getpid()))\n"
        "from dwork.pool.__main__ import main\n"
        "main()\n"
    )
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "dwork-pool"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} pool.py "$@"\n')
    program.chmod(0o755)


@pytest.fixture
def local(mpirun: list[str], run: Callable, tmp_path: Path) -> Callable:
    """Run jobscripts/local.sh with that mpirun, and with the dwork-pool of this Python."""

    def go(ranks: int, *words: object) -> object:
        path = path_of(mpirun, tmp_path)
        return run("sh", ROOT / "jobscripts" / "local.sh", ranks, *words, PATH=path, limit=100)

    return go


def counted(tmp_path: Path, n: int) -> list[int]:
    return [len((tmp_path / f"runs-{i}").read_text().split()) for i in range(n)]


@pytest.mark.parametrize("transport", ["mpi", "zmq"])
def test_a_rank_that_is_killed_costs_only_what_it_ran(local: Callable, tmp_path: Path, transport: str) -> None:
    n = 30
    lines = [f"echo ran >> runs-{i}; sleep 0.05\n" for i in range(n)]
    lines.insert(n // 2, f"{KILLER}\n")
    (tmp_path / "tasks.txt").write_text("".join([*lines, "exit 3   #DWORK name=bad\n"]))
    ran = local(4, "--transport", transport, "--worker-timeout", "4s", "tasks.txt")
    assert ran.code == 1, ran.err
    assert any("has left: " in line for line in ran.own_err)
    assert ran.totals.startswith(f"dwork: {n + 1} done, 1 failed, 0 skipped in ")
    assert set(counted(tmp_path, n)) <= {1, 2}


@pytest.mark.parametrize("options", [["--no-bridge"], ["--transport", "zmq"]], ids=["mpi", "zmq"])
def test_when_all_ranks_have_died_the_pool_says_so_and_stops(
    local: Callable, tmp_path: Path, options: list[str]
) -> None:
    lines = [f"kill -9 $PPID; sleep 100 # {i}\n" for i in range(2)]
    (tmp_path / "tasks.txt").write_text("".join([*lines, "true\n"]))
    ran = local(3, *options, "--worker-timeout", "2s", "tasks.txt")
    assert ran.code == 3, ran.err
    (line,) = [line for line in ran.own_err if line.startswith("dwork: no worker is left")]
    assert line.endswith(": no more tasks are started")
    assert ran.totals.startswith("dwork: 0 done, 0 failed, 0 skipped, 3 not finished in ")


def test_a_task_that_kills_every_run_costs_the_others_little_and_fails_in_the_end(
    mpirun: list[str], run: Callable, tmp_path: Path
) -> None:
    """Its launcher ends all ranks when one dies; whoever runs the pool again and again comes to an end."""
    lines = ["kill -9 $PPID; sleep 100  #DWORK name=poison priority=1\n"]
    lines += [f"sleep 0.1; echo ran >> runs-{i}\n" for i in range(6)]
    (tmp_path / "tasks.txt").write_text("".join(lines))
    pool = [*mpirun, "-n", 3, sys.executable, "-m", "dwork.pool", "--no-bridge", "tasks.txt"]
    codes = []
    for _ in range(6):
        ran = run(*pool, limit=60)
        codes.append(ran.code in (0, 1, 3))
        if len(codes) == 3:  # what ran beside it may have run a second time
            assert set(counted(tmp_path, 6)) <= {1, 2}, ran.err
    assert (codes, ran.code) == ([False] * 5 + [True], 1)
    reason = "its worker or the whole run died 5 times while it ran; the next run tries it once more"
    assert f"dwork: failed: #0 poison: {reason}" in ran.own_err
    assert ran.totals.startswith("dwork: 6 done (6 before), 1 failed, 0 skipped in ")
    assert run(*pool, limit=60).code not in (0, 1, 3)
    assert run(*pool, limit=60).code == 1


def test_a_rank_that_is_killed_while_the_run_ends_does_not_keep_the_others(local: Callable, tmp_path: Path) -> None:
    """When all is done nobody misses its beats any more."""
    (tmp_path / "tasks.txt").write_text("kill -9 $(cat pid-$((3 - ${DWORK_WORKER##*:})))\n")
    tells_where_it_is(tmp_path, "mpi.SILENCE = 2.0\n")
    ran = local(3, "tasks.txt")
    assert ran.totals.startswith("dwork: 1 done, 0 failed, 0 skipped in "), ran.err


@pytest.mark.parametrize("moment", ["at once", "while their output is on its way"])
def test_what_was_printed_by_ranks_that_died_with_it_is_printed_all_the_same(
    mpirun: list[str], start: Callable, wait_until: Callable, tmp_path: Path, moment: str
) -> None:
    """Two ranks end a task while the hub stands still, and die; the third goes on."""
    names = ("a", "b")
    waits = "while [ ! -e %s ]; do sleep 0.02; done"
    lines = [
        f"echo $$ ${{DWORK_WORKER##*:}} > at-{name}; {waits % 'go'}; seq -f {name}%04g 7000   #DWORK name={name}\n"
        for name in names
    ]
    (tmp_path / "tasks.txt").write_text("".join([*lines, f"touch at-c; {waits % 'end'}\n"]))
    tells_where_it_is(
        tmp_path,
        "send = mpi.Mpi.send\n"
        "def send_and_say_so(self, peer, frame):\n"
        "    send(self, peer, frame)\n"
        "    if len(frame) > 40000:\n"
        "        open(f'sent-{mpi.rank_hint()}', 'w').close()\n"
        "mpi.Mpi.send = send_and_say_so\n",
    )
    pool = start("sh", ROOT / "jobscripts" / "local.sh", 4, "--worker-timeout", "30s", "--slots", 1, "tasks.txt",
                 PATH=path_of(mpirun, tmp_path))  # fmt: skip
    files = [tmp_path / f"at-{name}" for name in (*names, "c")]
    wait_until(lambda: all(file.exists() and (file.name == "at-c" or "\n" in file.read_text()) for file in files))
    hub, *workers = [int((tmp_path / f"pid-{rank}").read_text()) for rank in range(4)]
    os.kill(hub, signal.SIGSTOP)
    tasks = [[int(word) for word in file.read_text().split()] for file in files[:2]]
    (tmp_path / "go").touch()
    wait_until(lambda: all(is_gone(pid) for pid, _ in tasks))
    if moment != "at once":
        wait_until(lambda: all((tmp_path / f"sent-{rank}").exists() for _, rank in tasks))
    for _, rank in tasks:
        os.kill(workers[rank - 1], signal.SIGKILL)
    wait_until(lambda: all(is_gone(workers[rank - 1]) for _, rank in tasks))
    os.kill(hub, signal.SIGCONT)
    (tmp_path / "end").touch()
    out, err = pool.communicate(timeout=100)
    assert "dwork: 3 done, 0 failed, 0 skipped in " in err, err
    for name in names:
        assert "".join(f"{name}{i:04}\n" for i in range(1, 7001)) in out, err
    assert out.count("\n") == 14000


def test_ranks_whose_long_output_a_dead_hub_never_takes_leave(
    mpirun: list[str], start: Callable, wait_until: Callable, tmp_path: Path
) -> None:
    """An MPI that does not report the death of the hub waits for it for ever."""
    tasks = "echo $$ > at-{}; while [ ! -e go ]; do sleep 0.02; done; seq 100000\n"
    (tmp_path / "tasks.txt").write_text("".join(map(tasks.format, "ab")))
    tells_where_it_is(tmp_path, "mpi.STALL = 2.0\n")
    pool = start("sh", ROOT / "jobscripts" / "local.sh", 3, "--slots", 1, "tasks.txt", PATH=path_of(mpirun, tmp_path))
    pids = [tmp_path / f"pid-{rank}" for rank in range(3)]
    files = [tmp_path / "at-a", tmp_path / "at-b"]
    wait_until(lambda: all(file.exists() and file.read_text().endswith("\n") for file in files), 100)
    hub, *ranks = (int(file.read_text()) for file in pids)
    os.kill(hub, signal.SIGSTOP)
    (tmp_path / "go").touch()
    wait_until(lambda: all(is_gone(int(file.read_text())) for file in files))
    os.kill(hub, signal.SIGKILL)
    wait_until(lambda: all(map(is_gone, ranks)), 60)
    pool.communicate(timeout=60)


def test_ranks_that_end_as_they_should_end_no_others(mpirun: list[str], run: Callable, tmp_path: Path) -> None:
    """Hydra tells the others by a signal, which ended them."""
    (tmp_path / "tasks.txt").write_text("echo $$; trap 'echo usr1' USR1; kill -USR1 $$\n")
    flags = ["--with-ft", "ulfm"] if is_open_mpi(mpirun) else ["-disable-auto-cleanup"]
    ran = run(*mpirun, *flags, "-n", 3, sys.executable, "-m", "dwork.pool", "tasks.txt")
    assert ran.code == 0, ran.err
    assert ran.out.endswith("usr1\n")  # and tasks can have it


def test_how_to_survive_a_dead_rank_is_told_when_a_run_was_killed_and_not_before(
    mpirun: list[str], run: Callable, tmp_path: Path
) -> None:
    (tmp_path / "tasks.txt").write_text(f"{KILLER}\n")
    pool = [*mpirun, "-n", 2, sys.executable, "-m", "dwork.pool", "tasks.txt"]
    first, second, third = run(*pool), run(*pool), run(*pool, "--fresh")
    assert first.code != 0 and "the previous run" not in first.err
    assert first.own_err[0].startswith("dwork: 1 task on 1 worker rank")  # it opens without a warning
    (advice,) = [line for line in second.own_err if "the previous run was killed" in line]
    assert ("--with-ft ulfm" if is_open_mpi(mpirun) else "-disable-auto-cleanup") in advice
    assert second.code == third.code == 0
    assert "the previous run" not in third.err


def test_when_the_hub_is_killed_no_rank_and_no_task_is_left(
    mpirun: list[str], start: Callable, wait_until: Callable, tmp_path: Path
) -> None:
    (tmp_path / "tasks.txt").write_text("echo $$ > a; exec sleep 1000\necho $$ > b; exec sleep 1000\n")
    flags = ["--with-ft", "ulfm"] if is_open_mpi(mpirun) else []
    pool = start(
        *mpirun, *flags, "-n", 3, "sh", "-c",
        '[ "${OMPI_COMM_WORLD_RANK:-$PMI_RANK}" != 0 ] || echo $$ > hub; exec "$@"', "x",
        sys.executable, "-m", "dwork.pool", "tasks.txt",
    )  # fmt: skip
    files = [tmp_path / name for name in ("hub", "a", "b")]
    wait_until(lambda: all(file.exists() and file.read_text().endswith("\n") for file in files))
    hub, *tasks = (int(file.read_text()) for file in files)
    os.kill(hub, signal.SIGKILL)
    pool.communicate(timeout=60)
    wait_until(lambda: all(map(is_gone, tasks)))
