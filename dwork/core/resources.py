"""The resources that a task asks for and that a worker has: cores, memory, GPUs."""

from __future__ import annotations

from typing import NamedTuple

from dwork.core.text import counted, size


class Resources(NamedTuple):
    """cores and gpus are counts. memory is in bytes; 0 when a task does not set it or a worker does not know it."""

    cores: int = 1
    memory: int = 0
    gpus: int = 0

    def suffices(self, asked: Resources) -> bool:
        """Whether an idle worker with these resources could run a task that asks for `asked`."""
        return (
            asked.cores <= self.cores and asked.gpus <= self.gpus and (asked.memory <= self.memory or not self.memory)
        )

    def __str__(self) -> str:
        parts = [counted(self.cores, "core")]
        if self.memory:
            parts.append(size(self.memory))
        if self.gpus:
            parts.append(counted(self.gpus, "GPU"))
        return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]


#: What most tasks ask for; and no resources at all.
ONE_CORE = Resources()
NOTHING = Resources(0)
