"""The causes for which dwork, a worker or a whole run ends an attempt of a task."""

from __future__ import annotations

from enum import Enum


class Cause(Enum):
    """Why an attempt of a task ended other than by itself, or why its end is unknown."""

    # The values are in records, and the order of the members is on the wire: never change either, add at the end.

    ITSELF = ""  # it ended by itself
    NOT_STARTED = "not started"  # the system refused to start it
    TIMEOUT = "timeout"  # it exceeded its timeout
    MEMORY = "memory"  # it used more memory than it asked for, or the system ran out of memory
    OUTPUT = "output"  # its output could not be stored
    CANCELLED = "cancelled"  # somebody cancelled it
    STOPPED = "stopped"  # the run stopped
    REVOKED = "revoked"  # its result does not count, or a task before it must run again
    LEFT = "left"  # its worker left, and ended it
    UNSTARTED = "unstarted"  # its worker gave it back, or never got it, before it started: no attempt
    NEVER_ARRIVED = "never arrived"  # it was lost on the way to its worker
    ELSEWHERE = "elsewhere"  # another worker finished it first
    NO_OUTPUT = "no output"  # some of its output never arrived
    DIED = "died"  # its worker died, or was silent for too long
    RUN_DIED = "run died"  # the whole run died
    OTHER = "other"  # only the text knows: it is from a client, or from another version of dwork
    SETUP = "setup"  # its setup block failed, so its command did not run
    LEFTOVERS = "leftovers"  # it left processes behind, which this run counts as a failure
    NOT_CREATED = "not created"  # it exited with 0, but did not create a file that it promises

    __hash__ = object.__hash__  # Enum's own is a slow Python function

    @property
    def is_loss(self) -> bool:
        """Whether the attempt may have caused the death that ended it."""
        return self in _LOSSES

    @property
    def is_interruption(self) -> bool:
        """Whether dwork ended the attempt to run the task again later, through no fault of the task."""
        return self in _INTERRUPTIONS


_LOSSES = frozenset({Cause.NO_OUTPUT, Cause.DIED, Cause.RUN_DIED})
_INTERRUPTIONS = frozenset({Cause.STOPPED, Cause.REVOKED, Cause.LEFT})
