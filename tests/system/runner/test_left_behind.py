"""What tasks leave behind in the background: it is found, reported, and ended when that is asked for."""

from __future__ import annotations

import os
import shlex
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dwork.core.cause import Cause
from dwork.core.messages import Execution, Leftovers
from dwork.runner import left_behind
from tests.leftovers import is_gone
from tests.system.runner.bench import Bench, bench_of
from tests.waiting import wait_until


@pytest.fixture
def bench() -> Iterator[Bench]:
    with bench_of() as bench:
        yield bench


#: Each writes the pid of what it leaves behind to the file $pid.
WRITTEN = "while [ ! -s $pid ]; do sleep 0.01; done"
LEAVERS = {
    "in its session": "sleep 100 & echo $! >$pid",
    "silent": "sleep 100 >/dev/null 2>&1 & echo $! >$pid",
    "a daemon": f"setsid sh -c 'echo $$ >$pid; exec sleep 100' >/dev/null 2>&1 & {WRITTEN}",
}


def command(script: str, pid: Path) -> str:
    return f"pid={shlex.quote(str(pid))}; export pid; {script}"


def leftovers(bench: Bench, leftovers: Leftovers) -> None:
    bench.runner.configure(Execution(leftovers=leftovers), {})


@pytest.mark.parametrize("script", LEAVERS.values(), ids=LEAVERS)
@pytest.mark.parametrize("kernel_lists_children", [True, False])
def test_what_a_task_leaves_behind_is_reported_and_runs_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, kernel_lists_children: bool
) -> None:
    if not kernel_lists_children:
        if "setsid" in script:
            pytest.skip("without the list a daemon is only found when others of its task are left, too")
        monkeypatch.setattr(left_behind, "LIST", "/no/such/list")
    with bench_of() as bench:
        result = bench.run(command(script, tmp_path / "pid"))
        assert (result.ok, result.left) == (True, 1)
        pid = (tmp_path / "pid").read_text().strip()
        assert not is_gone(pid)
        assert [bench.run("echo next").left, bench.run(("true",)).left] == [0, 0]
    assert is_gone(pid)


@pytest.mark.parametrize("script", LEAVERS.values(), ids=LEAVERS)
def test_what_a_task_leaves_behind_is_ended_with_it_on_request(bench: Bench, tmp_path: Path, script: str) -> None:
    leftovers(bench, Leftovers.END)
    result = bench.run(command(script, tmp_path / "pid"))
    assert (result.ok, result.left) == (True, 1)
    wait_until(lambda: is_gone((tmp_path / "pid").read_text().strip()))


def test_leaving_something_behind_may_be_a_failure(bench: Bench, tmp_path: Path) -> None:
    leftovers(bench, Leftovers.FAIL)
    result = bench.run(command(LEAVERS["a daemon"], tmp_path / "pid"))
    assert (result.exit_status, result.cause, result.left) == (70, Cause.LEFTOVERS, 1)
    assert bench.run("echo fine").ok


def test_what_ignores_term_is_killed_after_the_grace_period_with_its_children(bench: Bench, tmp_path: Path) -> None:
    leftovers(bench, Leftovers.END)
    script = (
        "trap '' TERM; (setsid sh -c 'echo $$ >$pid; sleep 100' & sleep 100) & while [ ! -s $pid ]; do sleep 0.01; done"
    )
    assert bench.run(command(script, tmp_path / "pid")).left >= 1
    pid = (tmp_path / "pid").read_text().strip()
    assert not is_gone(pid)
    for id in range(2, 1000):
        if is_gone(pid):
            break
        assert bench.start("sleep 0.01", id=id) is None
        assert bench.wait()[0].left == 0
    assert is_gone(pid)


def test_what_ends_by_itself_soon_after_its_task_is_part_of_it(bench: Bench) -> None:
    leftovers(bench, Leftovers.FAIL)
    result = bench.run("(sleep 0.02; echo late) & echo early")
    assert (result.ok, result.left, result.stdout) == (True, 0, b"early\nlate\n")
    assert result.seconds < 0.1


def test_a_task_that_waits_for_its_children_is_not_delayed(bench: Bench) -> None:
    result = bench.run("sleep 0.01 & wait; setsid true; (exit 3)")
    assert (result.exit_status, result.left) == (3, 0)
    assert not bench.runner.poll(0.0)


def test_each_task_answers_only_for_what_it_left_behind_itself(bench: Bench, tmp_path: Path) -> None:
    for id in (1, 2, 3):
        script = LEAVERS["a daemon"] if id == 2 else "true"
        assert bench.start(f"{command(script, tmp_path / 'pid')}; sleep 0.1", id=id) is None
    assert {result.task: result.left for result in bench.wait(3)} == {1: 0, 2: 1, 3: 0}


def test_what_a_pool_in_a_task_leaves_behind_is_not_taken_for_that_of_another_task(
    bench: Bench, tmp_path: Path
) -> None:
    script = f"DWORK_GUARD=another DWORK_TASK_ID=2 {LEAVERS['a daemon']}"
    assert bench.start(f"until [ -e {tmp_path}/go ]; do sleep 0.01; done", id=2) is None
    assert bench.start(command(script, tmp_path / "pid"), id=1) is None
    assert [(result.task, result.left) for result in bench.wait()] == [(1, 0)]
    (tmp_path / "go").touch()
    assert [(result.task, result.left) for result in bench.wait()] == [(2, 0)]


def test_output_of_what_is_left_behind_is_counted_and_discarded(bench: Bench, tmp_path: Path) -> None:
    script = "(until [ -e $pid.go ]; do sleep 0.01; done; echo nobody reads this) & echo $! >$pid"
    result = bench.run(command(script, tmp_path / "pid"))
    assert (result.stdout, result.left, bench.runner.capture.discarded) == (b"", 1, 0)
    (tmp_path / "pid.go").touch()
    pid = int((tmp_path / "pid").read_text())
    for _ in range(1000):
        bench.run("sleep 0.01")
        if is_gone(pid):
            break
    bench.run("sleep 0.01")
    assert bench.runner.capture.discarded == len("nobody reads this\n")


def test_a_killed_task_answers_for_daemons_that_it_left_behind(bench: Bench, tmp_path: Path) -> None:
    leftovers(bench, Leftovers.END)
    assert bench.start(command(LEAVERS["a daemon"] + "; sleep 100", tmp_path / "pid")) is None
    wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    bench.runner.kill(1, time.time(), Cause.CANCELLED, "cancelled")
    (result,) = bench.wait()
    assert (result.signal, result.cause, result.left) == (signal.SIGTERM, Cause.CANCELLED, 1)
    wait_until(lambda: is_gone((tmp_path / "pid").read_text().strip()))


def test_a_child_of_the_worker_itself_is_nothing_that_a_task_left_behind(bench: Bench) -> None:
    pid = os.posix_spawn("/bin/sleep", ["sleep", "100"], {})
    try:
        leftovers(bench, Leftovers.END)
        assert bench.run("true").left == 0
        assert not is_gone(pid)
    finally:
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: is_gone(pid))
