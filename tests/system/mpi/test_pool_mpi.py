"""The pool under a real mpirun: MPICH or Open MPI, whichever belongs to this Python."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.leftovers import is_gone

DIAMOND = """\
echo top >> log                      #DWORK name=top
echo left >> log; echo said left     #DWORK name=left after=top
echo right >> log; echo said right   #DWORK name=right after=top
echo bottom >> log                   #DWORK after=left,right
"""


@pytest.fixture
def pool(mpirun: list[str]) -> Callable[..., list[object]]:
    """The command line of a pool with so many ranks."""
    return lambda ranks, *words: [*mpirun, "-n", ranks, sys.executable, "-m", "dwork.pool", *words]


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_a_graph_runs_to_its_end_in_order(pool: Callable, run: Callable, tmp_path: Path, ranks: int) -> None:
    (tmp_path / "tasks.txt").write_text(DIAMOND)
    ran = run(*pool(ranks, "tasks.txt"))
    assert ran.code == 0, ran.err
    assert sorted(ran.out.splitlines()) == ["said left", "said right"]
    log = (tmp_path / "log").read_text().split()
    assert (log[0], sorted(log[1:3]), log[3]) == ("top", ["left", "right"], "bottom")
    assert ran.totals.startswith("dwork: 4 done, 0 failed, 0 skipped in ")


@pytest.mark.parametrize("slots", [1, 2])
def test_what_a_task_prints_is_kept_though_it_opens_its_streams_by_name(
    pool: Callable, run: Callable, tmp_path: Path, slots: int
) -> None:
    long = "seq -w 1 20000; seq -w 20001 40000 > /dev/stdout"
    (tmp_path / "tasks.txt").write_text(f"echo a >&2; echo b > /dev/stderr; echo c >&2\n{long}\n")
    ran = run(*pool(2, "--slots", slots, "-q", "tasks.txt"))
    assert ran.code == 0, ran.err
    assert "a\nb\nc\n" in ran.err
    assert ran.out == "".join(f"{i:05}\n" for i in range(1, 40001))


def test_all_ranks_but_the_first_work(pool: Callable, run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("".join(f"sleep 0.1; echo $DWORK_WORKER # {i}\n" for i in range(12)))
    ran = run(*pool(4, "tasks.txt"))
    assert {line.rpartition(":")[2] for line in ran.out.splitlines()} == {"1", "2", "3"}


def test_failures_are_marked_named_and_exit_1(pool: Callable, run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text(
        "echo some output; echo trouble >&2; exit 5   #DWORK name=bad\n"
        "echo never   #DWORK name=next after=bad\n"
        "echo fine\n"
    )
    ran = run(*pool(2, "tasks.txt"))
    assert ran.code == 1
    assert sorted(ran.out.splitlines()) == ["[bad: exit status 5] some output", "fine"]
    assert "[bad: exit status 5] trouble" in ran.err
    assert "dwork: failed: #0 bad: exit status 5: trouble" in ran.own_err
    assert "dwork: 1 task skipped, because bad did not succeed" in ran.own_err
    assert ran.totals.startswith("dwork: 1 done, 1 failed, 1 skipped in ")


def test_a_name_that_is_no_text_costs_its_task_and_no_worker(pool: Callable, run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_bytes(b"echo a #DWORK cwd=/no/such\xff\necho b\n")
    (tmp_path / "more.jsonl").write_text('{"command": ["/no/such\\udcff"]}\n')
    why = "cannot start /no/such\\xff: no such directory (exit status 126)"
    for before in "", "1 of 3 already done; 2 failed will be retried":
        ran = run(*pool(2, "--joblog", "log", "tasks.txt", "more.jsonl"))
        assert ran.code == 1, ran.err
        assert f"dwork: failed: #0 echo a: {why}" in ran.own_err
        assert "cannot start /no/such\\xff: No such file or directory" in ran.err
        assert before in ran.err and ran.totals.startswith("dwork: 1 done")
        assert ran.totals.partition(", ")[2].startswith("2 failed, 0 skipped in ")
    rows = [row.split("\t") for row in (tmp_path / "log").read_bytes().decode("utf-8", "surrogateescape").splitlines()]
    assert sorted({(row[0], row[6]) for row in rows[1:]}) == [("1", "126"), ("2", "0"), ("3", "127")]
    record = ("-f", "tasks.txt.db")
    dquery = (sys.executable, "-m", "dwork.dquery")
    assert why in run(*dquery, "failed", *record).out
    assert f"failed: {why}" in run(*dquery, "show", "#0", *record).out


@pytest.mark.parametrize("words", [["--nonsense"], ["no-such-file"], ["broken.txt"], []])
def test_a_mistake_is_one_line_and_exit_2_and_no_rank_hangs(
    pool: Callable, run: Callable, tmp_path: Path, words: list[str]
) -> None:
    (tmp_path / "broken.txt").write_text("echo a #DWORK nmae=b\n")
    ran = run(*pool(3, *words))
    assert (ran.code, ran.out, len(ran.own_err)) == (2, "", 1), ran.err
    assert "Traceback" not in ran.err


def test_help_is_printed_once(pool: Callable, run: Callable) -> None:
    ran = run(*pool(3, "--help"))
    assert (ran.code, ran.out.count("Usage:")) == (0, 1)


def test_long_output_is_grouped_and_whole(pool: Callable, run: Callable, tmp_path: Path) -> None:
    n = 400_000
    (tmp_path / "tasks.txt").write_text("".join(f"seq {i}000000 {i}{n:06}\n" for i in range(1, 5)))
    ran = run(*pool(3, "tasks.txt"))
    lines = ran.out.splitlines()
    assert len(lines) == 4 * (n + 1)
    first = [lines[i * (n + 1)] for i in range(4)]
    assert sorted(first) == [f"{i}000000" for i in range(1, 5)]
    for i, start in enumerate(first):
        assert lines[i * (n + 1) : (i + 1) * (n + 1)] == [str(k) for k in range(int(start), int(start) + n + 1)]


def test_keep_order_prints_in_the_order_of_the_file(pool: Callable, run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("sleep 0.3; echo 1\necho 2\nfalse\nsleep 0.1; echo 3\necho 4\n")
    ran = run(*pool(3, "--keep-order", "tasks.txt"))
    assert ran.out == "1\n2\n3\n4\n"


def test_a_task_can_add_tasks_to_the_running_pool(pool: Callable, run: Callable, tmp_path: Path) -> None:
    dquery = f"{sys.executable} -m dwork.dquery"
    (tmp_path / "tasks.txt").write_text(
        f"{dquery} create 'echo grown' && {dquery} create 'echo flower' 'echo grown'   #DWORK name=seed\n"
    )
    ran = run(*pool(2, "tasks.txt"))
    assert ran.code == 0, ran.err
    assert [line for line in ran.out.splitlines() if line in ("grown", "flower")] == ["grown", "flower"]


def test_no_bridge_opens_no_port_and_still_runs(pool: Callable, run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text('echo "<$DWORK_SERVER>"\n')
    ran = run(*pool(2, "--no-bridge", "tasks.txt"))
    assert (ran.code, ran.out) == (0, "<>\n")


def test_a_thousand_tasks_that_need_no_process_all_count(pool: Callable, run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("".join(f": {i}\n" for i in range(20_000)))
    ran = run(*pool(4, "tasks.txt"))
    assert ran.totals.startswith("dwork: 20,000 done, 0 failed"), ran.err


def test_halt_now_ends_what_runs(pool: Callable, run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("sleep 1000\nsleep 0.2; false\necho never #DWORK priority=-1\n")
    ran = run(*pool(3, "--halt", "now,fail=1", "tasks.txt"))
    assert (ran.code, ran.out) == (1, "")
    assert ran.totals.startswith("dwork: 0 done, 1 failed, 0 skipped, 1 cancelled, 1 not finished in ")


def test_ranks_wait_with_the_hub_for_the_record_of_an_earlier_run(
    pool: Callable, start: Callable, wait_until: Callable, tmp_path: Path
) -> None:
    (tmp_path / "tasks.txt").write_text("touch there; while [ ! -e go ]; do sleep 0.01; done\necho ran >> b\n")
    first = start(sys.executable, "-m", "dwork.pool", "--no-bridge", "--slots", 1, "tasks.txt")
    wait_until((tmp_path / "there").exists)
    second = start(*pool(3, "--bind", "127.0.0.1", "tasks.txt"), JOB_ID="4711", SGE_ROOT="/", RESTARTED="1")
    assert second.stderr is not None
    while "tasks.txt.db is in use by process" not in (line := second.stderr.readline()):
        assert line, "it did not wait"
    assert line.endswith(f" {first.pid}; waiting up to 300 s for it\n")
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=30)
    (tmp_path / "go").touch()
    _, err = second.communicate(timeout=40)
    assert (first.returncode, second.returncode) == (3, 0), err
    assert (tmp_path / "b").read_text() == "ran\n"


def test_the_wrong_mpirun_runs_nothing_and_says_so(run: Callable, tmp_path: Path) -> None:
    """As srun --mpi=none or another MPI's mpirun would start it: each process alone, the launcher says three."""
    (tmp_path / "tasks.txt").write_text("touch ran\n")
    ran = run(sys.executable, "-m", "dwork.pool", "tasks.txt", SLURM_STEP_NUM_TASKS="3", SLURM_PROCID="0")
    assert ran.code == 2
    assert len(ran.own_err) == 1 and "SLURM_STEP_NUM_TASKS=3" in ran.own_err[0] and "Nothing was run" in ran.own_err[0]
    silent = run(sys.executable, "-m", "dwork.pool", "tasks.txt", SLURM_STEP_NUM_TASKS="3", SLURM_PROCID="1")
    assert (silent.code, silent.own_err) == (0, [])  # else mpirun could end rank 0 before it has spoken
    assert not (tmp_path / "ran").exists()


