"""Workers on other hosts, whose cables are pulled and whose power goes; each run of a task is counted."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def program(name: str) -> list[str]:
    return [sys.executable, "-m", f"dwork.{name}"]


def counting(number: int, file: str = "") -> str:
    """A command that counts its runs in a file, and ends when there is a file of that name."""
    wait = f"; while [ ! -e {file} ]; do sleep 0.05; done" if file else ""
    return f"echo $DWORK_WORKER >> runs-{number}{wait}"


class Scene:
    """A dhub on the first host; kworkers on the others find it by its connection file alone."""

    def __init__(self, hosts: list[Any], start: Callable, run: Callable, directory: Path) -> None:
        self.hosts = hosts
        self.directory = directory
        self._start, self._run = start, run
        self.hub = start(
            *hosts[0].prefix, *program("dhub"), "-f", directory / "run.db", "--worker-timeout", "3s", DWORK_BIND="",
        )  # fmt: skip
        assert "listening on tcp://10.78." in self.hub.stderr.readline()

    def dquery(self, *words: object) -> Any:
        return self._run(*self.hosts[0].prefix, *program("dquery"), *words)

    def kworker(self, host: Any, *words: object) -> Any:
        return self._start(*host.prefix, *program("kworker"), *words)

    def runs(self, number: int) -> list[str]:
        path = self.directory / f"runs-{number}"
        return path.read_text().split() if path.exists() else []


@pytest.fixture
def scene(hosts: list[Any], start: Callable, run: Callable, tmp_path: Path) -> Scene:
    return Scene(hosts, start, run, tmp_path)


def test_a_worker_on_another_host_needs_nothing_but_the_connection_file(scene: Scene) -> None:
    scene.dquery("create", counting(1))
    worker = scene.kworker(scene.hosts[1])
    _, err = worker.communicate(timeout=60)
    assert worker.returncode == 0, err
    assert [run.partition(":")[0] for run in scene.runs(1)] == [scene.hosts[1].name]


def test_what_a_host_ran_that_lost_its_power_runs_elsewhere(scene: Scene, wait_until: Callable) -> None:
    scene.dquery("create", counting(1, "go"))
    scene.kworker(scene.hosts[1])
    wait_until(lambda: scene.runs(1))
    scene.hosts[1].crash()
    (scene.directory / "go").touch()
    other = scene.kworker(scene.hosts[2])
    _, err = other.communicate(timeout=60)
    assert other.returncode == 0, err
    assert [run.partition(":")[0] for run in scene.runs(1)] == [scene.hosts[1].name, scene.hosts[2].name]


def test_a_cable_that_is_pulled_for_a_moment_costs_nothing(scene: Scene, wait_until: Callable) -> None:
    scene.dquery("create", counting(1, "go"))
    scene.dquery("create", counting(2), counting(1, "go"))
    worker = scene.kworker(scene.hosts[1])
    wait_until(lambda: scene.runs(1))
    scene.hosts[1].cut()
    (scene.directory / "go").touch()  # it ends while nobody can be told
    scene.hosts[1].heal()
    _, err = worker.communicate(timeout=60)
    assert worker.returncode == 0, err
    assert (len(scene.runs(1)), len(scene.runs(2))) == (1, 1)


def test_a_worker_that_was_taken_for_lost_and_is_back_first_has_its_end_counted(
    scene: Scene, wait_until: Callable
) -> None:
    scene.dquery("create", counting(1, "go"))
    worker = scene.kworker(scene.hosts[1])
    wait_until(lambda: scene.runs(1))
    scene.hosts[1].cut()
    wait_until(lambda: scene.dquery("lookup", "#0").out.endswith(": ready\n"))
    (scene.directory / "go").touch()
    scene.hosts[1].heal()
    _, err = worker.communicate(timeout=60)
    assert worker.returncode == 0, err
    assert len(scene.runs(1)) == 1
    assert ": done" in scene.dquery("lookup", "#0").out


def test_a_worker_whose_task_was_finished_elsewhere_is_told_to_drop_it(scene: Scene, wait_until: Callable) -> None:
    scene.dquery("create", counting(1, "go-$(hostname)"))
    first, second = scene.hosts[1:]
    cut_off = scene.kworker(first)
    wait_until(lambda: scene.runs(1))
    first.cut()
    wait_until(lambda: scene.dquery("lookup", "#0").out.endswith(": ready\n"))
    other = scene.kworker(second)
    wait_until(lambda: len(scene.runs(1)) == 2)
    scene.dquery("create", counting(2, "at-last"))
    (scene.directory / f"go-{second.name}").touch()
    wait_until(lambda: scene.runs(2))
    first.heal()
    (scene.directory / "at-last").touch()
    for worker in (cut_off, other):
        _, err = worker.communicate(timeout=60)
        assert worker.returncode == 0, err
    assert not (scene.directory / f"go-{first.name}").exists()
    assert (len(scene.runs(1)), len(scene.runs(2))) == (2, 1)


def test_a_worker_whose_hub_can_no_longer_be_reached_ends_its_tasks_and_says_so(
    scene: Scene, wait_until: Callable
) -> None:
    scene.dquery("create", counting(1, "never"))
    worker = scene.kworker(scene.hosts[1], "--hub-timeout", "2")
    wait_until(lambda: scene.runs(1))
    scene.hosts[1].blackhole(scene.hosts[0])
    _, err = worker.communicate(timeout=60)
    assert worker.returncode == 1
    assert "the hub has not answered for 2 s; running tasks were terminated" in err
