"""What is done to a run: kills, stops, signals, full and frozen disks, cut cables, unread output, queries."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from _chaos.disks import Disk
from _chaos.graphs import Task
from _chaos.stage import Actor, Stage, Started

#: With which signals batch systems, launchers and users end something.
SIGNALS: Final = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU]
#: Seconds of a stop that nobody should notice, and of one that is longer than TIMEOUT, after which a worker is lost.
SHORT: Final = (0.1, 1.0)
TIMEOUT: Final = 4.0
LONG: Final = (TIMEOUT + 1.0, TIMEOUT + 4.0)


class Host(Protocol):
    """A host with a cable."""

    name: str

    def cut(self) -> None: ...
    def heal(self) -> None: ...


class Deeds:
    """Does random things to the actors of a round, and later undoes what has to be undone.

    hub: the program whose output may be blocked. dquery: starts one with these arguments. join: starts a kworker.
    hosts: those whose cable may be cut. only: names of the deeds to choose from; empty: all. done: in words.
    """

    def __init__(
        self,
        stage: Stage,
        tasks: Sequence[Task],
        chance: random.Random,
        disk: Disk,
        *,
        hub: Callable[[], Started],
        dquery: Callable[..., Started],
        join: Callable[[], Started],
        hosts: Sequence[Host] = (),
        only: Sequence[str] = (),
    ) -> None:
        self._stage = stage
        self._tasks = tasks
        self._chance = chance
        self._disk = disk
        self._hub = hub
        self._dquery = dquery
        self._join = join
        self._hosts = hosts
        self._only = only
        self._undo: list[tuple[float, Callable[[], None]]] = []
        self.done: list[str] = []
        self.has_held = False
        self.was_hub_hit = False

    def act(self) -> None:
        """Do one thing that is possible now."""
        cast = self._stage.cast()
        hubs = [actor for actor in cast if actor.role == "hub"]
        workers = [actor for actor in cast if actor.role in ("rank", "kworker")]
        guests = [actor for actor in cast if actor.role == "kworker" and self._is_guest(actor)]
        tasks = [actor for actor in cast if actor.role == "task"]
        busy = [actor for actor in workers if any(task.parent == actor.pid for task in tasks)] or workers
        launchers = [actor for actor in cast if actor.role == "launcher"] or hubs
        choose = self._chance.choice
        possible: list[tuple[str, int, Callable[[], None]]] = []

        def offer(name: str, weight: int, deed: Callable[[], None], *, given: object = True) -> None:
            if given and (not self._only or name in self._only):
                possible.append((name, weight, deed))

        offer("storm", 3, self._storm)
        offer("block", 2, self._block)
        offer("join", 3, self._guest_joins)
        offer("kill hub", 2, lambda: self._kill(hubs[0]), given=hubs)
        offer("stop hub", 3, lambda: self._stop(hubs[0]), given=hubs)
        offer("signal", 3, lambda: self._signal(choose([*hubs, *launchers])), given=hubs)
        offer("kill worker", 4, lambda: self._kill(choose(busy)), given=workers)
        offer("stop worker", 4, lambda: self._stop(choose(busy)), given=workers)
        offer("leave", 3, lambda: self._signal(choose(guests)), given=guests)
        offer("ask to leave", 1, lambda: self._ask_to_leave(choose(guests)), given=guests)
        offer("kill task", 2, lambda: self._kill_task(choose(tasks)), given=tasks)
        offer("stop task", 1, lambda: self._stop(choose(tasks)), given=tasks)
        offer("cut", 8, self._cut_cable, given=self._hosts)
        offer("fill", 5, self._fill, given=self._disk.can_be_full)
        offer("freeze", 5, self._freeze, given=self._disk.can_freeze)
        offer("kill all", 1, self._kill_all)
        if possible:
            self._chance.choices(possible, [weight for _, weight, _ in possible])[0][2]()

    def tick(self) -> None:
        """Undo what is due."""
        now = time.monotonic()
        due = [undo for at, undo in self._undo if at <= now]
        self._undo = [(at, undo) for at, undo in self._undo if at > now]
        for undo in due:
            undo()

    def undo_all(self) -> None:
        while self._undo:
            self._undo.pop()[1]()

    # -- one by one --------------------------------------------------------------------------------------------

    def _note(self, text: str) -> None:
        self.done.append(text)
        self._stage.trace.note("deed", text)

    def _cut_off(self, actor: Actor) -> None:
        """Note that what runs at this actor may also be run by others from now on."""
        if actor.role != "task":
            self._stage.trace.note("cut", "*" if actor.role == "hub" else actor.location)
        self.was_hub_hit = self.was_hub_hit or actor.role == "hub"

    def _later(self, seconds: float, undo: Callable[[], None]) -> None:
        self._undo.append((time.monotonic() + seconds, undo))

    def _is_guest(self, actor: Actor) -> bool:
        return any(actor.pid == started.process.pid for started in self._stage.started)

    def _kill(self, actor: Actor) -> None:
        self._cut_off(actor)
        self._note(f"kill {actor.role}")
        _send(actor.pid, signal.SIGKILL)

    def _kill_task(self, actor: Actor) -> None:
        self._note("kill a task")
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getpgid(actor.pid) == actor.pid:
                os.killpg(actor.pid, signal.SIGKILL)

    def _kill_all(self) -> None:
        self._stage.trace.note("cut", "*")
        self.was_hub_hit = True
        self._note("kill everything")
        self.undo_all()
        self._stage.kill_all()

    def _stop(self, actor: Actor) -> None:
        self._cut_off(actor)
        is_long = self._chance.random() < 0.4
        self._note(f"stop {actor.role}{' for long' if is_long else ''}")
        _send(actor.pid, signal.SIGSTOP)
        self._later(self._chance.uniform(*(LONG if is_long else SHORT)), lambda: _send(actor.pid, signal.SIGCONT))

    def _signal(self, actor: Actor) -> None:
        number = self._chance.choice(SIGNALS)
        if actor.role == "kworker":
            self._cut_off(actor)
        self._note(f"{number.name} to {actor.role}")
        _send(actor.pid, number)

    def _guest_joins(self) -> None:
        self._note("kworker joins")
        self._join()

    def _ask_to_leave(self, actor: Actor) -> None:
        self._note("kworker is asked to leave")
        self._dquery("stop-worker", actor.location)

    def _block(self) -> None:
        hub = self._hub()
        self._note("nobody reads the output")
        hub.block()
        self._later(self._chance.uniform(*self._chance.choice([SHORT, LONG])), hub.unblock)

    def _storm(self) -> None:
        self._note("storm of queries")
        for _ in range(self._chance.randint(2, 4)):
            task = self._chance.choice(self._tasks).name
            words: Any = self._chance.choice(
                [
                    ("status",), ("list",), ("show", task), ("log", task), ("log", task, "--follow"), ("why", task),
                    ("cancel", task), ("retry", task), ("retry", "*"), ("hold", task), ("release", "*"),
                ]
            )  # fmt: skip
            self.has_held = self.has_held or words[0] == "hold"
            self._dquery(*words)

    def _cut_cable(self) -> None:
        host = self._chance.choice(self._hosts)
        self._stage.trace.note("cut", "*")
        self._note(f"cable of {host.name} cut")
        host.cut()
        self._later(self._chance.uniform(*self._chance.choice([SHORT, LONG])), host.heal)

    def _fill(self) -> None:
        self._note("disk full")
        self._disk.fill()
        self._later(self._chance.uniform(0.5, 3.0), self._disk.empty)

    def _freeze(self) -> None:
        self._note("file system frozen")
        self._disk.freeze()
        self._later(self._chance.uniform(*self._chance.choice([SHORT, LONG])), self._disk.thaw)


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
