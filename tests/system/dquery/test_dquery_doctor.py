"""What dquery says of this machine, and of the runs that are known here."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from dwork.connection.directory import publish
from dwork.connection.file import Connection
from dwork.host.pid_space import pid_space

WELL = "Nothing needs to be changed."


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No hub is meant in particular, and the runs that are known have no keys."""
    for name in ("DWORK_SERVER", "DWORK_CONNECTION", "DWORK_INSECURE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def known(hub: Any, **more: Any) -> str:
    """The path of a connection file that tells where this hub is."""
    where = {"host": socket.gethostname(), "pid": os.getpid(), "tasks": "/home/me/tasks.txt", "job": "4711", **more}
    return publish(Connection((hub.address,), **where))


def test_this_machine_is_told_in_a_line_each(dquery: Any, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DWORK_DIR", "connections")
    ran = dquery("doctor")
    about = [line.split()[0] for line in ran.out.splitlines()]
    assert about[:7] == ["MPI", "cores", "memory", "GPUs", "limits", "time", "directory"]
    assert "run        none known in connections" in ran.out
    assert (ran.status, ran.out.splitlines()[-1], ran.err) == (0, WELL, "")


def test_a_run_that_is_known_and_answers_is_well(dquery: Any, hub: Any) -> None:
    known(hub)
    dquery("--insecure", "-s", hub.address, "create", "a")
    ran = dquery("doctor")
    (line,) = [line for line in ran.out.splitlines() if line.startswith("run ")]
    assert line.startswith(f"run        /home/me/tasks.txt on {socket.gethostname()}, job 4711: answers after ")
    assert line.endswith(" ms: dhub: 1 active tasks, 1 ready.")
    assert ran.status == 0


def test_a_run_that_does_not_answer_is_named_with_its_file(dquery: Any, hub: Any, tmp_path: Path) -> None:
    path = known(hub)
    Path(path).write_text(Path(path).read_text().replace(hub.address, "tcp://127.0.0.1:9"))
    ran = dquery("--timeout", "0.2", "doctor")
    assert ran.status == 1
    assert f"run        /home/me/tasks.txt on {socket.gethostname()}, job 4711: no answer" in ran.out
    assert "  1. no answer from tcp://127.0.0.1:9 within 0.2 s" in ran.out
    assert ran.out.endswith(f"; if it has ended: rm {path}\n")


def test_runs_that_have_ended_are_not_told(dquery: Any, hub: Any) -> None:
    known(hub, pid=2**22 + 1, pid_space=pid_space())
    ran = dquery("doctor")
    assert ran.status == 0 and "none known" in ran.out


def test_a_connection_file_that_others_can_read_is_what_to_change(dquery: Any, hub: Any) -> None:
    os.chmod(known(hub), 0o644)
    ran = dquery("doctor")
    assert ran.status == 1
    assert "What to change:\n  1. other users can access " in ran.out


def test_the_hub_that_is_meant_is_the_only_one_asked(dquery: Any, hub: Any, tmp_path: Path) -> None:
    known(hub, job="1")
    ran = dquery("--timeout", "0.2", "--insecure", "-s", "127.0.0.1:9", "doctor")
    assert ran.status == 1
    assert [line for line in ran.out.splitlines() if line.startswith("run ")] == ["run        the hub: no answer"]


def test_a_directory_that_takes_no_record_is_what_to_change(
    dquery: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "gone"
    here.mkdir()
    monkeypatch.chdir(here)
    here.rmdir()
    monkeypatch.setenv("PWD", str(here))
    ran = dquery("doctor")
    assert ran.status == 1
    why = "(No such file or directory)"
    assert f"1. {here} cannot hold a record {why}: use -f FILE, or start in another directory" in ran.out


def test_as_json_it_is_one_value(dquery: Any, hub: Any) -> None:
    known(hub)
    told = json.loads(dquery("doctor", "--json").out)
    assert told["facts"][0]["about"] == "MPI"
    assert told["change"] == []
    assert told["runs"][0]["said"] == "dhub: 0 active tasks, 0 ready."
