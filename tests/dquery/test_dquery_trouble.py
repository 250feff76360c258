"""Bad input, bad hubs, bad pipes: one line, the right exit status, never a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

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
        ["addfile", "/no/such/file"],
        ["addfile", "/"],
        ["addfile", "no\nsuch"],
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
    [["status"], ["create", "a"], ["steal"], ["steal", "-q"], ["complete", "a"], ["exit"], ["lookup", "a"]],
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


def test_it_starts_without_mpi_and_without_what_it_does_not_need() -> None:
    script = (
        "import sys; from dwork.dquery import main; main(['--timeout', '0.01', '-s', '127.0.0.1:9', 'status']); "
        "print(*sorted({m.split('.')[0] for m in sys.modules} | {m for m in sys.modules if m.startswith('dwork.')}))"
    )
    root = str(Path(__file__).parents[2])
    run = [sys.executable, "-c", script]
    loaded = subprocess.run(run, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": root}, check=True)
    modules = set(loaded.stdout.split())
    assert "dwork.client" in modules
    assert not modules & {"mpi4py", "rich", "sqlite3", "subprocess", "asyncio", "dwork.taskfile", "dwork.hub"}
