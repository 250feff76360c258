"""The pool without mpirun, with a worker process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.leftovers import is_gone

POOL = [sys.executable, "-m", "dwork.pool"]


def test_it_runs_on_this_machine(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("echo a #DWORK name=a\necho b #DWORK after=a\n")
    ran = run(*POOL, "tasks.txt")
    assert (ran.code, ran.out) == (0, "a\nb\n"), ran.err
    assert "cores of this machine" in ran.own_err[0]


def test_what_is_printed_by_way_of_dev_stderr_comes_behind_what_was_there(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("echo a >&2; echo b > /dev/stderr; echo c >&2\n")
    ran = run(*POOL, "-q", "tasks.txt")
    assert (ran.code, ran.err) == (0, "a\nb\nc\n")


def test_a_daemon_that_a_task_leaves_behind_does_not_speak_in_the_output_of_others(
    run: Callable, tmp_path: Path
) -> None:
    """In a session of its own, so that nothing of the task's is left to be seen."""
    daemon = "setsid --fork sh -c 'touch up; while [ ! -e go ]; do sleep 0.01; done; echo late; touch said'"
    waits = "while [ ! -e said ]; do sleep 0.01; done"
    (tmp_path / "tasks.txt").write_text(
        f"{daemon}; while [ ! -e up ]; do sleep 0.01; done   #DWORK name=daemon\n"
        f"touch go; {waits}; echo mine   #DWORK after=daemon\n"
    )
    ran = run(*POOL, "--slots", 1, "tasks.txt")
    assert (ran.code, ran.out) == (0, "mine\n"), ran.err


def test_large_output_of_a_task_is_in_the_memory_of_no_process(run: Callable, tmp_path: Path) -> None:
    """Linux reports the most memory that a process or any of its children had. Some output waits in sockets."""
    size = 250_000_000
    (tmp_path / "tasks.txt").write_text(f"head -c {size} /dev/zero\n")
    peak = (
        "import os, resource, subprocess, sys\nprint(subprocess.run(sys.argv[1:], stdout=open('out', 'wb')).returncode)"
    )
    peak += "\nprint(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    ran = run(sys.executable, "-c", peak, *POOL, "-q", "--max-output", "0", "tasks.txt")
    code, kib = map(int, ran.out.split())
    assert (code, (tmp_path / "out").stat().st_size) == (0, size)
    assert kib < 150_000


def test_it_names_tasks_that_leave_processes_behind_and_ends_these(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "leave.sh").write_text("sleep 100 & echo $! >pid\n")
    (tmp_path / "tasks.txt").write_text("sh leave.sh #DWORK name=leaver\n")
    for how, code, rest in (
        ("keep", 0, ""),
        ("end", 0, ""),
        ("fail", 1, "it left 1 process in the background, which dwork ended"),
    ):
        ran = run(*POOL, "--fresh", "--leftovers", how, "tasks.txt")
        assert ran.code == code
        assert "dwork: 1 task left processes behind, which were ended: #0 leaver" in ran.own_err
        assert rest in ran.err
        assert is_gone((tmp_path / "pid").read_text().strip())
        shown = run(sys.executable, "-m", "dwork.dquery", "show", "leaver", "-f", "tasks.txt.db").out
        assert ("left 1 process behind" in shown) == (how != "fail")
        row = run(sys.executable, "-m", "dwork.dquery", "show", "leaver", "--json", "-f", "tasks.txt.db").out
        assert json.loads(row)["attempts"][-1]["left_behind"] == 1


def test_it_uses_all_its_cores(run: Callable, tmp_path: Path) -> None:
    cores = len(os.sched_getaffinity(0))
    waits = f"; while [ $(ls here-* | wc -l) -lt {cores} ]; do sleep 0.01; done\n"
    (tmp_path / "tasks.txt").write_text("".join(f"touch here-{i}{waits}" for i in range(cores)))
    assert run(*POOL, "tasks.txt").code == 0


