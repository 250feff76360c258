"""Module systems in a setup block: each line has what `module load` sets, and fails when there is no such module."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.needs import missing
from tests.system.programs.conftest import program

#: The file that each system wants to be read first, by shell.
INIT = {
    "lmod": {"bash": "/etc/profile.d/lmod.sh", "sh": "/etc/profile.d/lmod.sh"},
    "environment-modules": {"bash": "/usr/share/modules/init/bash", "sh": "/usr/share/modules/init/sh"},
}
MODULE = "#%Module1.0\nsetenv PROG_VERSION 7.1\nprepend-path PATH {}\nset-alias prog-alias {{echo an alias}}\n"


@pytest.fixture(params=list(INIT))
def system(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A module system, for which there is a module `prog`."""
    if not all(os.path.exists(file) for file in INIT[request.param].values()):
        missing(request.param)
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "prog").write_text(MODULE.format(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    tool = tmp_path / "bin" / "module-prog"
    tool.write_text("#!/bin/sh\necho prog $PROG_VERSION $1\n")
    tool.chmod(0o755)
    return str(request.param)


def task_file(place: Path, system: str, shell: str, load: str, lines: str) -> None:
    setup = f". {INIT[system][shell]}\nexport MODULEPATH={place}/modules\n{load}\n"
    (place / "tasks.txt").write_text(f"#!/bin/{shell}\n#DWORK setup\n{setup}#DWORK end\n{lines}")


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_what_a_module_sets_is_there_for_each_line(run: Callable, tmp_path: Path, system: str, shell: str) -> None:
    task_file(tmp_path, system, shell, "module load prog", "module-prog 1\necho $PROG_VERSION; module list\n")
    ran = run(*program("pool"), "tasks.txt", MODULEPATH="", LOADEDMODULES="")
    assert (ran.code, sorted(ran.out.splitlines())[-2:]) == (0, ["7.1", "prog 7.1 1"]), ran.err
    assert "Currently Loaded" in ran.err and "[setup]" not in ran.err


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_a_module_that_does_not_exist_fails_each_task_with_its_place(
    run: Callable, tmp_path: Path, system: str, shell: str
) -> None:
    task_file(tmp_path, system, shell, "module load prog nosuch", "echo one > ran\n/bin/echo two\n")
    ran = run(*program("pool"), "tasks.txt", "-f", "r.db", MODULEPATH="", LOADEDMODULES="")
    assert (ran.code, ran.out) == (1, "") and not (tmp_path / "ran").exists()
    assert "its setup failed at tasks.txt:5, exit status 1: " in ran.err and "nosuch" in ran.err
    with sqlite3.connect(tmp_path / "r.db") as record:
        reasons = [reason for (reason,) in record.execute("SELECT CAST(reason AS TEXT) FROM attempts")]
    assert len(reasons) == 2 and all("tasks.txt:5" in reason for reason in reasons)


def test_modules_that_the_job_script_has_loaded_are_there_without_a_setup_block(
    run: Callable, tmp_path: Path, system: str
) -> None:
    (tmp_path / "tasks.txt").write_text("module-prog 1\n")
    script = f'. {INIT[system]["bash"]}; export MODULEPATH={tmp_path}/modules; module load prog && exec "$@"'
    ran = run("bash", "-c", script, "bash", *program("pool"), "tasks.txt", MODULEPATH="", LOADEDMODULES="")
    assert (ran.code, ran.out) == (0, "prog 7.1 1\n")
