"""The directory of connection files: nobody else can use them, and they go with their run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dwork.connection import directory
from dwork.connection.directory import ended, is_withdrawn, last_record, publish, withdraw
from dwork.connection.file import Connection, NotWritten, read
from tests.unit.connection.me import ME


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_nobody_else_can_read_it_whatever_the_umask(place: Path, open_umask: None) -> None:
    path = Path(publish(ME))
    assert (mode(place), mode(path)) == (0o700, 0o600)


def test_a_reader_never_sees_half_a_file(place: Path) -> None:
    path = Path(publish(ME))
    with open(path) as before:
        publish(replace(ME, tasks="another"))
        assert Connection.from_json(before.read()) == ME
    assert read(str(path)).tasks == "another"
    assert [entry.name for entry in place.iterdir()] == [path.name]


def test_a_run_that_has_taken_its_file_away_has_ended_in_order(place: Path) -> None:
    path = publish(ME)
    assert not is_withdrawn(ME)
    withdraw(path)
    assert is_withdrawn(ME)
    assert not is_withdrawn(Connection(("tcp://127.0.0.1:1",)))  # it never had one


def test_a_directory_that_cannot_be_written_is_an_error_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DWORK_DIR", str(tmp_path / "file" / "place"))
    with pytest.raises(NotWritten, match=r"cannot be created: Not a directory; set \$DWORK_DIR to another directory"):
        publish(ME)


def test_a_file_that_cannot_be_written_leaves_nothing(place: Path) -> None:
    place.mkdir(0o700)
    (place / f"{ME.host}-{ME.pid}.json").mkdir()
    with pytest.raises(NotWritten, match="cannot be written"):
        publish(ME)
    assert [entry.suffix for entry in place.iterdir()] == [".json"]


def test_of_an_ended_run_all_but_its_keys_is_remembered(place: Path, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt.db").touch()
    path = publish(replace(ME, record=str(tmp_path / "tasks.txt.db")))
    withdraw(path)
    (kept,) = ended(path)
    assert kept == ended()[0] and kept.keys is None and (kept.job, kept.tasks) == (ME.job, ME.tasks)
    assert '"secret"' not in next(place.iterdir()).read_text()
    assert last_record() == str(tmp_path / "tasks.txt.db")
    (tmp_path / "tasks.txt.db").unlink()
    assert last_record() == ""


def test_only_the_last_ended_runs_are_remembered(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory, "LAST", 2)
    for pid in 3, 1, 2:
        path = publish(replace(ME, pid=pid, record="x.db", started=float(pid)))
        withdraw(path)
        os.utime(path.replace(".json", ".ended"), (pid, pid))
    assert [run.pid for run in ended()] == [3, 2]
