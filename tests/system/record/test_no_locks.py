"""Records on file systems that have no locks: a lock file beside the record keeps others away."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dwork.core.errors import StoreError
from dwork.host.pid_space import pid_space
from dwork.record.locks import InUse, refuse_if_in_use, take_lock_file
from tests.desk import Desk, look, task
from tests.needs import missing

POOL = [sys.executable, "-m", "dwork.pool", "--no-bridge"]
HERE = socket.gethostname()


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that makes fcntl refuse locks."""
    library = tmp_path_factory.mktemp("shim") / "no_locks.so"
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        missing("C compiler")
    source = Path(__file__).with_name("no_locks.c")
    subprocess.run([str(compiler), "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library


@pytest.fixture
def pool(run: Callable, shim: Path, tmp_path: Path) -> Callable[..., Any]:
    """Run a pool where the directory of the test has no locks."""

    def start(*words: object, number: int = errno.ENOLCK) -> Any:
        variables = {"LD_PRELOAD": str(shim), "NO_LOCKS_BELOW": str(tmp_path), "NO_LOCKS_ERRNO": str(number)}
        return run(*POOL, *words, "tasks.txt", **variables)

    return start


def test_a_pool_says_so_works_and_goes_on(pool: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("echo ran >> a\ntest -e go\n")
    ran = pool()
    assert ran.code == 1, ran.err
    assert ran.own_err[0] == (
        "dwork: the file system of tasks.txt.db has no locks; using the lock file tasks.txt.db.lock instead"
    )
    (tmp_path / "go").touch()
    ran = pool(number=errno.ENOSYS)
    assert (ran.code, ran.own_err[1]) == (0, "dwork: 1 of 2 already done; 1 failed will be retried")
    assert (tmp_path / "a").read_text() == "ran\n"
    assert sorted(os.listdir(tmp_path)) == ["a", "go", "tasks.txt", "tasks.txt.db"]
    assert look(tmp_path / "tasks.txt.db", "SELECT state FROM tasks") == ["done", "done"]


def test_locks_that_fail_in_another_way_are_an_error_in_one_line(pool: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("touch ran\n")
    ran = pool(number=errno.EIO)
    assert (ran.code, ran.own_err) == (3, ["dwork: tasks.txt.db cannot be locked: Input/output error"])
    assert not (tmp_path / "ran").exists()


def test_a_second_pool_waits_and_dquery_is_refused_and_after_a_kill_it_goes_on(
    pool: Callable[..., Any],
    run: Callable,
    start: Callable,
    wait_until: Callable,
    kill_all: Callable,
    shim: Path,
    tmp_path: Path,
) -> None:
    variables = {"LD_PRELOAD": str(shim), "NO_LOCKS_BELOW": str(tmp_path)}
    (tmp_path / "tasks.txt").write_text(
        "echo ran >> a #DWORK name=a\ntouch there; test -e go || sleep 1000 #DWORK after=a\n"
    )
    process = start(*POOL, "tasks.txt", **variables)
    wait_until((tmp_path / "there").exists)
    refusal = f"tasks.txt.db.lock says that process {process.pid} on {HERE} has the record; "
    for words in ([], ["--fresh"]):
        second = start(*POOL, *words, "tasks.txt", **variables)
        assert second.stderr is not None
        assert second.stderr.readline() == f"dwork: {refusal}waiting up to 30 s for it\n"
        second.terminate()
        second.communicate(timeout=20)
        assert second.returncode == 3
    ran = run(sys.executable, "-m", "dwork.dquery", "list", "-f", "tasks.txt.db", **variables)
    assert ran.code == 2 and ran.err.startswith(f"dquery: {refusal}"), ran.err
    kill_all(process)
    assert (tmp_path / "tasks.txt.db.lock").exists()
    ran = run(sys.executable, "-m", "dwork.dquery", "list", "-f", "tasks.txt.db", **variables)
    assert ran.code == 0 and "done" in ran.out and "waiting" in ran.out, ran.err
    (tmp_path / "go").touch()
    ran = pool()
    assert (ran.code, ran.own_err[1]) == (0, "dwork: 1 of 2 already done; 1 lost will be retried last"), ran.err
    assert (tmp_path / "a").read_text() == "ran\n"
    assert not (tmp_path / "tasks.txt.db.lock").exists()


# -- the lock file itself --------------------------------------------------------------------------------------------


def ended() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_only_one_can_have_it(tmp_path: Path) -> None:
    lock = str(tmp_path / "x.lock")
    assert take_lock_file(lock) == lock
    assert Path(lock).read_text() == f"{HERE} {os.getpid()} {pid_space()}"
    with pytest.raises(InUse, match=rf"x\.lock says that process {os.getpid()} on {HERE} has the record"):
        take_lock_file(lock)


def test_that_of_a_process_of_this_machine_that_has_ended_is_taken_over(tmp_path: Path) -> None:
    lock = tmp_path / "x.lock"
    lock.write_text(f"{HERE} {ended()} {pid_space()}")
    take_lock_file(str(lock))
    assert lock.read_text() == f"{HERE} {os.getpid()} {pid_space()}"
    assert os.listdir(tmp_path) == ["x.lock"]


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("elsewhere 1", "process 1 on elsewhere"),
        (f"{HERE} 1 {pid_space()}", f"process 1 on {HERE}"),
        (f"{HERE} {2**22 + 1} of-a-container", f"process {2**22 + 1} on {HERE}"),
        ("", "another process"),
        ("\0\xff junk\n\n", "process junk on"),
    ],
)
def test_that_of_whoever_may_live_is_left(tmp_path: Path, text: str, who: str) -> None:
    lock = tmp_path / "x.lock"
    lock.write_bytes(text.encode("latin-1"))
    for attempt in (lambda: take_lock_file(str(lock)), lambda: refuse_if_in_use(str(tmp_path / "x"))):
        with pytest.raises(InUse, match=rf"{who}.* has the record; if that process has ended, delete the lock file"):
            attempt()
    assert lock.read_bytes() == text.encode("latin-1")


def test_of_many_who_find_it_stale_one_gets_it(tmp_path: Path) -> None:
    lock = tmp_path / "x.lock"
    lock.write_text(f"{HERE} {ended()} {pid_space()}")
    take = (
        "import sys\nfrom dwork.record.locks import take_lock_file\nsys.stdin.read(1)\n"
        "try:\n    take_lock_file(sys.argv[1])\n    print('mine', flush=True)\nexcept Exception as error:\n"
        "    print(type(error).__name__, flush=True)\nsys.stdin.read()"
    )
    root = str(Path(__file__).parents[3])
    takers = [
        subprocess.Popen(
            [sys.executable, "-c", take, str(lock)],
            stdin=-1,
            stdout=-1,
            text=True,
            env={**os.environ, "PYTHONPATH": root},
        )
        for _ in range(4)
    ]
    for taker in takers:
        assert taker.stdin is not None
        taker.stdin.write("go")
        taker.stdin.flush()
    said = [taker.stdout.readline() for taker in takers if taker.stdout]
    for taker in takers:
        taker.send_signal(signal.SIGKILL)
        taker.communicate()
    assert said.count("mine\n") == 1 and said.count("InUse\n") == 3


def test_a_lock_file_that_cannot_be_written_is_not_left_empty(small_disk: Callable[[str], Any]) -> None:
    disk = small_disk("64k")
    disk.fill()
    with pytest.raises(StoreError, match=r"x\.lock cannot be written: No space left on device"):
        take_lock_file(str(disk.path / "x.lock"))
    assert not (disk.path / "x.lock").exists()


def test_a_record_where_there_are_locks_has_no_lock_file(desk: Desk, tmp_path: Path) -> None:
    desk.resume(task("t0"))
    assert not (tmp_path / "run.db.lock").exists()
