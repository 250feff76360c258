"""Bad input, bad hubs, bad pipes: one line, the right exit status, never a traceback."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from dwork.core.messages import Answer
from dwork.record.run import this_run
from dwork.record.store import Store
from dwork.transport.wire import encode

LOOK = [["list"], ["status"], ["failed"], ["rest"], ["show", "a"], ["why", "a"], ["log", "a"]]
#: What needs a record.
DRAW = [["graph"], ["trace"], ["report"], ["report", "--json"]]

USAGE = [
    [],
    ["bogus"],
    ["help", "bogus"],
    ["-h", "bogus"],
    ["help", "status", "more"],
    ["--bogus", "status"],
    ["-s"],
    ["-s", "status"],
    ["-s", "http://localhost", "status"],
    ["-s", "host:0", "status"],
    ["-s", "host:99999", "status"],
    ["-s", "\x1b[31m\n", "status"],
    ["--timeout", "0", "status"],
    ["--timeout", "-1", "status"],
    ["--timeout", "nan", "status"],
    ["--timeout", "soon", "status"],
    ["status", "more"],
    ["status", "--bogus"],
    ["create"],
    ["create", ""],
    ["create", "a", ""],
    ["create", "a", "--cores", "0"],
    ["create", "a", "--cores", "many"],
    ["create", "a", "--cores", "99999999999"],
    ["create", "a", "--memory", "2X"],
    ["create", "a", "--gpus", "-1"],
    ["create", "a", "--timeout", "0"],
    ["create", "a", "--timeout", "later"],
    ["create", "a", "--retries", "1.5"],
    ["create", "a", "--priority", "high"],
    ["create", "a", "--min-time", "-5"],
    ["create", "a", "--cwd", ""],
    ["create", "a", "--env", "K"],
    ["create", "a", "--env", "=V"],
    ["create", "a", "--env", "\n"],
    ["create", "a", "--command"],
    ["create", "a", "--command", "b &"],
    ["create", "a > b &"],
    ["addfile"],
    ["addfile", "a", "b"],
    ["addfile", "a", "--format", "yaml"],
    ["steal", "a", "b"],
    ["steal", ""],
    ["steal", "-n", "0"],
    ["steal", "-n", "-1"],
    ["steal", "-n", "many"],
    ["steal", "-n", "99999999999"],
    ["steal", "-n"],
    ["steal", "--wait", "-1"],
    ["steal", "--sh", "-n", "2"],
    ["complete"],
    ["complete", ""],
    ["complete", "a", "b", "c"],
    ["complete", "a", "--exit-status", "256"],
    ["complete", "a", "--exit-status", "-1"],
    ["complete", "a", "--exit-status", "\x1b[2J"],
    ["exit", "a", "b"],
    ["transfer"],
    ["transfer", "a", ""],
    ["lookup"],
    ["lookup", "a", "b"],
    ["lookup", ""],
    ["cancel"],
    ["retry", ""],
    ["hold", "a", ""],
    ["release", "--bogus"],
    ["list", "a"],
    ["list", "--state", "sleeping"],
    ["list", "--state"],
    ["list", "--name", ""],
    ["failed", "a"],
    ["failed", "-n", "-1"],
    ["failed", "-n", "many"],
    ["show"],
    ["show", ""],
    ["show", "a", "b"],
    ["why"],
    ["why", "a", "b"],
    ["log"],
    ["log", "a", "--attempt", "0"],
    ["log", "a", "--attempt", "last"],
    ["log", "a", "--follow", "--json"],
    ["log", "a", "--follow", "-f", "x.db"],
    ["rest", "a"],
    ["rest", "--format", "csv"],
    ["rest", "--format", "lines", "--json"],
    *DRAW,
    ["graph", "-f", "x.db", "--format", "png"],
    ["graph", "-f", "x.db", "--most", "-1"],
    ["trace", "-f", "x.db", "more"],
    ["report", "-f", "x.db", "-o"],
    *([*command, "-f", "/no/such.db"] for command in LOOK + DRAW),
    *(["-s", "here", *command, "-f", "x.db"] for command in LOOK + DRAW),
]


def assert_one_line(text: str) -> None:
    assert text.startswith("dquery: ") and text.endswith("\n")
    assert text[:-1].isprintable()


@pytest.mark.parametrize("arguments", USAGE, ids=repr)
def test_what_makes_no_sense_is_one_line_and_exit_status_2(dquery: Any, hub: Any, arguments: list[str]) -> None:
    ran = dquery(*arguments, at=hub)
    assert (ran.status, ran.out) == (2, "")
    assert_one_line(ran.err)
    assert not hub.names


@pytest.mark.parametrize(
    "arguments",
    [
        ["create", "a", "nosuch"],
        ["create", "a", "a"],
        ["create", "there", "--cores", "2"],
        ["create", "x" * 1000, "\x1b]0;title\x07"],
        ["complete", "there"],
        ["complete", "\x1b[2J"],
        ["complete", "nosuch"],
        ["transfer", "there"],
        ["transfer", "nosuch"],
        ["exit"],
        ["exit", "\x1b[2J"],
        ["lookup", "nosuch"],
        ["lookup", "#99"],
        ["lookup", "#" + "9" * 60],
        ["cancel", "nosuch"],
        ["cancel", "there", "x\x1b*"],
        ["retry", "there"],
        ["hold", "#99"],
        ["release", "there"],
        ["list"],
        ["failed"],
        ["show", "there"],
        ["why", "there"],
        ["log", "there"],
        ["rest"],
    ],
    ids=lambda arguments: repr(arguments)[:40],
)
def test_what_is_refused_or_not_found_is_one_line_and_exit_status_1(
    dquery: Any, hub: Any, arguments: list[str]
) -> None:
    dquery("create", "there", at=hub)
    ran = dquery(*arguments)
    assert (ran.status, ran.out) == (1, "")
    assert_one_line(ran.err)
    assert hub.names == ["there"]


@pytest.mark.parametrize("file", ["/no/such/file", "/", "no\nsuch"])
def test_a_task_file_that_cannot_be_read_is_named_as_by_the_pool(dquery: Any, hub: Any, file: str) -> None:
    ran = dquery("addfile", file)
    assert (ran.status, ran.out) == (2, "") and "cannot be read" in ran.err and ran.err.count("\n") == 1


@pytest.mark.parametrize(
    ("data", "arguments"),
    [
        (b",x\n", []),
        (b"a\0b\n", []),
        (b"a,b,,c\n", []),
        (b'"a\n', []),
        (b"a\na\n", []),
        (b"a,b\nb,a\n", []),
        (b"echo #DWORK bogus=1\n", ["--format", "lines"]),
        (b"{", ["--format", "jsonl"]),
        (b"TASK\n", ["--format", "dag"]),
    ],
)
def test_a_bad_file_is_one_line_with_its_place_and_exit_status_2(
    dquery: Any, hub: Any, data: bytes, arguments: list[str]
) -> None:
    ran = dquery("addfile", "-", *arguments, at=hub, stdin=data)
    assert (ran.status, ran.out) == (2, "")
    assert_one_line(ran.err)
    assert ran.err.startswith("dquery: -:")
    assert not hub.names


@pytest.mark.parametrize(
    "arguments",
    [
        *(["status"], ["create", "a"], ["steal"], ["steal", "-q"], ["complete", "a"], ["exit"], ["lookup", "a"]),
        *(["cancel", "a"], ["retry", "a"], ["hold", "a"], ["release", "a"], *LOOK),
    ],
    ids=repr,
)
def test_nobody_answers_is_one_line_in_about_the_timeout(dquery: Any, arguments: list[str]) -> None:
    start = time.monotonic()
    ran = dquery("-s", "127.0.0.1:9", "--timeout", "0.2", *arguments)
    assert time.monotonic() - start < 2
    assert (ran.status, ran.out) == (1, "")
    assert_one_line(ran.err)
    assert "tcp://127.0.0.1:9 within 0.2 s" in ran.err


@pytest.mark.parametrize("reply", ["", "ff", "0807", "08ff01", "08061a03ff0a0a", "08061a031b5b41"])
def test_a_hub_that_talks_rubbish_is_one_line(dquery: Any, puppet: Any, reply: str) -> None:
    ran = dquery("status", at=puppet(reply))
    assert (ran.status, ran.out) == (1, "")
    assert_one_line(ran.err)


def test_the_server_is_taken_from_the_option_before_the_environment(dquery: Any, hub: Any) -> None:
    assert dquery("-s", hub.address, "status").status == 0


@pytest.mark.parametrize("command", [command for command in LOOK if command != ["status"]], ids=repr)
def test_a_hub_that_answers_rubbish_to_who_looks_is_one_line(dquery: Any, puppet: Any, command: list[str]) -> None:
    for data in (b"", b"[1]", b"{}", b"null"):
        ran = dquery(*command, at=puppet(*[encode(Answer(data))] * 3))
        assert (ran.status, ran.out) == (1, "")
        assert_one_line(ran.err)


@pytest.mark.parametrize("command", [command for command in LOOK if command != ["status"]], ids=repr)
def test_an_original_hub_cannot_tell_which_is_one_line(dquery: Any, puppet: Any, command: list[str]) -> None:
    status = "08061a1e646875623a203020616374697665207461736b732c20302072656164792e2000"
    ran = dquery(*command, at=puppet("0808", status))
    assert (ran.status, ran.out) == (1, "")
    assert_one_line(ran.err)
    assert "is an original dhub, which cannot" in ran.err


# -- records --------------------------------------------------------------------------------------------------------


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """A record in which nothing has happened."""
    path = tmp_path / "tasks.txt.db"
    Store(str(path), this_run(0.0), {}.get).close(1.0, "")
    return path


def test_a_record_in_use_is_one_line_that_says_whom_to_ask(dquery: Any, record: Path) -> None:
    script = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); "
        "c.execute('PRAGMA locking_mode=EXCLUSIVE'); c.execute('BEGIN EXCLUSIVE'); print(flush=True); sys.stdin.read()"
    )
    run = [sys.executable, "-c", script, str(record)]
    with subprocess.Popen(run, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        ran = [dquery(*command, "-f", str(record)) for command in LOOK + DRAW]
        other.kill()
    for command, each in zip(LOOK + DRAW, ran, strict=True):
        assert (each.status, each.out) == (2, "")
        assert_one_line(each.err)
        assert "is in use by process" in each.err
        assert ("drop -f" if command in LOOK else "try again when it has ended") in each.err


@pytest.mark.parametrize("command", LOOK + DRAW, ids=repr)
def test_a_record_of_a_newer_dwork_or_another_program_is_one_line(
    dquery: Any, record: Path, command: list[str]
) -> None:
    for pragma, text in (("user_version = 99", "newer dwork"), ("application_id = 1", "another program")):
        with sqlite3.connect(record) as connection:
            connection.execute(f"PRAGMA {pragma}")
        connection.close()
        ran = dquery(*command, "-f", str(record))
        assert (ran.status, ran.out) == (2, "")
        assert_one_line(ran.err)
        assert text in ran.err


@pytest.mark.parametrize("command", LOOK + DRAW, ids=repr)
def test_a_damaged_record_is_one_line(dquery: Any, record: Path, command: list[str]) -> None:
    data = record.read_bytes()
    record.write_bytes(data[:4096] + b"\xaa" * (len(data) - 4096))
    ran = dquery(*command, "-f", str(record))
    assert (ran.status, ran.out) == (2, "")
    assert_one_line(ran.err)
    assert "is damaged" in ran.err


def test_a_task_file_in_place_of_its_record_is_told_apart(dquery: Any, record: Path, here: Path) -> None:
    (here / "tasks.txt").write_text("echo a long enough line\n")
    ran = dquery("list", "-f", "tasks.txt")
    assert ran == (2, "", "dquery: tasks.txt is not a record; give tasks.txt.db\n")
    record.unlink()
    ran = dquery("list", "-f", "tasks.txt")
    assert ran == (2, "", "dquery: tasks.txt is not a record; give the task file's name with .db\n")
    assert dquery("list", "-f", str(here)).status == 2


def test_an_empty_record_is_an_empty_run(dquery: Any, record: Path) -> None:
    file = ("-f", str(record))
    assert dquery("list", *file) == dquery("failed", "--json", *file) == (0, "", "")
    assert dquery("failed", *file) == (0, "0 failed, 0 skipped\n", "")
    assert dquery("rest", *file).out.startswith("# nothing is left of ")
    assert dquery("show", "a", *file) == (1, "", "dquery: there is no task 'a'; dquery list shows all tasks\n")


# -- as a process ---------------------------------------------------------------------------------------------------


def test_as_a_process_it_says_and_returns_the_same(start: Any, hub: Any) -> None:
    process = start("status", "more", at=hub)
    assert process.communicate(timeout=20)[0] == ""
    assert process.returncode == 2
    process = start("status", at=hub)
    assert process.communicate(timeout=20)[0].startswith("dhub: 0 active tasks, 0 ready.\n")
    assert process.returncode == 0


def test_ctrl_c_is_quiet_and_130(start: Any, puppet: Any) -> None:
    served = puppet(None)
    process = start("--timeout", "60", "status", at=served)
    served.next()
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20) == ("", "")
    assert process.returncode == 130


@pytest.mark.parametrize("arguments", [["steal", "-q"], ["steal", "--json"], ["steal"], ["-h"]])
def test_a_closed_pipe_is_quiet(start: Any, puppet: Any, arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = start(*arguments, at=puppet("080312140a01611202766d320b080110a7a585d5f29f9803"), stdout=writer)
    os.close(writer)
    assert process.communicate(timeout=20)[1] == ""
    assert process.returncode == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line(start: Any, hub: Any) -> None:
    with open("/dev/full", "w") as full:
        process = start("status", at=hub, stdout=full)
        err = process.communicate(timeout=20)[1]
    assert process.returncode == 1
    assert_one_line(err)
    assert "No space left" in err


#: What a question needs not; before Python 3.11 `platform`, of which pyzmq asks something, imports subprocess.
HEAVY = {"mpi4py", "rich", "asyncio", "dwork.taskfile", "dwork.hub.hub"}
if sys.version_info >= (3, 11):
    HEAVY.add("subprocess")


def test_it_starts_without_mpi_and_without_what_it_does_not_need() -> None:
    script = (
        "import sys; from dwork.dquery import main; main(['--timeout', '0.01', '-s', '127.0.0.1:9', 'status']); "
        "print(*sorted({m.split('.')[0] for m in sys.modules} | {m for m in sys.modules if m.startswith('dwork.')}))"
    )
    root = str(Path(__file__).parents[3])
    run = [sys.executable, "-c", script]
    loaded = subprocess.run(run, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": root}, check=True)
    modules = set(loaded.stdout.split())
    assert "dwork.client.client" in modules
    assert not modules & {*HEAVY, "sqlite3"}


@pytest.mark.parametrize(
    ("where", "expected"),
    [(["-s", "127.0.0.1:9", "--timeout", "0.01"], {"dwork.client.client"}), ([], {"sqlite3"})],
    ids=repr,
)
def test_only_for_a_record_sqlite_is_loaded(record: Path, where: list[str], expected: set[str]) -> None:
    script = (
        "import sys, json; from dwork.dquery import main\n"
        "for command in json.loads(sys.argv[1]): main(command)\n"
        "print(*{m.split('.')[0] for m in sys.modules} | {m for m in sys.modules if m.startswith('dwork.')})"
    )
    file = [] if where else ["-f", str(record)]
    commands = [[*where, *command, *file] for command in LOOK if command != ["rest"]]
    run = [sys.executable, "-c", script, json.dumps(commands)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    loaded = subprocess.run(run, capture_output=True, text=True, env=environment, check=True)
    modules = set(loaded.stdout.split())
    assert modules & {"sqlite3", "dwork.client.client"} == expected
    assert not modules & HEAVY


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("staus",), "there is no command 'staus'; did you mean status?; see dquery -h"),
        (("help", "logs"), "there is no command 'logs'; did you mean log?; see dquery -h"),
        (("xyzzy",), "there is no command 'xyzzy'; see dquery -h"),
    ],
)
def test_a_command_that_does_not_exist_is_answered_with_the_one_that_is_meant(
    dquery: Any, words: tuple[str, ...], answer: str
) -> None:
    assert dquery(*words) == (2, "", f"dquery: {answer}\n")
