"""A round: a graph that is run, disturbed and run again until nothing is left, and the judgement of what happened."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from _chaos.deeds import TIMEOUT, Deeds
from _chaos.disks import Disk, mounted
from _chaos.graphs import expected, random_graph, write
from _chaos.pasts import Past, read
from _chaos.patience import MACHINE, Patience, Stalled, wait_until
from _chaos.proof import faults
from _chaos.stage import Stage, Started, describe
from tests.ports import free_port

#: Seconds after which a worker gives up a hub that does not answer (--hub-timeout).
_HUB_TIMEOUT: Final = 15
#: Seconds without any trace after which a run stands still: a worker is missed after TIMEOUT, a task takes at most 3.
#: Workers ask again every 30 seconds, which hides a wake-up that was left out from longer limits. After a deed more may
#: be waited for: a kworker gives up after _HUB_TIMEOUT, and ranks wait for two minutes for a hub that was hit.
STANDSTILL: Final = (20.0, 45.0)
_RANKS_WAIT: Final = 150.0
#: A run that is left in peace at its start has started a task on that many ranks, or that many seconds have passed.
_RANKS: Final = 3
_START: Final = 10.0
#: Seconds that processes may take to leave when their hub has ended.
_LEAVE: Final = _HUB_TIMEOUT + 20.0
#: Runs that nobody disturbs, until no task is left: each may unlock a task that fails twice before it succeeds.
_QUIET_RUNS: Final = 20
#: The exit code of a program that ends by an exception that nobody expected.
_BUG: Final = 70
_HUB_OPTIONS: Final = ("--worker-timeout", f"{TIMEOUT:g}s", "--max-attempts-lost", 1000, "--retry-delay", "0.3s")


_one_network = threading.Lock()


@dataclass(frozen=True, slots=True)
class Configuration:
    """How tasks are run. launch: the words before the options of dwork-pool; None: a dhub and kworkers."""

    name: str
    programs: Path
    launch: Callable[[Stage], list[object]] | None
    has_hosts: bool = False
    #: Nothing is done before each rank has started a task: those without word of their hub wait for it without limit.
    starts_in_peace: bool = False


@dataclass(slots=True)
class Report:
    """What became of a round."""

    seed: int
    configuration: str
    directory: Path
    disk: str = "plain"
    tasks: int = 0
    runs: int = 0
    starts: int = 0
    seconds: float = 0.0
    deeds: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    beside: int = 0


def play(
    configuration: Configuration,
    seed: int,
    directory: Path,
    disks: Sequence[str],
    most: int,
    *,
    deeds: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
    standstill: tuple[float, float] = STANDSTILL,
) -> Report:
    """Play a round in a new directory.

    disks: the kinds to choose from. most: tasks. deeds: the names of those to choose from; empty: all. variables: of
    all processes. standstill: seconds without any trace that a run may take, without and with deeds.
    """
    chance = random.Random(f"{seed} {configuration.name}")
    kind = chance.choice(disks)
    report = Report(seed, configuration.name, directory, kind)
    begin = time.monotonic()
    directory.mkdir()
    with contextlib.ExitStack() as stack:
        disk = stack.enter_context(mounted(directory / "record", kind))
        own = {} if configuration.has_hosts else {"DWORK_BIND": "127.0.0.1"}
        stage = Stage(directory, configuration.programs, {**own, **(variables or {})})
        stack.callback(stage.close)
        hosts = stack.enter_context(_network()) if configuration.has_hosts else []
        scene = _Scene(configuration, stage, chance, disk, most, hosts, deeds, standstill)
        try:
            scene.play()
        except Stalled as error:
            report.faults.append(str(error))
            report.faults.append(f"at that time there were: {describe(stage.pids())}")
        finally:
            scene.deeds.undo_all()
            stage.kill_all()
            stage.forget_shared_memory()
        scene.judge(report)
    report.seconds = time.monotonic() - begin
    return report


def _is_of_dwork(err: str) -> bool:
    """Whether this is a traceback, other than that of a Python that was interrupted while it imported modules."""
    trace = err.partition("Traceback")[2]
    is_interrupted = "KeyboardInterrupt" in trace and ", in main" not in trace
    return "a bug in dwork" in err or bool(trace and not is_interrupted)


@contextlib.contextmanager
def _network() -> Iterator[list[Any]]:
    from tests.system.netns.conftest import Network

    Path("/run/netns").mkdir(exist_ok=True)
    with _one_network:  # it is named after this process
        network = Network(3)
        try:
            yield network.hosts
        finally:
            network.remove()


class _Scene:
    """The hub of a round, started again and again, and its workers."""

    def __init__(
        self,
        configuration: Configuration,
        stage: Stage,
        chance: random.Random,
        disk: Disk,
        most: int,
        hosts: list[Any],
        deeds: Sequence[str],
        standstill: tuple[float, float],
    ) -> None:
        self._configuration = configuration
        self._stage = stage
        self._chance = chance
        self._hosts = hosts
        self._standstill = standstill
        self._port = free_port()
        self._tasks = random_graph(chance, most)
        self._file = write(self._tasks, stage.directory)
        self._record = disk.directory / "run.db"
        self._runs = 0
        self._pasts: dict[int, Past] = {}
        self._faults: list[str] = []
        self._final = Past()
        self._hub: Started | None = None
        self._disturbed = chance.randint(1, 4)
        self._options = self._random_options()
        self.deeds = Deeds(
            stage,
            self._tasks,
            chance,
            disk,
            hub=self._the_hub,
            dquery=self._dquery,
            join=self._join,
            hosts=hosts[1:],
            only=deeds,
        )

    def _random_options(self) -> list[object]:
        some: list[list[object]] = [["--keep-order"], ["--joblog", "joblog"], ["--quiet"], ["--progress", "bar"]]
        some += [["--slots", 2], ["--transport", "zmq"]]
        chosen = self._chance.sample(some, self._chance.choice([0, 0, 1, 2]))
        if ["--quiet"] in chosen:
            chosen = [each for each in chosen if "--progress" not in each]
        if self._configuration.name == "alone":
            chosen = [each for each in chosen if "--transport" not in each and "--slots" not in each]
        return [word for each in chosen for word in each]

    def play(self) -> None:
        """Run until nothing is left: some disturbed runs first, then quiet ones."""
        wanted = expected(self._tasks)
        quiet = 0
        while quiet < _QUIET_RUNS:
            is_quiet = self._runs >= self._disturbed or self._final.states == wanted
            quiet += is_quiet
            self._start()
            if not is_quiet:
                self._disturb()
            self.deeds.undo_all()
            self._finish(is_quiet, wanted)
            if is_quiet and self._final.states == wanted:
                return
        raise Stalled(f"after {_QUIET_RUNS} quiet runs it is not done")

    # -- programs ----------------------------------------------------------------------------------------------

    def _the_hub(self) -> Started:
        assert self._hub is not None
        return self._hub

    def _start(self) -> None:
        """Start the hub, and for a dhub workers."""
        self._runs += 1
        self._stage.trace.note("run", self._runs)
        self.deeds.was_hub_hit = False
        launch = self._configuration.launch
        if launch is not None:
            options = [*_HUB_OPTIONS, "--elastic", *self._options, "-f", self._record]
            self._hub = self._stage.start(*launch(self._stage), *options, self._file.name)
            return
        bind: list[object] = ["--bind", self._hosts[0].address] if self._hosts else []
        words = self._stage.dwork("dhub", "-p", self._port, *bind, "-f", self._record, *_HUB_OPTIONS)
        self._hub = self._on_host(0, words)
        self._await_connection()
        if self._runs == 1:
            self._ask("addfile", str(self._file))
        for _ in range(2):
            self._join()

    def _await_connection(self) -> None:
        hub = self._the_hub()
        connections = self._stage.directory / "connections"
        wait_until(
            lambda: hub.code is not None or list(connections.glob("*.json")),
            60,
            lambda: f"the hub does not start: {hub.err}",
        )

    def _on_host(self, number: int, words: list[object]) -> Started:
        if not self._hosts:
            return self._stage.start(*words)
        host = self._hosts[number]
        return self._stage.start(*host.prefix[:-1], host.name, "env", f"CHAOS_HOST={host.name}", *words)

    def _dquery(self, *words: object) -> Started:
        return self._on_host(0, self._stage.dwork("dquery", *words))

    def _ask(self, *words: object) -> Started:
        """Run a dquery to its end."""
        query = self._dquery(*words)
        wait_until(lambda: query.code is not None, 60, lambda: f"dquery {words[0]} does not end")
        query.finish()
        return query

    def _join(self) -> Started:
        options = ["--hub-timeout", _HUB_TIMEOUT, "--slots", self._chance.choice([1, 1, 2])]
        return self._on_host(self._chance.choice([1, 2]), self._stage.dwork("kworker", *options))

    # -- one run -----------------------------------------------------------------------------------------------

    def _disturb(self) -> None:
        """Do some deeds, each a moment or a few tasks after the one before."""
        hub, trace = self._the_hub(), self._stage.trace
        if self._configuration.starts_in_peace:
            before, patience = len(trace.lines()), Patience()
            while hub.code is None and patience.look() < _START:
                if len({line.worker for line in trace.lines()[before:] if line.kind == "start"}) >= _RANKS:
                    break
                self._tick()
        for _ in range(self._chance.randint(1, 8)):
            patience, limit = Patience(), self._chance.choice([0.3, 1.0, 3.0])
            goal = trace.size + self._chance.choice([0, 30, 200, 1000])
            while hub.code is None and trace.size < goal and patience.look() < limit:
                self._tick()
            if hub.code is not None:
                if self._configuration.launch is not None or self._chance.random() < 0.3:
                    return
                hub = self._come_back()
            self.deeds.act()

    def _come_back(self) -> Started:
        """Start a dhub again while its workers wait for it."""
        self._the_hub().finish()
        self._note_end(self._the_hub())
        for path in (self._stage.directory / "connections").glob("*.json"):
            path.unlink()
        self.deeds.done.append("hub comes back")
        self._start()
        return self._the_hub()

    def _tick(self) -> None:
        time.sleep(0.05)
        self.deeds.tick()

    def _finish(self, is_quiet: bool, wanted: Mapping[str, str]) -> None:
        """Wait for the end of the run and of everything that it has started, and read its record."""
        hub, trace = self._the_hub(), self._stage.trace
        if self._configuration.launch is None and hub.code is None:
            self._finish_dhub(wanted if is_quiet or self._chance.random() < 0.5 else None)
        limit = _RANKS_WAIT if self.deeds.was_hub_hit else self._standstill[not is_quiet]
        patience, size, released, looked = Patience(), trace.size, 0.0, 0.0
        while hub.code is None:
            self._tick()
            if trace.size > size:
                patience, size, released, looked = Patience(), trace.size, 0.0, 0.0
            spent = patience.look()
            if spent > looked + 1.0:
                looked = spent
                self._stage.cast()
            if self.deeds.has_held and spent > released + 2.0:
                released = spent
                self._dquery("release", "*")
            if spent > limit:
                raise Stalled(f"run {self._runs} stands still: {limit:g} s, {MACHINE}")
        wait_until(lambda: not self._stage.pids(), _LEAVE, self._who_is_left)
        hub.finish()
        self._look_back(is_quiet, hub)

    def _who_is_left(self) -> str:
        return f"run {self._runs} has ended, but there are still {describe(self._stage.pids())}"

    def _note_end(self, hub: Started) -> tuple[Past, bool]:
        """Read the record of a run, and note how it ended; return also whether it was killed."""
        past, was_killed = read(self._record)
        self._pasts[self._runs] = self._final = past
        self._stage.trace.note("over", f"{self._runs} {'killed' if was_killed else hub.code}")
        return past, was_killed

    def _look_back(self, is_quiet: bool, hub: Started) -> None:
        """Read the record of the run, and check that nothing is left of it."""
        past, was_killed = self._note_end(hub)
        if is_quiet:
            is_done = set(past.states.values()) == {"done"}
            if self._configuration.launch is not None and hub.code not in ((0,) if is_done else (1,)):
                self._faults.append(f"a quiet run exits with {hub.code}: {hub.err[-2000:]}")
            if was_killed:
                self._faults.append(f"a quiet run was not ended in its record: {hub.err[-2000:]}")
            if left := self._stage.left_files():
                self._faults.append(f"a quiet run leaves files: {', '.join(left)}")
        self._stage.clean()

    # -- a dhub ------------------------------------------------------------------------------------------------

    def _finish_dhub(self, wanted: Mapping[str, str] | None) -> None:
        """End a dhub by a signal; with `wanted` when these are the states of its tasks."""
        if wanted is not None:
            self._until_all_have_ended(wanted)
        for actor in self._stage.cast():
            if actor.role == "kworker":
                with contextlib.suppress(ProcessLookupError):
                    os.kill(actor.pid, signal.SIGTERM)
        wait_until(
            lambda: not any(actor.role == "kworker" for actor in self._stage.cast()), _LEAVE,
            lambda: f"kworkers do not leave: {describe(self._stage.pids())}",
        )  # fmt: skip
        for actor in self._stage.cast():
            if actor.role == "hub":
                os.kill(actor.pid, signal.SIGTERM)

    def _until_all_have_ended(self, wanted: Mapping[str, str]) -> None:
        """Wait until a dhub has these states, or has ended after a signal."""
        trace = self._stage.trace
        patience, size = Patience(), trace.size
        while (states := self._states()) not in (wanted, {}):
            if not any(actor.role == "kworker" for actor in self._stage.cast()):  # they leave when all has ended
                self._join()
            if trace.size > size:
                patience, size = Patience(), trace.size
            if patience.look() > self._standstill[1]:
                raise Stalled(f"run {self._runs}, of a dhub, stands still: {self._standstill[1]:g} s, {MACHINE}")
            self._ask("release", "*")
            ended = [name for name, state in states.items() if state in ("failed", "cancelled")]
            if wrong := [name for name in ended if states[name] != wanted[name]]:
                self._ask("retry", *wrong)
            time.sleep(0.5)

    def _states(self) -> dict[str, str]:
        """Return the states of the tasks of a dhub; nothing when it has ended."""
        query = self._ask("list", "--json")
        if query.code:
            wait_until(lambda: self._the_hub().code is not None, 30, lambda: f"dquery list has failed: {query.err}")
            return {}
        return {row["name"]: row["state"] for row in map(json.loads, query.out.splitlines())}

    # -- judgement ---------------------------------------------------------------------------------------------

    def judge(self, report: Report) -> None:
        """Fill in the report."""
        lines = self._stage.trace.lines()
        report.tasks, report.runs, report.deeds = len(self._tasks), self._runs, self.deeds.done
        report.starts = sum(line.kind == "start" for line in lines)
        report.beside = sum(line.kind == "beside" for line in lines)
        for started in self._stage.started:
            if started.code == _BUG or _is_of_dwork(started.err):
                self._faults.append(f"{' '.join(started.words)[:200]} exits with {started.code}: {started.err[-3000:]}")
        if not report.faults:
            report.faults += faults(self._tasks, lines, self._pasts, self._final)
        report.faults += self._faults
