"""examples/cpp_worker does a worker's whole duty, for a dhub and for a pool."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dwork import Client
from dwork.core.shell import Shell
from tests.leftovers import is_gone
from tests.system.examples.conftest import connection
from tests.system.programs.conftest import program

#: Ends when there is a file `go`.
WAITS = "while [ ! -e go ]; do sleep 0.01; done"
#: Ends when so many tasks run.
MEETS = "touch here-{0}; while [ $(ls here-* | wc -l) -lt {1} ]; do sleep 0.01; done"


@pytest.fixture
def worker(cpp_worker: Path, start: Callable, wait_until: Callable, tmp_path: Path) -> Callable[..., subprocess.Popen]:
    """Start the worker for the only run that there is, or for the hub without keys at an address."""

    def begin(*words: object, at: str = "") -> subprocess.Popen[str]:
        where = ("--insecure", at) if at else ("--connection", connection(tmp_path, wait_until))
        return start(cpp_worker, *where, *words)

    return begin


def ending(process: subprocess.Popen[str], limit: float = 30) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=limit)
    return process.returncode, out, err


def states(hub: Client) -> dict[str, str]:
    return {row["name"]: row["state"] for row in hub.tasks()}


def output(hub: Client, name: str, stream: int) -> bytes:
    row = hub.task(name)
    assert row is not None
    return b"".join(hub.output(row, piece) for piece in row["output"] if piece["stream"] == stream)


def test_it_runs_a_graph_in_order_and_prints_what_the_hub_does_not_keep(
    dhub: Callable, client: Callable, worker: Callable
) -> None:
    dhub()
    hub = client()
    hub.create("first", "echo one; echo other >&2")
    hub.create("second", ["echo", "two"], after="first")
    assert ending(worker()) == (0, "one\ntwo\n", "other\n")
    assert states(hub) == {"first": "done", "second": "done"}


def test_it_works_for_a_hub_without_keys(dhub: Callable, client: Callable, worker: Callable) -> None:
    server = dhub("--insecure").server
    client(server).create("echo $DWORK_SERVER")
    assert ending(worker(at=server)) == (0, f"{server}\n", "")


def test_it_runs_as_many_tasks_at_once_as_it_has_slots(dhub: Callable, client: Callable, worker: Callable) -> None:
    dhub()
    hub = client()
    for i in range(3):
        hub.create(f"{i}", MEETS.format(i, 3))
    hub.create("large", "echo $OMP_NUM_THREADS", cores=3)
    hub.create("too large", cores=4)
    process = worker("--slots", 3)
    assert process.stdout is not None and process.stdout.readline() == "3\n"
    hub.cancel("too large")
    assert ending(process)[0] == 0
    assert states(hub) == {"0": "done", "1": "done", "2": "done", "large": "done", "too large": "cancelled"}


def test_how_tasks_end_and_what_they_print_reaches_the_hub(
    dhub: Callable, client: Callable, worker: Callable, tmp_path: Path
) -> None:
    dhub("-f", "run.db")
    hub = client()
    hub.create("fails", "echo why >&2; exit 7")
    hub.create("after", after="fails")
    hub.create("killed", "kill -KILL $$")
    hub.create("late", "sleep 100", timeout=0.2)
    hub.create("nowhere", "true", cwd="/no/such/place")
    hub.create("missing", ["no-such-program"])
    hub.create("placed", "pwd; echo $DWORK_TASK_NAME $K; cat", cwd=str(tmp_path), env={"K": "v"})
    hub.create("long", "seq 100000")
    assert ending(worker("--slots", 2)) == (0, "", "")
    rows = {row["name"]: row for row in hub.tasks()}
    assert {name: (row["state"], row["exit_status"], row["signal"]) for name, row in rows.items()} == {
        "fails": ("failed", 7, 0),
        "after": ("skipped", None, None),
        "killed": ("failed", 137, signal.SIGKILL),
        "late": ("failed", 143, signal.SIGTERM),
        "nowhere": ("failed", 126, 0),
        "missing": ("failed", 127, 0),
        "placed": ("done", 0, 0),
        "long": ("done", 0, 0),
    }
    assert rows["late"]["reason"] == "timed out after 0.2 s"
    assert output(hub, "fails", 2) == b"why\n"
    assert output(hub, "missing", 2) == b"cannot start no-such-program\n"
    assert output(hub, "placed", 1) == f"{tmp_path}\nplaced v\n".encode()
    assert output(hub, "long", 1) == "".join(f"{i}\n" for i in range(1, 100_001)).encode()
    told = hub.task("long")
    assert told is not None and told["attempts"][0]["max_rss"] > 0


def test_a_task_that_exits_with_0_without_its_files_has_failed(
    dhub: Callable, client: Callable, worker: Callable, tmp_path: Path
) -> None:
    (tmp_path / "d").mkdir()
    dhub()
    hub = client()
    hub.create("good", "touch out", cwd="d", creates=["out", str(tmp_path / "d")])
    hub.create("bad", "touch other", cwd="d", creates=["other", "no"], after="good")
    assert ending(worker())[0] == 0
    assert states(hub) == {"good": "done", "bad": "failed"}
    row = hub.task("bad")
    assert row is not None
    assert row["attempts"][0]["reason"] == "it exited with 0, but did not create no"
    assert (row["attempts"][0]["exit_status"], row["attempts"][0]["cause"]) == (73, "not created")


def test_of_more_output_than_the_hub_wants_the_rest_is_left_out(
    dhub: Callable, client: Callable, worker: Callable
) -> None:
    dhub("-f", "run.db", "--max-output", "300K")
    hub = client()
    hub.create("long", "head -c 400000 /dev/zero | tr '\\0' x")
    assert ending(worker())[0] == 0
    assert output(hub, "long", 1) == b"x" * (300 * 1024) + b"\n[92800 bytes are left out]\n"


def test_it_waits_while_nothing_is_ready(
    dhub: Callable, client: Callable, worker: Callable, wait_until: Callable
) -> None:
    dhub()
    hub = client()
    process = worker()
    wait_until(hub.workers)
    hub.create("echo at last")
    assert ending(process) == (0, "at last\n", "")


def test_a_task_of_it_finds_the_hub_and_adds_tasks(dhub: Callable, client: Callable, worker: Callable) -> None:
    dhub()
    client().create("seed", f"{' '.join(program('dquery'))} create leaf --command 'echo leaf'")
    code, out, _ = ending(worker())
    assert (code, out.splitlines()[-1]) == (0, "leaf")


def test_it_works_for_a_pool_beside_its_ranks(
    mpirun: list[str], start: Callable, worker: Callable, tmp_path: Path
) -> None:
    # The one worker rank has one slot: neither task ends before somebody else runs the other one.
    meet = "".join(MEETS.format(i, 2) + "; echo $DWORK_WORKER\n" for i in range(2))
    (tmp_path / "tasks.txt").write_text(meet + "exit 5 #DWORK name=bad\n")
    pool = start(*mpirun, "-n", 2, *program("pool"), "tasks.txt")
    process = worker()
    code, out, err = ending(pool, 60)
    assert code == 1, err
    assert len(set(out.split())) == 2 and f":{process.pid}\n" in out
    assert "bad failed: exit status 5" in err
    assert ending(process) == (0, "", "")


def test_what_it_had_runs_elsewhere_when_it_is_killed(
    dhub: Callable, client: Callable, worker: Callable, wait_until: Callable, tmp_path: Path
) -> None:
    dhub_process = dhub("--worker-timeout", "1s")
    hub = client()
    hub.create("held", f"echo $$ >> started; {WAITS}")
    hub.create("next", "true", after="held")
    process = worker()
    started = tmp_path / "started"
    wait_until(lambda: started.exists() and started.read_text().endswith("\n"))
    process.kill()
    other = dhub_process.kworker()
    wait_until(lambda: started.read_text().count("\n") == 2)
    first = Path("/proc", started.read_text().split()[0], "stat")
    wait_until(lambda: not first.exists() or ") Z " in first.read_text())
    (tmp_path / "go").touch()
    assert other.wait(timeout=20) == 0
    assert states(hub) == {"held": "done", "next": "done"}
    row = hub.task("held")
    assert row is not None and row["worker"].endswith(f":{other.pid}") and row["attempt"] == 2


def test_it_keeps_what_it_runs_while_the_hub_is_away(
    dhub: Callable, client: Callable, worker: Callable, wait_until: Callable, tmp_path: Path
) -> None:
    first = dhub("-f", "run.db")
    hub = client()
    hub.create("long", f"echo x >> started; {WAITS}; exit 3")
    hub.create("other", "true")
    process = worker()
    wait_until((tmp_path / "started").exists)
    first.process.kill()
    first.process.wait()
    (tmp_path / "go").touch()
    dhub("-f", "run.db", port=int(first.server.rpartition(":")[2]))
    assert ending(process, 60)[0] == 0
    assert {row["name"]: (row["state"], row["exit_status"]) for row in hub.tasks()} == {
        "long": ("failed", 3),
        "other": ("done", 0),
    }
    assert (tmp_path / "started").read_text() == "x\n"


def test_taken_for_lost_it_comes_back_with_what_it_runs(
    dhub: Callable, client: Callable, worker: Callable, wait_until: Callable, tmp_path: Path
) -> None:
    dhub("--worker-timeout", "1s")
    hub = client()
    hub.create("long", f"echo x >> started; {WAITS}")
    hub.create("ended", "touch second", after="long")
    process = worker("--slots", 2)
    wait_until((tmp_path / "started").exists)
    process.send_signal(signal.SIGSTOP)
    wait_until(lambda: not hub.workers())
    assert states(hub) == {"long": "ready", "ended": "waiting"}
    process.send_signal(signal.SIGCONT)
    wait_until(hub.workers)
    (tmp_path / "go").touch()
    assert ending(process)[0] == 0
    assert states(hub) == {"long": "done", "ended": "done"}
    assert (tmp_path / "started").read_text() == "x\n"


@pytest.mark.parametrize("teller", ["a signal", "the hub"])
def test_told_to_leave_it_finishes_what_runs_and_gives_back_the_rest(
    dhub: Callable, client: Callable, worker: Callable, wait_until: Callable, tmp_path: Path, teller: str
) -> None:
    dhub()
    hub = client()
    for i in range(3):
        hub.create(f"touch started-{i}; {WAITS}; echo {i}")
    process = worker()
    wait_until((tmp_path / "started-0").exists)
    if teller == "a signal":
        process.send_signal(signal.SIGTERM)
    else:
        hub.stop_workers(f"*:{process.pid}")
    wait_until(lambda: (hub.counts()["assigned"], hub.counts()["ready"]) == (1, 2))
    (tmp_path / "go").touch()
    assert ending(process) == (0, "0\n", "")
    wait_until(lambda: not hub.workers())
    assert list(states(hub).values()) == ["done", "ready", "ready"]


def test_told_twice_it_ends_what_runs_and_that_is_ready_again(
    dhub: Callable, client: Callable, worker: Callable, wait_until: Callable, tmp_path: Path
) -> None:
    dhub()
    hub = client()
    hub.create("held", "echo $$ > task; exec sleep 1000")
    process = worker()
    task = tmp_path / "task"
    wait_until(lambda: task.exists() and task.read_text().endswith("\n"))
    process.send_signal(signal.SIGINT)
    wait_until(lambda: process.poll() is not None or process.send_signal(signal.SIGTERM))
    assert ending(process)[0] == 0
    wait_until(lambda: is_gone(task.read_text().strip()))
    assert states(hub) == {"held": "ready"}


def test_what_is_cancelled_is_ended_or_not_started(
    dhub: Callable, client: Callable, worker: Callable, wait_until: Callable, tmp_path: Path
) -> None:
    dhub()
    hub = client()
    hub.create("long", "touch started; sleep 1000")
    hub.create("behind it", "touch never")
    process = worker()
    wait_until((tmp_path / "started").exists)
    hub.cancel("*")
    assert ending(process)[0] == 0
    assert states(hub) == {"long": "cancelled", "behind it": "cancelled"}
    assert not (tmp_path / "never").exists()


def test_a_mistake_is_one_line_that_says_what_to_do(run: Callable, cpp_worker: Path, tmp_path: Path) -> None:
    for words in ((), ("--slots", "0", "--insecure", "tcp://h:1"), ("--slots",), ("--port", "7")):
        ran: Any = run(cpp_worker, *words)
        assert (ran.code, ran.err.count("\n")) == (2, 1) and ran.err.startswith("usage: cpp_worker")
    (tmp_path / "empty.json").touch(mode=0o600)
    (tmp_path / "open.json").touch(mode=0o644)
    for name, says in (("none", "cannot be read"), ("empty", "is no connection file"), ("open", "others can get at")):
        ran = run(cpp_worker, "--connection", f"{name}.json")
        assert (ran.code, ran.err.count("\n")) == (1, 1) and says in ran.err


def test_a_line_runs_in_its_shell_after_its_setup_block(dhub: Callable, client: Callable, worker: Callable) -> None:
    dhub()
    hub = client()
    hub.create("line", "[[ -n $X ]] && echo $X", shell=Shell(("bash", "-u"), ("X=seven",)))
    hub.create("list", ["printenv", "X"], after="line", shell=Shell(("bash",), ("export X='a b'",)))
    hub.create("odd", ["printf", "%s-", "it's", "$X"], after="list", shell=Shell(("sh",), ("set -- true",)))
    hub.create("fails", "echo not this", after="odd", shell=Shell(("bash",), ("false", "true")))
    hub.create("ends", "echo not this", after="odd", shell=Shell(("bash",), ("exit 0",)))
    assert ending(worker())[1] == "seven\na b\nit's-$X-"
    assert states(hub) == {"line": "done", "list": "done", "odd": "done", "fails": "failed", "ends": "failed"}
