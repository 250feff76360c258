"""The workflows of examples/ give the answers that they should, and go on where they stopped."""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.system.programs.conftest import program


@pytest.fixture
def python(tmp_path: Path) -> str:
    """A PATH on which `python` and `python3` are this one."""
    (tmp_path / "bin").mkdir()
    for name in ("python", "python3"):
        (tmp_path / "bin" / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        (tmp_path / "bin" / name).chmod(0o755)
    return f"{tmp_path / 'bin'}:/usr/bin:/bin"


@pytest.fixture
def pool(run: Callable, python: str) -> Callable[..., Any]:
    """Run a pool on this machine."""
    return lambda *words, **more: run(*program("pool"), *words, PATH=python, **more)


def copied(name: str, to: Path) -> None:
    shutil.copytree(ROOT / "examples" / name, to, dirs_exist_ok=True)


def test_what_fails_in_a_sweep_is_told_and_runs_again_alone(run: Callable, pool: Callable, tmp_path: Path) -> None:
    copied("sweep", tmp_path)
    (tmp_path / "tasks.txt").write_text(run("sh", "tasks.sh").out)
    first = pool("tasks.txt")
    assert first.code == 1
    failed = run(*program("dquery"), "failed", "-f", "tasks.txt.db").out.splitlines()
    bad = [line for line in failed if line.startswith("#")]
    assert len(bad) == 90 and all("point-k" in line for line in bad)
    assert failed.count("    a time step of 0.25 is too large for this spring") == 90
    assert not (tmp_path / "table.txt").exists()
    second = pool("tasks.txt", DT="0.05")
    assert second.code == 0 and "252 done (161 before)" in second.err
    table = [list(map(float, line.split())) for line in (tmp_path / "table.txt").read_text().splitlines()]
    assert len(table) == 250
    for stiffness, damping, amplitude in table:
        assert amplitude == pytest.approx(1 / math.hypot(stiffness - 1, damping), rel=0.2)


def test_blocks_of_a_stencil_give_what_one_piece_would(run: Callable, pool: Callable, tmp_path: Path) -> None:
    copied("stencil", tmp_path)
    (tmp_path / "tasks.txt").write_text(run(sys.executable, "heat.py", "tasks", 4, 3).out)
    ran = pool("tasks.txt")
    assert (ran.code, ran.out) == (0, "64 cells after 3 steps, heat 64.000000, error 0.0e+00\n")
    shutil.copy(tmp_path / "cells" / "0-2.json", tmp_path / "cells" / "0-3.json")
    wrong = run(sys.executable, "heat.py", "check", 4, 3)
    assert (wrong.code, "error 0.0e+00" in wrong.out) == (1, False)


def test_a_mosaic_has_no_seams_and_its_dag_the_shape_of_montage(run: Callable, pool: Callable, tmp_path: Path) -> None:
    copied("montage", tmp_path)
    (tmp_path / "montage.dag").write_text(run(sys.executable, "montage.py", "dag", 3, 2).out)
    ran = pool("montage.dag")
    assert ran.code == 0 and ran.out.startswith("mosaic of 6 images, 560 pixels, seams below ")
    listed = run(*program("dquery"), "list", "--json", "-f", "montage.dag.db").out.splitlines()
    kinds = [json.loads(line)["name"].split("_")[0] for line in listed]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "mProject": 6,
        "mDiffFit": 11,
        "mConcatFit": 1,
        "mBgModel": 1,
        "mBackground": 6,
        "mAdd": 1,
    }


def test_a_graph_grows_until_the_integral_is_known(pool: Callable, tmp_path: Path) -> None:
    copied("refine", tmp_path)
    ran = pool("tasks.txt")
    assert ran.code == 0, ran.err
    *rounds, last = ran.out.splitlines()
    assert len(rounds) > 4 and last.startswith(f"the integral is {10 * (math.atan(7) + math.atan(3)):.3f}")
    again = pool("tasks.txt")
    assert (again.code, again.out) == (0, "") and "nothing is left to do" in again.err


def test_a_driver_finds_the_lowest_point_and_leaves_nothing_running(run: Callable, tmp_path: Path) -> None:
    copied("search", tmp_path)
    ran = run(sys.executable, "search.py", TMPDIR=str(tmp_path))
    assert ran.code == 0 and ran.out.startswith("lowest at x = 1.25, y = 0.5 after "), ran.err
    assert ran.err == ""
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("tmp")]


@pytest.mark.parametrize("script", ["stencil/heat.py", "montage/montage.py", "refine/refine.py"])
def test_a_script_that_is_called_wrongly_says_how_it_is_called(run: Callable, script: str) -> None:
    ran = run(sys.executable, ROOT / "examples" / script, "what")
    assert ran.code == 1 and "tasks" in ran.err and "Traceback" not in ran.err


def test_each_example_has_a_line_in_the_readme() -> None:
    examples = ROOT / "examples"
    table = [line for line in (examples / "README.md").read_text().splitlines() if line.startswith("| [")]
    scripts = {path.relative_to(examples) for path in examples.rglob("*.*") if path.suffix in (".py", ".sh", ".cpp")}
    assert scripts and all(any(f"`{script}`" in line for line in table) for script in scripts)
