"""A dhub and its kworkers, killed, stopped and started at random: in the end all is done, and no output is lost."""

from __future__ import annotations

import json
import random
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.long import seeds
from tests.system.programs.conftest import Comeback
from tests.waiting import wait_until

N = 30
#: More than one message takes along with a result.
OUTPUT = "x" * 50_000 + "\n"


def tasks() -> str:
    """Each notes in its own file that it ran; some print much; some fail when one that they come after has not run."""
    lines = []
    for i in range(N):
        after = [f"t{p}" for p in (i - 4, i - 7) if p >= 0 and i % 3 == 0]
        checks = "".join(f"test -s {name} || exit 9; " for name in after)
        prints = f"printf %050000d 0 | tr 0 x; echo; echo ran >> t{i}" if i % 5 == 0 else f"echo ran >> t{i}"
        lines.append(f"{checks}{prints}; sleep 0.0{i % 7}   #DWORK name=t{i} after={','.join(after)}\n")
    return "".join(lines).replace(" after=\n", "\n")


class Scene:
    """A dhub with a record, and kworkers."""

    def __init__(self, dhub: Callable, directory: Path, seed: int) -> None:
        self.chance = random.Random(seed)
        self.comeback = Comeback(dhub, directory, "--worker-timeout", "3s", "--max-attempts-lost", 1000)
        self.story = [f"DWORK_SEED={seed} DWORK_ROUNDS=1"]
        self._directory = directory
        self._workers: list[subprocess.Popen[str]] = []
        self._stopped: list[subprocess.Popen[str]] = []
        (directory / "tasks.txt").write_text(tasks())
        assert self.comeback.dquery("addfile", "tasks.txt").code == 0
        self.start_worker()

    @property
    def ran(self) -> int:
        """How many tasks have run."""
        return sum((self._directory / f"t{i}").exists() for i in range(N))

    def act(self) -> None:
        """Do something to somebody; afterwards, wait for tasks to run if some can."""
        deeds: list[Callable[[], None]] = [self.restart_hub]
        deeds += [self.resume] * 2 if self._stopped else []
        hub, running = self.comeback.hub.process, self._running()
        deeds += [self.start_worker] if len(self._workers) < 4 else [self.kill_worker]
        if running:
            deeds += [self.kill_worker, lambda: self.stop(self.chance.choice(running))]
        if hub not in self._stopped:
            deeds.append(lambda: self.stop(hub))
        self.chance.choice(deeds)()
        if hub not in self._stopped:
            goal = min(self.ran + self.chance.choice([0, 0, 1, 2]), N)
            wait_until(lambda: self.ran >= goal or not self._running(), 100, lambda: f"no task runs after {self.story}")

    def restart_hub(self) -> None:
        self.story.append("hub restarted")
        self._forget(self.comeback.hub.process)
        self.comeback.die()
        self.comeback.rise()

    def start_worker(self) -> None:
        self.story.append("worker started")
        self._workers.append(self.comeback.hub.kworker())

    def kill_worker(self) -> None:
        worker = self.chance.choice(self._workers)
        self.story.append("worker killed")
        self._workers.remove(worker)
        self._forget(worker)
        worker.kill()
        worker.communicate()

    def stop(self, process: subprocess.Popen[str]) -> None:
        self.story.append("hub stopped" if process is self.comeback.hub.process else "worker stopped")
        self._stopped.append(process)
        process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        process = self._stopped.pop()
        self.story.append("hub resumed" if process is self.comeback.hub.process else "worker resumed")
        process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        """Let all go on until every task has ended."""
        while self._stopped:
            self.resume()
        self.start_worker()
        waited = self.comeback.hub.dquery("status", "--wait", limit=100)
        assert waited.code == 0, (self.story, waited.out, waited.err)

    def _running(self) -> list[subprocess.Popen[str]]:
        """The workers that are not stopped; one that is still starting when the hub dies gives up."""
        self._workers = [each for each in self._workers if each in self._stopped or each.poll() is None]
        return [each for each in self._workers if each not in self._stopped]

    def _forget(self, process: subprocess.Popen[str]) -> None:
        if process in self._stopped:
            self._stopped.remove(process)


@pytest.mark.parametrize("seed", seeds(1, 200))
def test_whoever_dies_or_stands_still_all_is_done_in_the_end_with_its_output(
    dhub: Callable, tmp_path: Path, seed: int
) -> None:
    scene = Scene(dhub, tmp_path, seed)
    for _ in range(12):
        if scene.ran < N:
            scene.act()
    scene.end()
    story = str(scene.story)
    rows = [json.loads(line) for line in scene.comeback.dquery("list", "--json").out.splitlines()]
    assert {row["name"]: row["state"] for row in rows} == {f"t{i}": "done" for i in range(N)}, story
    assert scene.ran == N, story
    for i in range(0, N, 5):
        assert scene.comeback.dquery("log", f"t{i}").out == OUTPUT, story
