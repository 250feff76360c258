"""Whether the files of a task exist, from where it runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dwork.core.task import PLAIN, Options
from dwork.host.created import first_missing


def test_a_task_that_promises_nothing_lacks_nothing() -> None:
    assert first_missing(PLAIN) is None


def test_the_first_missing_file_is_named_as_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there").touch()
    Path("directory").mkdir()
    os.symlink("nowhere", "dangling")
    assert first_missing(Options(creates=("there", "directory", str(tmp_path / "there")))) is None
    assert first_missing(Options(creates=("there", "no/such", "other"))) == "no/such"
    assert first_missing(Options(creates=("dangling",))) == "dangling"
    assert first_missing(Options(creates=("there/below",))) == "there/below"
    assert first_missing(Options(creates=("a\0b",))) == "a\0b"


def test_relative_names_start_in_the_directory_of_the_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-d").mkdir()
    (tmp_path / "-d" / "out").touch()
    assert first_missing(Options(creates=("out",))) == "out"
    for cwd in ("-d", str(tmp_path / "-d")):
        assert first_missing(Options(cwd=cwd, creates=("out", str(tmp_path)))) is None
        assert first_missing(Options(cwd=cwd, creates=("../out",))) == "../out"


def test_names_are_the_bytes_that_the_user_wrote(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/\xff", "wb"):
        pass
    assert first_missing(Options(cwd=str(tmp_path), creates=("\udcff",))) is None