def test_interrupts_at_rank_0_first_let_tasks_finish_then_end_them(
    pool: Callable, start: Callable, wait_until: Callable, tmp_path: Path
) -> None:
    (tmp_path / "tasks.txt").write_text("touch started; sleep 1000\nsleep 1000 # another\n")
    process = start(*pool(2, "--bind", "127.0.0.1", "tasks.txt"))
    wait_until((tmp_path / "started").exists)
    hub = _rank(process, "0")
    os.kill(hub, signal.SIGINT)
    assert process.stderr is not None
    lines = []
    while not lines or "no more tasks are started" not in lines[-1]:
        lines.append(process.stderr.readline())
    os.kill(hub, signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 3, err
    assert "0 done, 0 failed, 0 skipped, 2 not finished" in err


def _holds_signals(pid: int) -> bool:
    """Whether it lets SIGTERM wait: it has begun, and cannot act on it yet."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigBlk:")]
    return bool(int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2])
def test_a_signal_while_ranks_start_stops_the_pool_before_it_runs_anything(
    pool: Callable, start: Callable, wait_until: Callable, tmp_path: Path, number: signal.Signals
) -> None:
    (tmp_path / "tasks.txt").write_text("touch ran\n")
    process = start(*pool(3, "tasks.txt"))
    hubs: list[int] = []

    def begins() -> bool:
        with contextlib.suppress(AssertionError, OSError):
            hubs.append(_rank(process, "0"))
            return _holds_signals(hubs[-1])
        return False

    wait_until(begins)
    os.kill(hubs[-1], number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 3, err
    assert number.name in err and "Traceback" not in err
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP])
def test_a_signal_after_the_summary_changes_no_exit_code(
    pool: Callable, start: Callable, tmp_path: Path, number: signal.Signals
) -> None:
    (tmp_path / "tasks.txt").write_text("touch begun; sleep 1000\n")
    process = start(*pool(3, "--walltime", "2s", "--drain-before", "1s", "tasks.txt"))
    assert process.stderr is not None
    while "not finished" not in (line := process.stderr.readline()):
        assert line, "it ended without a summary"
    with contextlib.suppress(AssertionError, ProcessLookupError):  # it may have ended
        hub = _rank(process, "0")
        for _ in range(20):
            os.kill(hub, number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 3, err
    assert "Traceback" not in err


def test_no_task_outlives_ranks_that_were_killed(
    pool: Callable, start: Callable, wait_until: Callable, tmp_path: Path
) -> None:
    (tmp_path / "tasks.txt").write_text("echo $$ > task; exec sleep 1000\n")
    process = start(*pool(2, "tasks.txt"))
    task = tmp_path / "task"
    wait_until(lambda: task.exists() and task.read_text().endswith("\n"))
    for rank in [_rank(process, "0"), _rank(process, "1")]:
        with contextlib.suppress(ProcessLookupError):  # mpirun may be quicker, once one is dead
            os.kill(rank, signal.SIGKILL)
    pid = int(task.read_text())
    wait_until(lambda: is_gone(pid))
    process.communicate(timeout=30)


def _rank(mpirun: subprocess.Popen[str], rank: str) -> int:
    """The process of a rank: below mpirun, and told its rank by the environment."""
    below = {mpirun.pid}
    for entry in sorted(int(e) for e in os.listdir("/proc") if e.isdecimal()):
        try:
            parent = int(Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[1])
            if parent not in below:
                continue
            below.add(entry)
            variables = Path(f"/proc/{entry}/environ").read_bytes().split(b"\0")
            command = Path(f"/proc/{entry}/cmdline").read_bytes()
        except OSError:
            continue
        told = {f"PMI_RANK={rank}".encode(), f"OMPI_COMM_WORLD_RANK={rank}".encode()} & set(variables)
        if told and b"dwork.pool" in command:
            return entry
    raise AssertionError(f"no rank {rank} below {mpirun.pid}")


@pytest.fixture
def over_zmq(pool: Callable, run: Callable) -> Callable:
    """Run a pool whose three ranks talk over ZeroMQ, where MPI has no shared memory."""
    over_tcp = {"OMPI_MCA_btl": "self,tcp", "UCX_TLS": "tcp,self"}
    return lambda *words: run(*pool(3, "--transport", "zmq", *words, "tasks.txt"), **over_tcp)


def test_ranks_that_mpi_reaches_over_tcp_hear_that_they_are_to_talk_over_zeromq(
    over_zmq: Callable, tmp_path: Path
) -> None:
    """A connection comes about only as long as both sides look at MPI."""
    (tmp_path / "tasks.txt").write_text("true\n" * 4)
    ran = over_zmq()
    assert ran.code == 0, ran.err


def test_ranks_that_are_to_talk_over_zeromq_go_home_when_all_was_done_before(
    over_zmq: Callable, tmp_path: Path
) -> None:
    (tmp_path / "tasks.txt").write_text("true\n" * 4)
    assert over_zmq().code == 0
    ran = over_zmq()
    assert (ran.code, "nothing is left to do" in ran.err) == (0, True), ran.err


def test_ranks_that_talk_over_zeromq_go_home_when_a_task_asks_for_too_much(over_zmq: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("true #DWORK cores=9999\n")
    ran = over_zmq()
    assert (ran.code, "asks for 9,999 cores" in ran.own_err[-1]) == (2, True), ran.err


def test_a_rank_that_was_told_to_leave_is_not_dead_in_the_end(over_zmq: Callable, tmp_path: Path) -> None:
    dquery = f"{sys.executable} -m dwork.dquery"
    (tmp_path / "tasks.txt").write_text(
        f"other=':'$((3 - ${{DWORK_WORKER##*:}})); {dquery} stop-worker \"*$other\" > told || exit; "
        f'while {dquery} workers | grep -q "$other$"; do sleep 0.1; done\n'
    )
    ran = over_zmq()
    assert (ran.code, ran.out) == (0, ""), ran.err
    assert ran.totals.startswith("dwork: 1 done, 0 failed, 0 skipped in ")


def test_a_rank_that_comes_over_zeromq_when_all_is_done_is_not_dead(
    mpirun: list[str], run: Callable, tmp_path: Path
) -> None:
    (tmp_path / "tasks.txt").write_text("touch ran\n")
    (tmp_path / "late.py").write_text(
        "import os, sys\n"
        "from dwork.pool.__main__ import main\n"
        "from dwork.transport import mpi, zmq\n"
        "class Late(zmq.Dealer):\n"
        "    def __init__(self, *args, **more):\n"
        "        while not os.path.exists('ran'):\n"
        "            os.sched_yield()\n"
        "        super().__init__(*args, **more)\n"
        "if mpi.rank_hint() == 2:\n"
        "    zmq.Dealer = Late\n"
        "main()\n"
    )
    ran = run(*mpirun, "-n", 3, sys.executable, "late.py", "--transport", "zmq", "tasks.txt")
    assert ran.code == 0, ran.err


@pytest.mark.parametrize("way", ["auto", "bar"])
def test_mpirun_is_no_terminal_and_passes_on_a_bar_that_is_asked_for(
    pool: Callable, run: Callable, tmp_path: Path, way: str
) -> None:
    (tmp_path / "tasks.txt").write_text("sleep 0.5 # a\nsleep 0.5 # b\nsleep 0.5 # c\n")
    ran = run(*pool(2, "--no-record", "--progress", way, "tasks.txt"), TERM="xterm", COLUMNS="80")
    assert ran.code == 0, ran.err
    assert ("1/3  1 running" in ran.err, "\x1b" in ran.err) == ((True, True) if way == "bar" else (False, False))
    assert "dwork: 3 done, 0 failed, 0 skipped in " in ran.err


def test_a_rank_on_which_everything_fails_is_excluded_and_each_task_is_done(
    pool: Callable, run: Callable, tmp_path: Path
) -> None:
    line = "case $DWORK_WORKER in *:1) exit 127;; esac; sleep 0.1; echo {n} >> log\n"
    (tmp_path / "tasks.txt").write_text("".join(line.format(n=n) for n in range(40)))
    ran = run(*pool(4, "tasks.txt"))
    assert ran.code == 0, ran.err
    assert ran.totals.startswith("dwork: 40 done, 0 failed, 0 skipped in ")
    assert sorted(map(int, (tmp_path / "log").read_text().split())) == [*range(40)]
    (line,) = [line for line in ran.own_err if "is excluded" in line]
    assert ":1 is excluded: " in line and "to give it tasks again: dquery include-worker " in line


def test_a_worker_may_fail_everything_with_no_exclude(pool: Callable, run: Callable, tmp_path: Path) -> None:
    line = "case $DWORK_WORKER in *:1) exit 127;; esac; sleep 0.1 # {n}\n"
    (tmp_path / "tasks.txt").write_text("".join(line.format(n=n) for n in range(20)))
    ran = run(*pool(4, "--no-exclude", "tasks.txt"))
    assert ran.code == 1 and "is excluded" not in ran.err
