"""The variables in the environment of a task: those of all tasks of its worker, and its own."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Final

from dwork.core.messages import Execution
from dwork.core.resources import ONE_CORE, Resources
from dwork.core.task import Assigned
from dwork.core.text import UserText, from_system, user_bytes, user_text
from dwork.host import gpus
from dwork.host.gpus import Gpus
from dwork.runner.environment import of_tasks

#: The variable that sets how many threads libraries start.
THREADS: Final = "OMP_NUM_THREADS"
#: A task name of more bytes is not in the task's environment: one variable holds at most 128 KiB.
LONGEST_NAME: Final = 100_000


class Variables:
    """The variables of one worker's tasks.

    has: its GPUs. shares_cores: whether several tasks run on its node at a time, so that each should use only the cores
    that it asked for.
    """

    def __init__(self, has: Gpus, *, shares_cores: bool) -> None:
        self._gpus = has
        self._shares_cores = shares_cores
        self._may_set_threads = True

    def of_all(self, execution: Execution, own: Mapping[str, UserText]) -> dict[str, str]:
        """Return the environment of all tasks. own: variables of this worker."""
        inherited: dict[str, str] = {user_text(name): user_text(value) for name, value in os.environb.items()}
        environment = {**of_tasks(inherited, execution), **own}
        self._may_set_threads = THREADS not in environment
        environment.update(self._of_resources(ONE_CORE, ()))
        return environment

    def of(self, assigned: Assigned, asked: Resources, gpus_given: Sequence[str], slot: int) -> dict[str, str]:
        """Return what a task has beside those. slot: its number among the tasks that run here, from 0."""
        variables = {
            "DWORK_TASK_ID": str(assigned.id),
            "DWORK_ATTEMPT": str(assigned.attempt),
            "DWORK_SLOT": str(slot),
            "DWORK_TASK_NAME": assigned.name if len(user_bytes(assigned.name)) <= LONGEST_NAME else "",
        }
        if asked is not ONE_CORE or assigned.options.env:
            variables.update(self._of_resources(asked, gpus_given))
            variables.update(assigned.options.env)
        return variables

    def _of_resources(self, asked: Resources, gpus_given: Sequence[str]) -> dict[str, str]:
        variables = {"DWORK_CORES": str(asked.cores), "DWORK_GPUS": str(asked.gpus), "DWORK_MEMORY": str(asked.memory)}
        if self._may_set_threads and (self._shares_cores or asked.cores > 1):  # else it has all cores of its node
            variables[THREADS] = str(asked.cores)
        own = gpus.environment(os.environ, self._gpus, gpus_given)
        return {**variables, **{name: from_system(value) for name, value in own.items()}}