def test_files_of_all_formats_and_standard_input_make_one_graph(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("echo lines #DWORK name=lines")
    (tmp_path / "b.csv").write_text("echo csv,lines\n")
    (tmp_path / "c.jsonl").write_text('{"command": ["echo", "jsonl"], "after": ["echo csv"], "name": "j"}\n')
    (tmp_path / "d.dag").write_text("TASK d echo dag\n")
    ran = run(*POOL, "a.txt", "b.csv", "c.jsonl", "d.dag", "-", stdin="echo stdin #DWORK after=j,d\n")
    assert ran.code == 0, ran.err
    assert sorted(ran.out.split()) == ["csv", "dag", "jsonl", "lines", "stdin"]
    assert ran.out.split()[-1] == "stdin"


def test_a_rescue_file_beside_a_dag_is_honoured(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "d.dag").write_text("TASK a echo a\nTASK b echo b\nEDGE a b\n")
    (tmp_path / "d.dag.rescue").write_text("\nDONE a")
    ran = run(*POOL, "d.dag")
    assert (ran.code, ran.out) == (0, "b\n")
    assert "d.dag.rescue: 1 task already done" in ran.own_err[0]
    (tmp_path / "d.dag.rescue").write_text("DONE a\nDONE c\n")
    ran = run(*POOL, "d.dag")
    assert (ran.code, ran.out) == (2, "")
    (line,) = ran.own_err
    assert line.startswith('dwork: d.dag.rescue:2: no TASK "c" in the dag; delete this line')


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ([], 2, "Missing argument"),
        (["--no-such"], 2, "No such option"),
        (["no-such-file"], 2, "no-such-file: cannot be read: No such file"),
        (["."], 2, ".: cannot be read: Is a directory"),
        (["no\nsuch"], 2, "no\\nsuch: cannot be read"),
        (["broken.txt"], 2, "broken.txt:2:"),
        (["cycle.txt"], 2, "a -> b -> a"),
        (["binary"], 2, "binary:1: this line contains a NUL byte"),
        (["unknown.txt"], 2, "unknown.txt:1:"),
        (["--retries", "-1", "tasks.txt"], 2, "--retries"),
        (["--retries", "x", "tasks.txt"], 2, "--retries"),
        (["--timeout", "soon", "tasks.txt"], 2, "--timeout"),
        (["--timeout", "0", "tasks.txt"], 2, "--timeout"),
        (["--halt", "now", "tasks.txt"], 2, "soon,fail=3"),
        (["--halt", "soon,fail=0", "tasks.txt"], 2, "soon,fail=3"),
        (["--halt", "now,fail=200%", "tasks.txt"], 2, "soon,fail=3"),
        (["--format", "xml", "tasks.txt"], 2, "--format"),
        (["--port", "70000", "tasks.txt"], 2, "--port"),
        (["--port", "7000", "--no-bridge", "tasks.txt"], 2, "contradict"),
        (["--bind", "203.0.113.1", "tasks.txt"], 2, "cannot listen on tcp://203.0.113.1"),
        (["--bind", "not an address", "tasks.txt"], 2, "cannot listen on"),
        (["--unknown-pred", "maybe", "tasks.txt"], 2, "--unknown-pred"),
        (["long.txt"], 2, "131071"),
    ],
)
def test_a_mistake_is_one_line_with_what_to_do_and_nothing_runs(
    run: Callable, tmp_path: Path, words: list[str], code: int, says: str
) -> None:
    (tmp_path / "tasks.txt").write_text("touch ran\n")
    (tmp_path / "broken.txt").write_text("touch ran\nls #DWORK nmae=x\n")
    (tmp_path / "cycle.txt").write_text("touch ran #DWORK name=a after=b\ntouch ran #DWORK name=b after=a\n")
    (tmp_path / "unknown.txt").write_text("touch ran #DWORK after=nobody\n")
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    (tmp_path / "long.txt").write_text("echo " + "x" * 1_000_000)
    ran = run(*POOL, *words)
    assert (ran.code, ran.out) == (code, "")
    assert says in ran.err
    assert ran.err.count("\n") == 1 and ran.err.startswith("dwork: ")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", ["", "\n\n# only comments\n", "\ufeff"])
def test_an_empty_file_is_nothing_to_do(run: Callable, tmp_path: Path, content: str) -> None:
    (tmp_path / "tasks.txt").write_text(content)
    ran = run(*POOL, "tasks.txt")
    assert (ran.code, ran.out, ran.own_err[-1]) == (0, "", "dwork: there is nothing to do")
    assert ran.own_err[0].startswith("dwork: tasks.txt:1: this file has no tasks") and len(ran.own_err) == 2


