"""Who reads what a pool prints may stand still: the tasks go on, and all of it comes when he reads again."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pytest

from dwork.output import relayprocess
from tests.leftovers import is_gone, processes
from tests.unit.progress.screen import Pty

POOL = [sys.executable, "-m", "dwork.pool", "--no-bridge"]
N = 12
#: A megabyte each; in all more than waits in memory.
TALKATIVE = "".join(f"seq {i}000000 {i}130000; touch done{i}\n" for i in range(10, 10 + N))
PRINTED = [str(n) for i in range(10, 10 + N) for n in range(i * 1_000_000, i * 1_000_000 + 130_001)]
RELAY = [sys.executable, "-I", "-S", relayprocess.__file__]


@pytest.fixture
def all_done(tmp_path: Path, wait_until: Callable) -> Callable[[], None]:
    (tmp_path / "tasks.txt").write_text(TALKATIVE)
    return lambda: wait_until(lambda: len(list(tmp_path.glob("done*"))) == N)


def test_tasks_go_on_while_nobody_reads_and_then_all_of_it_comes(start: Callable, all_done: Callable) -> None:
    pool = start(*POOL, "-k", "tasks.txt")
    all_done()
    assert pool.poll() is None
    out, err = pool.communicate(timeout=30)
    assert (pool.returncode, out.splitlines()) == (0, PRINTED), err
    assert err.splitlines()[-1].startswith("dwork: 12 done, 0 failed")


def test_both_streams_in_one_pipe_keep_their_order(start: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("".join(f"seq {i}; echo error {i} >&2\n" for i in range(1, 300)))
    pool = start("sh", "-c", f"exec {' '.join(POOL)} -q -k tasks.txt 2>&1")
    out, _ = pool.communicate(timeout=60)
    assert out.splitlines() == [line for i in range(1, 300) for line in [*map(str, range(1, i + 1)), f"error {i}"]]


@pytest.mark.parametrize("is_stopped", [True, False])
def test_a_terminal_that_shows_nothing_holds_up_no_task(
    on: Callable, pty: Pty, all_done: Callable, wait_until: Callable, is_stopped: bool
) -> None:
    if is_stopped:
        termios.tcflow(pty.inner, termios.TCOOFF)  # Ctrl-S
    pool = on(*POOL, "-k", "tasks.txt", keeps=True, controls=True)
    all_done()
    assert pool.poll() is None
    if is_stopped:
        termios.tcflow(pty.inner, termios.TCOON)
    pty.leave()
    wait_until(lambda: not pty.read(0.05))
    assert pool.wait(20) == 0
    assert [line for line in pty.lines if line.isdecimal()] == PRINTED


def test_a_kworker_that_prints_itself_goes_on_as_well(dhub: Callable, all_done: Callable) -> None:
    hub = dhub("--no-logs")
    hub.dquery("addfile", "tasks.txt")
    worker = hub.kworker()
    all_done()
    assert worker.poll() is None
    out, err = worker.communicate(timeout=30)
    assert (worker.returncode, out.splitlines()) == (0, PRINTED), err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_wait_for_a_reader_with_the_right_exit_code(
    start: Callable, tmp_path: Path, wait_until: Callable, number: signal.Signals
) -> None:
    (tmp_path / "tasks.txt").write_text("seq 100000\nfalse\n")
    pool = start(*POOL, "tasks.txt")
    assert pool.stderr is not None
    while "done, 1 failed" not in pool.stderr.readline():
        pass

    def has_left() -> bool:  # the first one may come before the pool waits for nothing but its output
        pool.send_signal(number)
        return pool.poll() is not None

    wait_until(lambda: list(tmp_path.glob("*.db")) and not list(tmp_path.glob("*.db-wal")))
    wait_until(has_left)
    assert pool.returncode == 1
    assert pool.communicate(timeout=30)[0].splitlines() == [str(n) for n in range(1, 100_001)]


def test_what_was_printed_outlives_a_pool_that_is_killed(start: Callable, all_done: Callable) -> None:
    pool = start(*POOL, "-k", "--slots", 1, "tasks.txt", MARK_OF_THIS_TEST=str(os.getpid()))
    all_done()
    pool.kill()
    out, _ = pool.communicate(timeout=30)
    assert "".join(f"{line}\n" for line in PRINTED).startswith(out) and len(out) > 10_000_000
    assert all(map(is_gone, processes(MARK_OF_THIS_TEST=str(os.getpid()))))


def test_a_reader_who_leaves_at_the_end_gets_no_success(start: Callable, all_done: Callable) -> None:
    pool = start(*POOL, "tasks.txt")
    all_done()
    assert pool.stdout is not None and pool.stderr is not None
    pool.stdout.close()
    err = pool.stderr.read()
    assert (pool.wait(30), err.splitlines()[-1]) == (
        1,
        "dwork: all tasks are done, but some of their output could not be written; all of it is in tasks.txt.logs",
    )


def test_when_the_disk_is_full_as_well_nothing_is_lost() -> None:
    """Each temporary file can have 100 kB here."""
    (take, give), (status, tell), (out, inner) = os.pipe(), os.pipe(), os.pipe()
    limits = (100_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1])
    process = subprocess.Popen(
        [*RELAY, str(tell), f"{take}:{inner}"],
        pass_fds=(take, tell, inner),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits),
    )
    for end in (take, tell, inner):
        os.close(end)
    data = bytes(range(256)) * 40_000
    os.set_blocking(give, False)
    sent, heard = 0, bytearray()
    while len(heard) < len(data):
        try:
            while sent < len(data):
                sent += os.write(give, data[sent : sent + 65536])
        except BlockingIOError:
            pass
        if sent == len(data) and give >= 0:
            os.close(give)
            give = -1
        heard += os.read(out, 65536)
    assert heard == data
    assert (os.read(out, 1), os.read(status, 100), process.wait(20)) == (b"", b"", 0)
    os.close(out)
    os.close(status)


def test_the_process_says_why_it_cannot_write() -> None:
    (take, give), (status, tell) = os.pipe(), os.pipe()
    full = os.open("/dev/full", os.O_WRONLY)
    process = subprocess.Popen([*RELAY, str(tell), f"{take}:{full}"], pass_fds=(take, tell, full))
    for end in (take, tell):
        os.close(end)
    os.write(give, b"x")
    assert os.read(status, 100) == b"%d 28\n" % full
    assert process.wait(20) == 0
    with pytest.raises(BrokenPipeError):
        os.write(give, b"x")
    for end in (full, status, give):
        os.close(end)
