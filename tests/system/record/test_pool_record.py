"""Pools that keep a record: real runs on this machine, killed, changed, on full disks, and run again."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dwork.cli.program import click_main
from dwork.core import events
from dwork.core.errors import StoreError, UsageError
from dwork.output.joblog import HEADER
from dwork.pool.command import Given, command
from dwork.record.locks import InUse
from dwork.record.reading import Archive
from dwork.record.waiting import Wait
from tests.conftest import environment
from tests.desk import Desk, killed, look, named, task
from tests.needs import missing

POOL = [sys.executable, "-m", "dwork.pool", "--no-bridge"]
STATES = "SELECT name, state FROM tasks ORDER BY id"

#: Each appends a line to a file of its own, so it can be told how often it ran.
FIVE = """\
echo ran >> a; echo from a   #DWORK name=a
echo ran >> b                #DWORK name=b after=a
echo ran >> c; exit 3        #DWORK name=c
echo ran >> d                #DWORK name=d after=c
echo ran >> e; exit $(cat code)   #DWORK name=e
"""


class Kept:
    """A task file with its pool, and what became of it."""

    def __init__(self, path: Path, run: Callable) -> None:
        self.path = path
        self._run = run

    def write(self, text: str) -> None:
        (self.path / "tasks.txt").write_text(text)

    def pool(self, *words: object, code: int = 0, **more: Any) -> Any:
        ran = self._run(*POOL, *words, *(() if words[-1:] == ("-",) else ["tasks.txt"]), **more)
        assert ran.code == code, ran.err
        return ran

    def times(self) -> dict[str, int]:
        """How often each task ran."""
        return {p.name: p.read_text().count("ran\n") for p in sorted(self.path.iterdir()) if len(p.name) == 1}

    def ask(self, query: str) -> list[Any]:
        return look(self.path / "tasks.txt.db", query)

    def there(self) -> list[str]:
        return sorted(p.name for p in self.path.iterdir() if p.name.startswith("tasks.txt."))


@pytest.fixture
def kept(tmp_path: Path, run: Callable) -> Kept:
    return Kept(tmp_path, run)


@pytest.fixture(scope="module")
def five_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("five")
    (path / "tasks.txt").write_text(FIVE)
    (path / "code").write_text("4")
    ran = subprocess.run([*POOL, "-q", "tasks.txt"], cwd=path, env=environment(), capture_output=True)
    assert ran.returncode == 1, ran.stderr
    return path


@pytest.fixture
def five(kept: Kept, five_once: Path) -> Kept:
    """Five tasks that have run: two are done, two failed, one was skipped."""
    shutil.copytree(five_once, kept.path, dirs_exist_ok=True)
    return kept


# -- going on --------------------------------------------------------------------------------------------------------


def test_a_rerun_leaves_out_what_is_done_says_so_and_tries_the_rest(five: Kept) -> None:
    assert five.ask(STATES) == [("a", "done"), ("b", "done"), ("c", "failed"), ("d", "skipped"), ("e", "failed")]
    (five.path / "code").write_text("0")
    five.write(FIVE.replace("exit 3", "exit 0"))
    ran = five.pool()
    assert ran.own_err[0] == "dwork: 2 of 5 already done; 2 failed will be retried"
    assert ran.totals.startswith("dwork: 5 done (2 before), 0 failed, 0 skipped in")
    assert five.times() == {"a": 1, "b": 1, "c": 2, "d": 1, "e": 2}
    ran = five.pool()
    assert ran.own_err == [
        "dwork: 5 of 5 already done, according to tasks.txt.db: nothing is left to do (--fresh starts over)"
    ]
    assert five.times() == {"a": 1, "b": 1, "c": 2, "d": 1, "e": 2}
    assert five.ask("SELECT count(*), count(ended), min(outcome) FROM runs") == [(3, 3, "all tasks were already done")]


def test_a_changed_command_runs_again_with_what_follows_and_lines_may_come_and_go(five: Kept) -> None:
    five.write(FIVE.replace("echo from a", "echo from another a").replace("exit $(cat code)", "exit 0"))
    assert "dwork: 0 of 5 already done; 2 failed will be retried" in five.pool(code=1).own_err
    assert five.times() == {"a": 2, "b": 2, "c": 2, "e": 2}
    five.write("echo ran >> n #DWORK name=n after=b\n" + "".join(FIVE.splitlines(keepends=True)[:2]))
    five.pool()
    assert five.times() == {"a": 3, "b": 3, "c": 2, "e": 2, "n": 1}
    assert five.ask("SELECT name, removed IS NULL FROM tasks") == [
        ("a", 1), ("b", 1), ("c", 0), ("d", 0), ("e", 0), ("n", 1),
    ]  # fmt: skip


def test_a_task_that_is_added_while_the_pool_runs_gets_a_number_that_no_line_ever_had(kept: Kept) -> None:
    seed = f"{sys.executable} -m dwork.dquery create 'echo ran >> x' #DWORK name=seed\n"
    desk = Desk(kept.path / "tasks.txt.db")
    desk.resume(task("seed"), task("true 1"), task("true 2"))
    desk.close()
    kept.write(seed)
    ran = kept._run(sys.executable, "-m", "dwork.pool", "tasks.txt")
    assert ran.code == 0, ran.err
    assert kept.times() == {"x": 1}
    assert kept.ask("SELECT id, name, removed IS NULL, origin IS NULL FROM tasks") == [
        (0, "seed", 1, 1),
        (1, "true 1", 0, 1),
        (2, "true 2", 0, 1),
        (3, "echo ran >> x", 1, 0),
    ]
    assert kept.pool().own_err[0].startswith("dwork: 2 of 2 already done, according to tasks.txt.db: nothing is left")


def test_a_file_that_makes_a_circle_with_the_record_is_a_mistake_in_one_line(kept: Kept) -> None:
    desk = Desk(kept.path / "tasks.txt.db")
    desk.resume(task("a"), task("b"))
    desk.hear(events.Extended(1.0, named(1, "b"), ("a",)))
    desk.close()
    kept.write("true #DWORK name=a after=b\ntrue #DWORK name=b\n")
    ran = kept.pool(code=2)
    assert len(ran.own_err) == 1 and "these tasks would wait for one another: " in ran.err


def test_without_its_record_all_runs_again_though_a_log_was_left(five: Kept) -> None:
    (five.path / "tasks.txt.db").unlink()
    (five.path / "tasks.txt.db-wal").write_bytes(b"left by a pool that was killed" * 1000)
    ran = five.pool(code=1)
    assert "before" not in ran.err
    assert five.times() == {"a": 2, "b": 2, "c": 2, "e": 2}


# -- options ---------------------------------------------------------------------------------------------------------


def test_fresh_starts_over_and_keeps_the_earlier_record_and_logs(five: Kept) -> None:
    before = (five.path / "tasks.txt.db").read_bytes()
    ran = five.pool("--fresh", code=1)
    assert "before" not in ran.err
    assert five.times() == {"a": 2, "b": 2, "c": 2, "e": 2}
    assert five.there() == ["tasks.txt.db", "tasks.txt.db.1", "tasks.txt.logs", "tasks.txt.logs.1"]
    assert five.ask("SELECT count(*) FROM runs") == [1]
    assert (five.path / "tasks.txt.db.1").read_bytes() == before
    assert [len(os.listdir(five.path / logs)) for logs in ("tasks.txt.logs", "tasks.txt.logs.1")] == [1, 1]


def test_a_damaged_record_is_told_and_fresh_sets_it_aside(kept: Kept) -> None:
    kept.write("echo text\n")
    (kept.path / "tasks.txt.db").write_bytes(b"nonsense" * 1000)
    ran = kept.pool(code=2)
    assert len(ran.own_err) == 1
    assert "tasks.txt.db is damaged or not a record (file is not a database); move it away, or start over" in ran.err
    kept.pool("--fresh", "--no-logs")
    assert (kept.path / "tasks.txt.db.1").read_bytes() == b"nonsense" * 1000
    assert kept.ask(STATES) == [("echo text", "done")]
    assert kept.ask("SELECT count(*) FROM output") == [0]
    assert kept.there() == ["tasks.txt.db", "tasks.txt.db.1"]


def test_no_record_leaves_nothing_behind_and_standard_input_has_none(kept: Kept) -> None:
    kept.write("echo ran >> a\n")
    kept.pool("--no-record")
    kept.pool("-", stdin="echo ran >> a\n")
    assert kept.times() == {"a": 2}
    assert sorted(p.name for p in kept.path.iterdir()) == ["a", "tasks.txt"]


def test_record_and_logs_are_where_they_are_wanted(kept: Kept) -> None:
    kept.write("echo ran >> a; echo text\n")
    kept.pool("-f", "sub.db", "-", stdin="echo ran >> a; echo text\n")
    kept.pool("-f", "sub.db", "--logs", "elsewhere/logs", "--fresh")
    assert sorted(p.name for p in kept.path.iterdir()) == [
        "a", "elsewhere", "sub.db", "sub.db.1", "sub.logs", "tasks.txt",
    ]  # fmt: skip
    with Archive(str(kept.path / "sub.db")) as archive:
        row = archive.task("#0")
        assert row is not None and row["output"][0]["file"].startswith("elsewhere/logs/")
        assert archive.output(row, row["output"][0]) == b"text\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["-f", "x.db", "--no-record"], "-f and --no-record contradict each other"),
        (["--logs", "x", "--no-record"], "--logs and --no-record contradict each other"),
        (["--logs", "x", "--no-logs"], "--logs and --no-logs contradict each other"),
        (["--fresh", "--no-record"], "--fresh needs a record, but this run keeps none"),
        (
            ["-f", "no/such/x.db"],
            "no/such/x.db cannot be opened for writing: No such file or directory; choose another",
        ),
        (["-f", "."], ". cannot be opened for writing: Is a directory; choose another file with -f"),
        (["--joblog", "no/such/x"], "--joblog no/such/x cannot be written: No such file or directory"),
        (["--joblog", "/dev/full"], "--joblog /dev/full cannot be written: No space left on device"),
        (["--logs", "tasks.txt"], "cannot create log files in tasks.txt; choose another directory with --logs"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_runs(
    kept: Kept,
    words: list[str],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    kept.write("touch ran\n")
    monkeypatch.chdir(kept.path)
    monkeypatch.setattr("sys.argv", ["dwork", "--no-bridge", *words, "tasks.txt"])
    given = Given(None, None)
    assert click_main("dwork", command, given) == 2
    given.relay.close()
    _, err = capfd.readouterr()
    assert len(err.splitlines()) == 1 and says in err
    assert not (kept.path / "ran").exists()


# -- the joblog ------------------------------------------------------------------------------------------------------

JOBS = "true\nexit 3\nkill -9 $$\necho out; echo error >&2\nkill -15 $$\nseq 200000\n"


def joblog(path: Path) -> list[list[str]]:
    lines = path.read_text().split("\n")
    assert lines[0] + "\n" == HEADER and lines[-1] == ""
    return [line.split("\t") for line in lines[1:-1]]


def test_a_joblog_is_as_gnu_parallel_s_and_is_added_to(kept: Kept) -> None:
    kept.write(JOBS)
    kept.pool("--joblog", "ours", "-q", code=1)
    ours = sorted(joblog(kept.path / "ours"))
    assert [row[0] for row in ours] == list("123456")
    assert [row[6:] for row in ours] == [
        ["0", "0", "true"],
        ["3", "0", "exit 3"],
        ["0", "9", "kill -9 $$"],
        ["0", "0", "echo out; echo error >&2"],
        ["0", "15", "kill -15 $$"],
        ["0", "0", "seq 200000"],
    ]
    assert [row[4:6] for row in ours] == [["0", str(n)] for n in (0, 0, 0, 4, 0, 1288895)]
    kept.pool("--joblog", "ours", "-q", code=1)
    assert sorted(row[0] for row in joblog(kept.path / "ours")) == sorted("123456235")

    if shutil.which("parallel") is None:
        missing("parallel")
    command = ["parallel", "--joblog", "theirs", "-a", "tasks.txt"]
    subprocess.run(command, cwd=kept.path, capture_output=True, env={**os.environ, "PARALLEL_HOME": str(kept.path)})
    for mine, its in zip(ours, sorted(joblog(kept.path / "theirs")), strict=True):
        for column in (0, 4, 5, 6, 7, 8):
            assert mine[column] == its[column], HEADER.split("\t")[column]
        for column in (2, 3):
            assert len(mine[column].partition(".")[2]) == len(its[column].partition(".")[2]) == 3
            assert len(mine[3]) == len(its[3])


def test_a_joblog_may_go_into_a_pipe(kept: Kept) -> None:
    kept.write("echo a\n")
    command = f"{' '.join(POOL)} -q --joblog /dev/fd/3 tasks.txt 3>&1 >/dev/null | cat"
    assert kept._run("sh", "-c", command).out.startswith(HEADER)


def test_a_newline_in_a_command_is_nul_in_a_joblog_which_may_be_standard_output(kept: Kept) -> None:
    (kept.path / "tasks.jsonl").write_text('{"command": "true\\ntrue"}\n')
    ran = kept._run(*POOL, "--joblog", "-", "tasks.jsonl")
    assert ran.out.startswith(HEADER) and ran.out.endswith("\t0\t0\t0\t0\ttrue\0true\n")


# -- what goes wrong -------------------------------------------------------------------------------------------------


def test_a_pool_that_was_killed_with_all_its_processes_goes_on(
    kept: Kept, start: Callable, wait_until: Callable, kill_all: Callable
) -> None:
    """Ten tasks are done, others wait for a file: their pool is killed, and what its record calls done has run once."""
    waits = "while [ ! -e go ]; do sleep 0.01; done"
    quick = "".join(f"echo ran >> {name} #DWORK name={name}\n" for name in "abcdefghij")
    kept.write(
        quick + f"touch there; {waits}; echo ran >> k #DWORK name=k after=[a-j]\necho ran >> l #DWORK name=l after=k\n"
    )
    process = start(*POOL, "tasks.txt")
    wait_until((kept.path / "there").exists)
    kill_all(process)
    with Archive(str(killed(kept.path / "tasks.txt.db", kept.path / "copy.db"))) as archive:
        assert archive.counts() == {"done": 10, "waiting": 2}
    (kept.path / "go").touch()
    ran = kept.pool()
    assert ran.own_err[0] == "dwork: 10 of 12 already done; 1 lost will be retried last"
    assert kept.times() == dict.fromkeys("abcdefghijkl", 1)
    assert kept.ask("SELECT task, attempt, outcome, reason FROM attempts WHERE task = 10") == [
        (10, 1, "lost", "the pool ended while it ran"),
        (10, 2, "done", None),
    ]


@pytest.mark.parametrize(("words", "then"), [([], "1 of 1 already done"), (["--fresh"], "1 task on")])
def test_a_pool_waits_for_the_record_of_one_that_runs(
    kept: Kept, start: Callable, wait_until: Callable, words: list[str], then: str
) -> None:
    kept.write("touch there; while [ ! -e go ]; do sleep 0.01; done\n")
    process = start(*POOL, "tasks.txt")
    wait_until((kept.path / "there").exists)
    second = start(*POOL, *words, "tasks.txt")
    assert second.stderr is not None
    waits = f"dwork: tasks.txt.db is in use by process {process.pid}; waiting up to 30 s for it\n"
    assert second.stderr.readline() == waits
    with pytest.raises(sqlite3.OperationalError, match="database is locked"):
        kept.ask("SELECT 1 FROM tasks")
    (kept.path / "go").touch()
    for pool in (process, second):
        _, err = pool.communicate(timeout=20)
        assert pool.returncode == 0, err
    assert err.startswith(f"dwork: {then}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_wait_for_a_record(
    kept: Kept, start: Callable, wait_until: Callable, number: signal.Signals
) -> None:
    kept.write("touch there; while [ ! -e go ]; do sleep 0.01; done\n")
    process = start(*POOL, "tasks.txt")
    wait_until((kept.path / "there").exists)
    second = start(*POOL, "tasks.txt", SLURM_JOB_ID="4711", SLURM_RESTART_COUNT="1")
    assert second.stderr is not None and "; waiting up to 300 s for it" in second.stderr.readline()
    second.send_signal(number)
    _, err = second.communicate(timeout=20)
    told = (
        f"dwork: tasks.txt.db is in use by process {process.pid}, and a signal ended the wait; "
        "run the same command again to continue\n"
    )
    assert (second.returncode, err) == (3, told)


def test_somebody_who_looks_all_the_time_keeps_no_pool_from_starting(kept: Kept, start: Callable) -> None:
    kept.write("touch ran\n")
    kept.pool()
    look = f"{sys.executable} -m dwork.dquery list -f tasks.txt.db"
    lookers = [start("sh", "-c", f"while [ -e tasks.txt ]; do {look} > /dev/null 2>&1; done") for _ in range(2)]
    for _ in range(5):
        kept.pool("--fresh")
    kept.path.joinpath("tasks.txt").unlink()
    for looker in lookers:
        looker.communicate(timeout=20)


@pytest.mark.parametrize(
    ("restarted", "error", "says"),
    [
        (False, UsageError, "x is in use; wait for it, or choose another file with -f"),
        (
            True,
            StoreError,
            "x is in use; wait for it, or choose another file with -f "
            "(waited for 0.2 s; run the same command again to continue)",
        ),
    ],
)
def test_who_has_waited_in_vain_is_to_come_again_when_the_batch_system_has_restarted_it(
    restarted: bool, error: type[Exception], says: str
) -> None:
    said: list[str] = []
    naps: list[float] = []
    wait = Wait(lambda seconds: bool(time.sleep(seconds) or naps.append(seconds)), said.append, 0.2, restarted)
    with pytest.raises(error) as raised:
        while True:
            wait(InUse("x is in use; wait for it, or choose another file with -f"))
    assert (str(raised.value), said) == (says, []) and naps


def test_a_full_disk_stops_the_pool_in_one_line_and_later_it_goes_on(
    small_disk: Callable, run: Callable, tmp_path: Path
) -> None:
    disk = small_disk("1M")
    kept = Kept(disk.path, run)
    (disk.path / "filler").touch()
    modules = "import sys; from pathlib import Path; from tests.system.record.conftest import Disk"
    fill = f"{modules}; Disk(Path(sys.argv[1])).fill()"
    (tmp_path / "fill.py").write_text(fill)
    first = f"echo ran >> a; {sys.executable} {tmp_path}/fill.py {disk.path} #DWORK name=a\n"
    kept.write(first + "".join(f"true {i} #DWORK after=a\n" for i in range(50)))
    environment = {"PWD": str(disk.path)}
    ran = run("sh", "-c", f"cd {disk.path} && exec {' '.join(POOL)} tasks.txt", **environment)
    assert ran.code == 3, ran.err
    errors = [line for line in ran.own_err if "cannot be written" in line]
    assert errors == [
        "dwork: tasks.txt.db cannot be written: the disk is full; fix that, then run the same command again to continue"
    ]
    assert "Traceback" not in ran.err
    disk.free()
    (tmp_path / "fill.py").write_text("")
    ran = run("sh", "-c", f"cd {disk.path} && exec {' '.join(POOL)} tasks.txt", **environment)
    assert ran.code == 0, ran.err
    assert "51 done" in ran.totals


def test_a_read_only_directory_is_told_with_advice(kept: Kept, read_only: Callable) -> None:
    place = kept.path / "place"
    place.mkdir()
    (place / "tasks.txt").write_text(f"echo ran >> {kept.path}/a\n")
    read_only(place)
    ran = kept._run(*POOL, "place/tasks.txt")
    assert (ran.code, len(ran.own_err)) == (2, 1)
    assert "place/tasks.txt.db cannot be opened for writing: " in ran.err
    assert "choose another file with -f, or none with --no-record" in ran.err
    assert kept._run(*POOL, "-f", "run.db", "place/tasks.txt").code == 0
    assert kept.times() == {"a": 1}


# -- other programs --------------------------------------------------------------------------------------------------


def test_sqlite_s_own_shell_reads_the_tables(five: Kept) -> None:
    if shutil.which("sqlite3") is None:
        missing("sqlite3")
    ran = five._run("sqlite3", "tasks.txt.db", "SELECT name, state, reason FROM tasks ORDER BY id")
    assert ran.out.splitlines()[1:4] == ["b|done|", "c|failed|exit status 3", "d|skipped|after c"]


def test_pandas_reads_the_tables(five: Kept) -> None:
    try:
        import pandas
    except ImportError:
        missing("pandas")
    connection = sqlite3.connect(five.path / "tasks.txt.db")
    query = "SELECT name, outcome, ended - started AS seconds, max_rss FROM attempts JOIN tasks ON id = task"
    frame = pandas.read_sql(query, connection)
    connection.close()
    assert list(frame["outcome"]) == ["done", "done", "failed", "failed"]
    assert (frame["seconds"] > 0).all() and not (frame["max_rss"] <= 0).any()
