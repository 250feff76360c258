"""A hub whose steps a store makes durable, without processes, and short ways to look into the tables."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from dwork.core.events import Ended, Event, Named
from dwork.core.task import Assigned, Options, Result, Task
from dwork.record.locks import COMPANIONS
from dwork.record.logs import Logs
from dwork.record.run import Run
from dwork.record.store import Store

RUN = Run(1000.0, "host", 4711, None, "0", "dwork tasks.txt")


def task(name: str, *after: str, origin: str = "", **options: Any) -> Task:
    return Task(name, name, after, Options(**options), origin)


def named(id: int, name: str = "") -> Named:
    return Named(id, name or f"t{id}")


def ended(id: int, attempt: int = 1, **more: Any) -> Ended:
    return Ended(id, f"t{id}", Result(id, attempt, **more))


def given(id: int, attempt: int = 1) -> Assigned:
    return Assigned(id, attempt, f"t{id}", f"t{id}")


class Desk:
    """A store that hears what it is told. `numbers` are the ids that the hub gives to names."""

    def __init__(
        self, path: Path | str, *, logs: Path | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.path = str(path)
        self.numbers: dict[str, int] = {}
        files = Logs(str(logs), self.path) if logs else None
        self.store = Store(self.path, RUN, self.numbers.get, files, clock=clock)
        self._later: list[Desk] = []
        self._is_closed = False

    def hear(self, *happened: Event) -> None:
        self.store.hear(happened)

    def ask(self, query: str, *values: Any) -> list[Any]:
        """The rows of a query; those of one column as bare values."""
        self.store.settle()
        return rows(self.store.connection, query, *values)

    def resume(self, *tasks: Task, now: float = 1000.0) -> Any:
        self.numbers.update((t.name, id) for id, t in enumerate(tasks))
        plan = self.store.resume(tasks, now)
        self.numbers.update((entry.task.name, entry.id) for entry in plan.entries)
        return plan

    def close(self, outcome: str = "done") -> None:
        if not self._is_closed:
            self._is_closed = True
            self.store.close(2000.0, outcome)
        for desk in self._later:
            desk.close()

    def reopened(self, **more: Any) -> Desk:
        """After a good end."""
        self.close()
        self._later.append(Desk(self.path, **more))
        return self._later[-1]

    def after_a_kill(self, copy: Path, **more: Any) -> Desk:
        """The record as a kill at this moment would leave it."""
        self._later.append(Desk(killed(self.path, copy), **more))
        return self._later[-1]


def rows(connection: sqlite3.Connection, query: str, *values: Any) -> list[Any]:
    found = connection.execute(query, values).fetchall()
    return [row[0] for row in found] if found and len(found[0]) == 1 else found


def killed(path: str | Path, copy: Path) -> Path:
    """What stands on disk now, somewhere else: whoever works on it knows nothing of it."""
    for end in ("", *COMPANIONS):
        if Path(f"{path}{end}").exists():
            shutil.copyfile(f"{path}{end}", f"{copy}{end}")
        else:
            Path(f"{copy}{end}").unlink(missing_ok=True)
    return copy


def look(path: str | Path, query: str, *values: Any) -> list[Any]:
    """As anybody may who has SQLite, once nobody works on it."""
    connection = sqlite3.connect(path, timeout=0)
    try:
        return rows(connection, query, *values)
    finally:
        connection.close()


def columns(table: str) -> Sequence[str]:
    """Of the newest version."""
    from dwork.record.schema import prepare

    connection = sqlite3.connect(":memory:", isolation_level=None)
    prepare(connection, "memory")
    return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]


# -- fixtures ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In memory, where there is such a place: a disk that is waited for at each commit is slow."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    path = Path(tempfile.mkdtemp(prefix="dwork-test-", dir=memory))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A store with a new file, and log files."""
    desk = Desk(tmp_path / "run.db", logs=tmp_path / "run.logs")
    yield desk
    desk.close()
