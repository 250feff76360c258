"""`dwork`, one program with verbs."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from importlib import import_module
from pathlib import Path

import click
import pytest

from dwork.__main__ import PROGRAMS
from dwork.cli import verbs
from dwork.dquery._group import group
from tests.conftest import ROOT
from tests.waiting import wait_until

DWORK = [sys.executable, "-m", "dwork"]


def _command(verb: str) -> click.Command:
    found = import_module(PROGRAMS[verb]).command if verb in PROGRAMS else group.get_command(None, verb)  # type: ignore[arg-type]
    assert isinstance(found, click.Command), verb
    return found


def _modules(*words: str, before: str = "") -> set[str]:
    """What is imported when the program has done this."""
    code = (
        f"import sys, json\nold = set(sys.modules)\n{before}\nsys.argv = ['dwork', *{words!r}]\n"
        "from dwork.__main__ import main\n"
        "try:\n    main()\nfinally:\n    print(json.dumps(sorted(set(sys.modules) - old)), file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    return set(json.loads(ran.stderr.splitlines()[-1]))


def test_the_list_of_verbs_is_whole_and_says_what_each_says_itself() -> None:
    assert {*group.list_commands(None), *PROGRAMS} == verbs.NAMES  # type: ignore[arg-type]
    for listed in verbs.GROUPS.values():
        for verb, text in listed.items():
            own = " ".join((_command(verb).help or "").split())
            assert own.startswith(text) and not own[len(text)].isalnum(), verb


def test_help_lists_the_verbs_in_lines_that_a_terminal_has_room_for(run: Callable) -> None:
    for words in (["--help"], ["-h"], ["help"]):
        ran = run(*DWORK, *words)
        assert (ran.code, ran.err) == (0, "")
        assert re.search(r"\nRun tasks:\n  pool +Run the tasks in FILEs\n", ran.out)
        assert max(map(len, ran.out.splitlines())) <= 90
    assert (alone := run(*DWORK)).code == 2 and alone.out == "" and alone.err == ran.out


@pytest.mark.parametrize("verb", ["pool", "check", "hub", "worker", "status", "stop-worker"])
def test_each_verb_has_help_of_its_own(run: Callable, verb: str) -> None:
    asked = run(*DWORK, verb, "--help")
    assert asked.code == 0 and asked.out.startswith(f"Usage: dwork {verb} [OPTIONS]")
    assert run(*DWORK, "help", verb).out == run(*DWORK, "-h", verb).out == asked.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["staus"], "there is no verb 'staus'; did you mean `dwork status`?"),
        (["help", "pol"], "there is no verb 'pol'; did you mean `dwork pool`?"),
        (["run"], "there is no verb 'run'; did you mean `dwork pool`?"),
        (["xyzzy\n"], "there is no verb 'xyzzy\\n'; `dwork --help` lists all"),
        (["tasks.txt"], "tasks.txt is a file; `dwork pool tasks.txt` runs the tasks in it"),
        (["pool"], "Missing argument 'FILE...'; give - to read standard input (see dwork pool --help)"),
        (["list", "x"], "Got unexpected extra argument (x); see dwork list -h"),
    ],
)
def test_a_wrong_line_is_answered_with_what_may_be_meant(
    run: Callable, tmp_path: Path, words: list[str], said: str
) -> None:
    (tmp_path / "tasks.txt").touch()
    ran = run(*DWORK, *words)
    assert (ran.code, ran.out, ran.err) == (2, "", f"dwork: {said}\n")


def test_a_pool_runs_and_its_record_names_the_line(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("echo hello\n")
    assert run(*DWORK, "pool", "-q", "--no-bridge", "tasks.txt").out == "hello\n"
    assert run(*DWORK, "log", "#0", "-f", "tasks.txt.db").out == "hello\n"
    with closing(sqlite3.connect(tmp_path / "tasks.txt.db")) as record:
        assert record.execute("SELECT command FROM runs").fetchone()[0].endswith(" pool -q --no-bridge tasks.txt")


def test_a_hub_and_a_worker_run_what_is_created(run: Callable, start: Callable, tmp_path: Path) -> None:
    home = {"DWORK_DIR": str(tmp_path / "known")}
    start(*DWORK, "hub", "-q", "-p", "6439", **home)
    wait_until(lambda: any((tmp_path / "known").glob("*.json")))
    assert run(*DWORK, "create", "echo hello", **home).code == 0
    file = str(next((tmp_path / "known").glob("*.json")))
    assert run(*DWORK, "worker", "--idle-timeout", "0.1s", **home).out == "hello\n"
    # an option before the verb says which hub
    assert json.loads(run(*DWORK, "--connection", file, "status", "--json").out)["counts"]["done"] == 1
    refused = run(*DWORK, "--job", "7", "status", **home)
    assert refused.code == 2 and refused.err.startswith("dwork: no run of job 7 is known in ")


def test_the_version_and_the_help_import_nothing_that_takes_time() -> None:
    assert _modules("--version") == {"__future__", "dwork", "dwork.__main__", "dwork.core", "dwork.core.version"}
    assert _modules("--help") == {"__future__", "dwork", "dwork.__main__", "dwork.cli", "dwork.cli.verbs"}


def test_a_pool_imports_no_more_than_under_its_own_name() -> None:
    stop = "import dwork.pool.__main__ as pool\npool.main = lambda typed: None"
    alone = _modules("--version", before=stop)
    assert _modules("pool", "tasks.txt", before=stop) == alone - {"dwork.core.version"}


def test_a_command_of_dquery_brings_no_mpi_and_no_hub() -> None:
    assert not _modules("--timeout", "0.01", "-s", "127.0.0.1:9", "status") & {"mpi4py", "rich", "dwork.hub"}
