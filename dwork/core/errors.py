"""Every error that dwork raises, grouped by who caused it.

Each program handles each of them in one place: a WireError or a GraphError is answered with Error and otherwise
ignored, a TransportError becomes an input of the hub, and a StoreError stops the pool without losing anything. Any
other exception is a bug in dwork: while a message is handled it costs that peer, and the hub continues if its graph is
whole; anywhere else it ends the program.
"""

from dwork.core.task import TaskKey


class DworkError(Exception):
    """Base of all errors that dwork reports in one line; the text says what to do."""


class WireError(DworkError):
    """A peer sent bytes that are not a message, or a message with fields that its type forbids.

    answers: the sequence number of the request; 0 when it had none or it could not be read.
    """

    def __init__(self, text: str, answers: int = 0) -> None:
        super().__init__(text)
        self.answers = answers


class GraphError(DworkError):
    """A request is illegal in the current state: duplicate name, unknown predecessor, cycle. Nothing has changed."""


class NotHeld(GraphError):
    """A worker reported or gave back tasks that it does not hold; `tasks` has their names or ids."""

    def __init__(self, text: str, tasks: tuple[TaskKey, ...] = ()) -> None:
        super().__init__(text)
        self.tasks = tasks


class AllDone(DworkError):
    """Not a fault: all tasks are finished, or no more are handed out, so a worker may leave."""


class TaskFileError(DworkError):
    """A task file cannot be used; the text starts with `file:line:`, where `file` is the source. line: 0 for none."""

    def __init__(self, text: str, source: str = "", line: int = 0) -> None:
        super().__init__(text)
        self.source = source
        self.line = line


class TransportError(DworkError):
    """A peer is gone or cannot be reached."""


class StoreError(DworkError):
    """The record cannot be written: the pool must stop, since results would be lost."""


class InterruptError(DworkError):
    """A signal arrived before anything ran."""


class UsageError(DworkError):
    """The command line or the environment is invalid."""
