"""A hub alone, workers over TCP, and dquery: real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.leftovers import is_gone
from tests.system.programs.conftest import program


def workers(hub: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in hub.dquery("workers", "--json").out.splitlines()]


def test_tasks_created_by_dquery_are_run_by_a_kworker_that_leaves_when_all_is_finished(dhub: Callable) -> None:
    hub = dhub()
    assert hub.dquery("create", "echo hello").code == 0
    assert hub.dquery("create", "echo world", "echo hello").code == 0
    worker = hub.kworker()
    out, err = worker.communicate(timeout=20)
    assert (worker.returncode, out, err) == (0, "hello\nworld\n", "")
    assert hub.dquery("status").out.startswith("dhub: 0 active tasks, 0 ready.\n")


def test_a_worker_may_start_before_the_first_task_exists(dhub: Callable) -> None:
    hub = dhub()
    worker = hub.kworker("--slots", 2)
    assert worker.stdout is not None
    assert hub.dquery("create", "echo at last").code == 0
    out, _ = worker.communicate(timeout=20)
    assert (worker.returncode, out) == (0, "at last\n")


def test_a_failed_task_fails_for_all_to_see_and_its_successor_is_skipped(dhub: Callable) -> None:
    hub = dhub("--retries", 1)
    hub.dquery("create", "exit 4")
    hub.dquery("create", "echo never", "exit 4")
    worker = hub.kworker()
    _, err = worker.communicate(timeout=20)
    assert err.count("exit 4 failed: exit status 4") == 2
    assert hub.dquery("lookup", "exit 4").out.startswith("#0 exit 4: failed")
    assert hub.dquery("lookup", "echo never").out.startswith("#1 echo never: skipped")


def test_a_task_finds_its_hub_without_being_told(dhub: Callable, tmp_path: Path) -> None:
    hub = dhub()
    (tmp_path / "grow.py").write_text("import dwork\nwith dwork.Client() as hub: hub.create('leaf', 'echo leaf')\n")
    hub.dquery("create", f"{sys.executable} grow.py")
    worker = hub.kworker()
    out, err = worker.communicate(timeout=20)
    assert out == "leaf\n", err


def test_a_kworker_that_is_told_to_leave_finishes_what_runs_and_gives_back_the_rest(
    dhub: Callable, wait_until: Callable, tmp_path: Path
) -> None:
    hub = dhub()
    for i in range(3):
        hub.dquery("create", f"touch started-{i}; while [ ! -e go ]; do sleep 0.01; done; echo {i}")
    worker = hub.kworker()
    wait_until((tmp_path / "started-0").exists)
    worker.send_signal(signal.SIGTERM)
    wait_until(lambda: hub.dquery("status").out.startswith("dhub: 3 active tasks, 2 ready."))
    (tmp_path / "go").touch()
    out, err = worker.communicate(timeout=20)
    assert (worker.returncode, out) == (0, "0\n"), err
    assert hub.dquery("status").out.startswith("dhub: 2 active tasks, 2 ready.")


def test_a_kworker_told_twice_ends_what_runs_and_no_process_is_left(
    dhub: Callable, wait_until: Callable, tmp_path: Path
) -> None:
    hub = dhub()
    hub.dquery("create", "echo $$ > task; exec sleep 1000")
    worker = hub.kworker()
    task = tmp_path / "task"
    wait_until(lambda: task.exists() and task.read_text().endswith("\n"))
    worker.send_signal(signal.SIGINT)
    worker.send_signal(signal.SIGTERM)
    wait_until(lambda: worker.poll() is not None or worker.send_signal(signal.SIGTERM))
    assert is_gone(task.read_text().strip())
    assert hub.dquery("lookup", "#0").out.endswith(": ready\n")  # it is not the task's fault


def test_a_kworker_uses_the_cores_that_it_may_use(dhub: Callable, wait_until: Callable) -> None:
    hub = dhub()
    cores = os.sched_getaffinity(0)
    hub.kworker("--slots", "auto")
    kworker = (sys.executable, "-m", "dwork.kworker", "-s", hub.server)
    hub.start("taskset", "-c", min(cores), *kworker, "--slots", "auto")
    wait_until(lambda: len(workers(hub)) == 2)
    assert {worker["slots"] for worker in workers(hub)} == {1, len(cores)}
    wrong = hub.run(*kworker, "--slots", "many")
    assert wrong.code == 2 and "is not a number of slots; give 1 to 65536, or auto" in wrong.err


def test_a_kworker_whose_job_ends_leaves_in_time_and_its_task_runs_elsewhere(
    dhub: Callable, wait_until: Callable, tmp_path: Path
) -> None:
    hub = dhub()
    hub.dquery("create", "touch started; [ -e go ] || exec sleep 1000")
    worker = hub.kworker("--walltime", "12s", "--drain-before", "10s")
    wait_until((tmp_path / "started").exists)
    _, err = worker.communicate(timeout=20)
    assert worker.returncode == 3
    assert "kworker: the job ends in 10 s: leaving; running tasks are terminated and will run elsewhere" in err
    (tmp_path / "go").touch()
    assert hub.kworker().wait(timeout=20) == 0
    assert ": done" in hub.dquery("lookup", "#0").out


def test_a_worker_of_a_killed_hub_gives_up_and_says_so(dhub: Callable, wait_until: Callable, tmp_path: Path) -> None:
    hub = dhub("--worker-timeout", "4s")
    hub.dquery("create", "touch started; sleep 1000")
    worker = hub.kworker("--hub-timeout", "1")
    wait_until((tmp_path / "started").exists)
    hub.process.kill()
    _, err = worker.communicate(timeout=40)
    assert (worker.returncode, err.count("\n")) == (1, 1)
    assert "the hub has not answered for 1 s" in err


def test_exit_of_a_worker_makes_its_tasks_ready_again(dhub: Callable) -> None:
    hub = dhub()
    hub.dquery("create", "a")
    assert hub.dquery("steal", "-q", "node1").out == "a\n"
    assert hub.dquery("status").out.startswith("dhub: 1 active tasks, 0 ready.")
    assert hub.dquery("exit", "node1").code == 0
    assert hub.dquery("status").out.startswith("dhub: 1 active tasks, 1 ready.")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_dhub_ends_quietly_when_told(dhub: Callable, number: signal.Signals) -> None:
    hub = dhub()
    hub.process.send_signal(number)
    out, err = hub.process.communicate(timeout=20)
    assert (hub.process.returncode, out, err) == (0, "", "")


def test_random_bytes_get_an_error_and_harm_nobody(dhub: Callable) -> None:
    import zmq

    hub = dhub("--insecure")
    with zmq.Context() as context, context.socket(zmq.REQ) as peer:
        peer.linger = 0
        peer.connect(hub.server)
        for junk in (b"", b"\xff" * 100, b"\x08\x63", b"\x08\x01", b"\x08\x06\x32"):
            peer.send(junk)
            assert peer.poll(10_000), f"no answer to {junk!r}"
            assert peer.recv().startswith(b"\x08\x08")
    assert hub.dquery("status").code == 0


def test_workers_are_listed_and_leave_when_told(dhub: Callable, wait_until: Callable, tmp_path: Path) -> None:
    hub = dhub()
    hub.dquery("create", "touch started; while [ ! -e go ]; do sleep 0.01; done")
    hub.dquery("create", "touch second")
    worker = hub.kworker()
    wait_until((tmp_path / "started").exists)
    listed = hub.dquery("workers").out.splitlines()
    assert listed[1].split()[:2] == ["1", "1"] and listed[1].endswith(f":{worker.pid}")
    assert hub.dquery("stop-worker", "nobody:*").code == 1
    ran = hub.dquery("include-worker", f"*:{worker.pid}")
    assert (ran.code, ran.own_err) == (1, [f"dquery: no excluded worker matches *:{worker.pid}"])
    assert hub.dquery("stop-worker", f"*:{worker.pid}").out == "Stopping 1 worker\n"
    (tmp_path / "go").touch()
    _, err = worker.communicate(timeout=20)
    assert (worker.returncode, (tmp_path / "second").exists()) == (0, False), err
    assert hub.dquery("status").out.startswith("dhub: 1 active tasks, 1 ready.")


def test_a_worker_with_nothing_to_do_leaves_after_its_idle_timeout(dhub: Callable, wait_until: Callable) -> None:
    hub = dhub()
    hub.dquery("create", "a")
    hub.dquery("hold", "a")
    worker = hub.kworker("--idle-timeout", "0.3s")
    _, err = worker.communicate(timeout=20)
    assert worker.returncode == 0, err
    assert hub.dquery("status").out.startswith("dhub: 1 active tasks, 0 ready.")


def test_a_worker_that_has_left_at_the_end_is_not_missed_when_dhub_ends(dhub: Callable) -> None:
    hub = dhub()
    hub.dquery("create", "echo q")
    worker = hub.kworker()
    worker.communicate(timeout=20)
    hub.process.send_signal(signal.SIGINT)
    out, err = hub.process.communicate(timeout=20)
    assert (hub.process.returncode, out, err) == (0, "", "")


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    line = process.stderr.readline()
    assert "listening on tcp://127.0.0.1:" in line, line
    return line.split("listening on ")[1].split()[0].rstrip(";")


def test_a_second_dhub_takes_another_port_and_keeps_it_when_it_is_started_again(start: Callable, run: Callable) -> None:
    one, other = start(*program("dhub")), start(*program("dhub"), "-f", "run.db")
    places = [_address(one), _address(other)]
    assert places[0] != places[1]
    other.kill()
    other.communicate(timeout=20)
    again = start(*program("dhub"), "-f", "run.db")
    assert _address(again) == places[1], "where its workers look for it"
    assert run(*program("dquery"), "-s", places[1], "create", "true").code == 0


def test_a_port_that_was_asked_for_and_is_in_use_is_an_error(dhub: Callable, run: Callable) -> None:
    port = dhub().server.rpartition(":")[2]
    ran = run(*program("dhub"), "-p", port)
    assert (ran.code, len(ran.own_err)) == (2, 1) and f":{port}: it is in use" in ran.err
