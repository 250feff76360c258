"""A user's Python files in the working directory are no concern of dwork's."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT

NAMES = [
    "random",
    "signal",
    "resource",
    "select",
    "json",
    "zmq",
    "copy",
    "platform",
    "struct",
    "enum",
    "typing",
    "click",
]
MODULE = [sys.executable, "-m", "dwork.pool"]
SCRIPT = [str(Path(sys.executable).parent / "dwork-pool")]


@pytest.fixture
def mine(tmp_path: Path) -> None:
    """Files that no program should import."""
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text(f"print('{name}.py was run', flush=True)\nraise SystemExit(9)\n")
    (tmp_path / "tasks.txt").write_text("echo ran\n")


@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize("pool", [MODULE, SCRIPT], ids=["module", "script"])
def test_a_pool_imports_nothing_of_the_working_directory(run: Callable, pool: list[str]) -> None:
    ran = run(*pool, "--no-record", "tasks.txt")
    assert (ran.code, ran.out) == (0, "ran\n"), ran.err


@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize("pool", [MODULE, SCRIPT], ids=["module", "script"])
def test_ranks_import_nothing_of_the_working_directory(mpirun: list[str], run: Callable, pool: list[str]) -> None:
    ran = run(*mpirun, "-n", 2, *pool, "--no-record", "tasks.txt")
    assert (ran.code, ran.out) == (0, "ran\n"), ran.err
    ran = run(*mpirun, "-n", 2, *pool, "--no-record", "--slots", 2, "tasks.txt")  # with a worker beside the hub
    assert (ran.code, ran.out) == (0, "ran\n"), ran.err


@pytest.mark.usefixtures("mine")
def test_other_programs_import_nothing_of_the_working_directory(run: Callable) -> None:
    for name in "dquery", "dhub", "kworker":
        assert run(sys.executable, "-m", f"dwork.{name}", "--version").code == 0


def test_a_directory_that_the_user_has_put_on_the_path_stays_there(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "mine.py").write_text("print('mine')\n")
    (tmp_path / "tasks.txt").write_text(f"{sys.executable} -c 'import mine'\n")
    path = f"{tmp_path}/lib:{ROOT}"
    assert run(*MODULE, "--no-record", "tasks.txt", PYTHONPATH=path).out == "mine\n"
    assert run(*SCRIPT, "--no-record", "tasks.txt", PYTHONPATH=path).out == "mine\n"


def test_another_program_that_imports_dwork_keeps_its_own_modules(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "__init__.py").write_text("import dwork\n")
    (tmp_path / "study" / "run.py").write_text("import helpers_of_mine\n")
    (tmp_path / "helpers_of_mine.py").write_text("print('mine')\n")
    assert run(sys.executable, "-m", "study.run").out == "mine\n"


def test_a_checkout_that_is_not_installed_runs_itself(run: Callable, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "dwork", tmp_path / "dwork", ignore=shutil.ignore_patterns("__pycache__"))
    worker = tmp_path / "dwork" / "kworker.py"
    worker.write_text(
        worker.read_text().replace("\nimport math\n", "\nimport math\nopen('of-this-checkout', 'w').close()\n")
    )
    (tmp_path / "tasks.txt").write_text("echo ran\n")
    ran = run(*MODULE, "--no-record", "tasks.txt", PYTHONPATH="")
    assert (ran.code, ran.out) == (0, "ran\n"), ran.err
    assert (tmp_path / "of-this-checkout").exists()
