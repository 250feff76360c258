"""Plants a fault in dwork, for `chaos.py --planted` alone.

Python imports this module when it starts and finds it on PYTHONPATH. $CHAOS_PLANTED names the fault: it changes one
module of dwork as soon as that is imported.
"""

from __future__ import annotations

import importlib.machinery
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any


def wake_up(dispatch: Any) -> None:
    """Forget the Steals that wait when there is something for them."""

    def serve(self: Any, choose: Callable[[set[Any]], Any], step: Any) -> None:
        while self._graph.ready and (peer := choose(set())) is not None:
            self._workers.withdraw(peer)

    dispatch.Dispatch._serve = serve


def early(runner: Any) -> None:
    """Report some tasks as done as soon as they have started."""
    start, poll = runner.Runner.start, runner.Runner.poll
    fresh: list[Any] = []
    reported: set[int] = set()

    def start_one(self: Any, assigned: Any, now: float) -> Any:
        result = start(self, assigned, now)
        if result is None and assigned.id % 3 == 1:
            fresh.append(assigned)
        return result

    def poll_all(self: Any, now: float) -> list[Any]:
        ended = [each for each in poll(self, now) if each[0].id not in reported]
        reported.update(assigned.id for assigned in fresh)
        ended += [(assigned, runner.nothing_to_run(assigned, now)) for assigned in fresh]
        fresh.clear()
        return ended

    runner.Runner.start, runner.Runner.poll = start_one, poll_all


def output(logs: Any) -> None:
    """Record where the output of some tasks is, but do not write it."""
    append = logs.Logs.append
    logs.Logs.append = lambda self, location, id, attempt, stream, data: append(
        self, location, id, attempt, stream, data if id % 3 else b""
    )


def forget(returns: Any) -> None:
    """Do not give back one of the tasks of a lost worker."""
    lose = returns.Returns.lose
    returns.Returns.lose = lambda self, worker, nodes, *more: lose(self, worker, nodes[1:], *more)


def same_attempt(returns: Any) -> None:
    """Run the tasks of a lost worker again as if they had never started."""
    returns.Returns.lose = lambda self, worker, nodes, cause, reason, step: self.take_back(
        worker, nodes, returns.Cause.UNSTARTED, reason, step
    )


def behind(processes: Any) -> None:
    """Let a worker leave a process behind."""
    close = processes.Processes.close

    def leave(self: Any) -> None:
        close(self)
        subprocess.Popen(["sleep", "600"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL, start_new_session=True)  # fmt: skip

    processes.Processes.close = leave


#: For each fault: the module that it changes, and how.
FAULTS: dict[str, tuple[str, Callable[[Any], None]]] = {
    "wake-up": ("dwork.hub.dispatch", wake_up),
    "early": ("dwork.runner.runner", early),
    "output": ("dwork.record.logs", output),
    "forgotten": ("dwork.hub.returns", forget),
    "same attempt": ("dwork.hub.returns", same_attempt),
    "left behind": ("dwork.runner.processes", behind),
}


class _Finder:
    """Finds the module to change as Python does, and changes it once it has been executed."""

    def __init__(self, name: str, change: Callable[[Any], None]) -> None:
        self._name = name
        self._change = change

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != self._name:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        assert spec is not None and spec.loader is not None
        execute = spec.loader.exec_module

        def execute_and_change(module: Any) -> None:
            execute(module)
            self._change(module)

        spec.loader.exec_module = execute_and_change  # type: ignore[method-assign]
        return spec


if planted := os.environ.get("CHAOS_PLANTED"):
    sys.meta_path.insert(0, _Finder(*FAULTS[planted]))  # type: ignore[arg-type]
