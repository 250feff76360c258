"""The settings of a hub."""

from __future__ import annotations

from dataclasses import dataclass

from dwork.core.halt import Halt
from dwork.core.task import EndWarning


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The hub's settings, and the defaults of tasks that do not set their own.

    retries: how often a failed task is retried. delay: seconds before the first retry; each further retry waits twice
    as long. losses: a task fails after this many workers have died while running it. silence: seconds without a message
    after which a worker that promised to send beats is lost. timeout: seconds that one attempt may take; None: no
    limit. grace: seconds between TERM and KILL when an attempt must end; None: the worker's own. warn: of tasks before
    the end of the job. halt: when failures stop the pool. unknown_is_done: treat an unknown predecessor as done, as the
    C++ hub does, instead of refusing it. exclude: exclude workers on which tasks fail that succeed elsewhere. elastic:
    workers may join that can run tasks which no present worker can; otherwise the hub stops when only such tasks are
    left.
    """

    retries: int = 0
    delay: float = 1.0
    losses: int = 5
    silence: float = 60.0
    timeout: float | None = None
    grace: float | None = None
    warn: EndWarning | None = None
    halt: Halt | None = None
    unknown_is_done: bool = False
    exclude: bool = True
    elastic: bool = True

    @property
    def beat(self) -> float:
        """Seconds between two beats of a worker, short enough to notice its silence in time."""
        return self.silence / 8