def test_quiet_prints_what_tasks_print_and_nothing_else(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("echo a\n")
    ran = run(*POOL, "--quiet", "tasks.txt")
    assert (ran.code, ran.out, ran.err) == (0, "a\n", "")


def test_a_taken_port_is_avoided_unless_it_was_asked_for(run: Callable, tmp_path: Path) -> None:
    import socket

    (tmp_path / "tasks.txt").write_text("true\n")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ran = run(*POOL, "--port", taken.getsockname()[1], "tasks.txt")
        assert ran.code == 2
        assert "it is in use; choose another port with -p or --port" in ran.err
    with socket.socket() as usual:
        usual.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):  # somebody else has it: as well
            usual.bind(("127.0.0.1", 6125))
            usual.listen()
        ran = run(*POOL, "tasks.txt")
        assert ran.code == 0, ran.err


def test_retries_try_again_and_the_attempt_is_known(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("echo attempt $DWORK_ATTEMPT; [ $DWORK_ATTEMPT = 3 ] #DWORK name=third\n")
    ran = run(*POOL, "--retries", 2, "tasks.txt")
    assert ran.code == 0
    assert ran.out.splitlines() == [
        "[third: exit status 1] attempt 1",
        "[third: exit status 1] attempt 2",
        "attempt 3",
    ]


def test_a_task_that_takes_too_long_has_failed(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("sleep 1000 #DWORK timeout=0.2s\n")
    ran = run(*POOL, "tasks.txt")
    assert ran.code == 1
    assert "dwork: failed: #0 sleep 1000: timed out after 0.2 s" in ran.own_err


def test_a_second_signal_ends_what_runs_and_exits_3(start: Callable, wait_until: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("echo $$ > task; exec sleep 1000\n" + "sleep 1000\n" * 5)
    process = start(*POOL, "tasks.txt")
    task = tmp_path / "task"
    wait_until(lambda: task.exists() and task.read_text().endswith("\n"))
    process.send_signal(signal.SIGINT)
    seen = []
    while not seen or "no more tasks are started" not in seen[-1]:
        seen.append(process.stderr.readline())
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=30)
    assert process.returncode == 3
    assert is_gone(task.read_text().strip())


def test_one_interrupt_lets_what_runs_finish(start: Callable, wait_until: Callable, tmp_path: Path) -> None:
    cores = len(os.sched_getaffinity(0))
    wait = "while [ ! -e go ]; do sleep 0.01; done; echo finished"
    (tmp_path / "tasks.txt").write_text("".join(f"touch on-{i}; {wait} # {i}\n" for i in range(cores + 3)))
    process = start(*POOL, "tasks.txt")
    wait_until(lambda: all((tmp_path / f"on-{i}").exists() for i in range(cores)))
    process.send_signal(signal.SIGINT)
    seen = []
    while not seen or "no more tasks are started" not in seen[-1]:
        seen.append(process.stderr.readline())
    (tmp_path / "go").touch()
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out.count("finished")) == (3, cores), err


def test_a_pool_whose_worker_is_killed_stops_and_says_so(start: Callable, wait_until: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("echo $DWORK_WORKER > worker; sleep 1000\n")
    process = start(*POOL, "tasks.txt")
    worker = tmp_path / "worker"
    wait_until(lambda: worker.exists() and worker.read_text().endswith("\n"))
    os.kill(int(worker.read_text().rpartition(":")[2]), signal.SIGKILL)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 3
    assert "the worker process was ended by SIGKILL" in err


def test_output_that_cannot_be_written_stops_the_pool_with_a_reason(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("".join(f"echo {i}; sleep 0.05\n" for i in range(100)))
    ran = run("sh", "-c", f"{' '.join(POOL)} tasks.txt > /dev/full")
    assert ran.code == 3
    assert "the output of tasks cannot be written: No space left on device" in ran.err
    assert "Traceback" not in ran.err


def test_every_program_says_its_version_and_helps(run: Callable) -> None:
    for name in ("pool", "dhub", "kworker", "dquery"):
        ran = run(sys.executable, "-m", f"dwork.{name}", "--help")
        assert ran.code == 0 and "Usage:" in ran.out and "Examples:" in ran.out, name
        assert run(sys.executable, "-m", f"dwork.{name}", "--version").out.strip().endswith("0.1.0")
