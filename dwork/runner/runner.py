"""Runs tasks: decides what each is given, has its process started and ended (`processes`), and makes its result.

A worker that runs several tasks gives each its own CPUs (`allocation`). With --enforce-memory, each task that requests
memory is held to it.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping

from dwork.core.argv import arguments
from dwork.core.cause import Cause
from dwork.core.messages import DEFAULT_EXECUTION, Execution
from dwork.core.shell import DEFAULT, SHELL, Shell
from dwork.core.shell_syntax.features import Dialect
from dwork.core.task import Assigned, Options, Result
from dwork.core.text import UserText, user_bytes
from dwork.host import shell
from dwork.host.capacity import Equipment
from dwork.host.refusals import explained, is_refusal
from dwork.runner.allocation import Allocation, Share
from dwork.runner.capture import Sink
from dwork.runner.created import Created, judged
from dwork.runner.processes import Processes, Start
from dwork.runner.result import not_started, nothing_to_run, result_of
from dwork.runner.variables import Variables


class Refused(Exception):
    """The system has run out of what a start needs, which is no fault of the task; the text says what it is."""


class Runner:
    """The tasks that one worker runs. `now` is in seconds since the epoch everywhere.

    sink: see capture. grace: seconds between TERM and KILL. slots: number of tasks that run at a time. spared: the pid
    of a child of this process that is not a task and is not ended; 0: none.
    """

    def __init__(
        self,
        location: str,
        sink: Sink,
        *,
        grace: float = 5.0,
        slots: int = 1,
        equipment: Equipment | None = None,
        spared: int = 0,
    ) -> None:
        self._location = location
        self._slots = slots
        self._equipment = equipment or Equipment()
        self._running: dict[int, Assigned] = {}
        self.stuck: list[Assigned] = []  # tasks whose process cannot be killed, until somebody takes them
        self._free_slots: list[int] = []  # a heap of numbers that tasks had which have ended
        self._slot_of: dict[int, int] = {}  # by task
        self._variables = Variables(self._equipment.gpus, shares_cores=slots > 1 or self._equipment.shares_node)
        self._created = Created()
        self._processes = Processes(sink, grace, slots, spared)
        self.capture, self.long = self._processes.capture, self._processes.long
        self.directory = self._processes.directory
        self.configure(DEFAULT_EXECUTION, {})

    def configure(self, execution: Execution, way: Mapping[str, UserText]) -> None:
        """Set how to run tasks from now on; way: environment variables with which tasks reach the hub."""
        equipment = self._equipment
        is_pinned = self._slots > 1 if execution.pin is None else execution.pin
        can_pin = is_pinned and len(equipment.cpus) >= max(equipment.cores, self._slots)
        if not self._running:  # a Welcome may come twice; running tasks keep their share
            self._allocation = Allocation(equipment.cpus if can_pin else (), equipment.gpus.ids)
        self._enforces_memory = execution.enforce_memory
        environment = self._variables.of_all(execution, {"DWORK_WORKER": UserText(self._location), **way})
        self._has_bash_env = "BASH_ENV" in environment
        self._functions = shell.functions(environment)
        self._leftovers = execution.leftovers
        self._processes.configure(
            _encoded(environment), enforce_memory=execution.enforce_memory, leftovers=execution.leftovers
        )

    @property
    def deadline(self) -> float:
        """When `poll` has something to do even if no task ends."""
        return min(self._processes.deadline, self._created.deadline)

    def start(self, assigned: Assigned, now: float) -> Result | None:
        """Start a task. Return a result only if it has ended already: it has nothing to run, or cannot start.

        Refused when it could start at another time or place.
        """
        options = assigned.options
        chosen = options.shell or DEFAULT
        try:
            words = arguments(
                assigned.command, chosen, self._functions_of(chosen), directly=self._may_start_directly(options)
            )
            log = chosen.descriptors.log if chosen.setup else 0
        except ValueError as error:
            return not_started(assigned, user_bytes(chosen.name), error, now)
        if not words:
            return judged(assigned, nothing_to_run(assigned, now))
        asked = options.asks
        share = self._allocation.take(assigned.id, asked.cores, asked.gpus) if self._allocation else Share()
        slot = heapq.heappop(self._free_slots) if self._free_slots else len(self._slot_of)
        self._slot_of[assigned.id] = slot
        variables = _encoded(self._variables.of(assigned, asked, share.gpus, slot))
        limit = asked.memory if self._enforces_memory else 0
        cwd = None if options.cwd is None else user_bytes(options.cwd)
        encoded = tuple(map(user_bytes, words))
        what = Start(assigned.id, encoded, variables, cwd, share.cpus, options.timeout, limit, log, options.grace)
        try:
            self._processes.start(what, now)
        except (OSError, ValueError) as error:
            self._give_back(assigned.id)
            if isinstance(error, OSError) and is_refusal(error):
                raise Refused(explained(error)) from None
            return not_started(assigned, encoded[0], error, now)
        self._running[assigned.id] = assigned
        return None

    def _functions_of(self, chosen: Shell) -> frozenset[str]:
        """Return the exported functions that a shell finds before programs."""
        is_bash = chosen.is_bash or (chosen.words[0] == SHELL and shell.dialect() is Dialect.BASH)
        return self._functions if is_bash else frozenset()

    def _may_start_directly(self, options: Options) -> bool:
        """Whether a shell would do nothing but start the program of a plain line: bash may run $BASH_ENV before."""
        if options.shell is None or not options.shell.is_bash:
            return True
        return not (self._has_bash_env or any(name == "BASH_ENV" for name, _ in options.env))

    def poll(self, now: float) -> list[tuple[Assigned, Result]]:
        """Return the tasks that have ended. Also end tasks that ran out of time, read output, and look for files.

        A task whose process cannot be killed counts as ended, but keeps what it was given.
        """
        results = []
        for end in self._processes.poll(now):
            assigned = self._running.pop(end.task)
            if end.is_stuck:
                self.stuck.append(assigned)
            else:
                self._give_back(end.task)
            results.append((assigned, result_of(assigned, end, self._leftovers)))
        return self._created.sift(results, now)

    def _give_back(self, task: int) -> None:
        heapq.heappush(self._free_slots, self._slot_of.pop(task))
        self._allocation.give_back(task)

    def kill(self, task: int, now: float, cause: Cause, reason: str) -> None:
        """End a task: send TERM now, and KILL if it still runs after the grace period; wait for its files no longer."""
        self._processes.kill(task, now, cause, reason)
        self._created.hurry(task)

    def signal(self, task: int, number: int) -> None:
        """Send a signal to the processes of a task."""
        self._processes.signal(task, number)

    def postpone(self, seconds: float) -> None:
        """Let tasks run longer than their timeouts, since this process and they stood still for some seconds."""
        self._processes.postpone(seconds)
        self._created.postpone(seconds)

    def rewind(self) -> None:
        """Send all output of running tasks through the sink again."""
        self._processes.rewind()

    def close(self) -> None:
        """End all processes that still run, including those left behind by ended tasks, and wait for their ends."""
        self._processes.close()


def _encoded(variables: Mapping[str, str]) -> dict[bytes, bytes]:
    return {user_bytes(name): user_bytes(value) for name, value in variables.items()}
