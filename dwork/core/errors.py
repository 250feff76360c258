"""Every error that dwork raises, sorted by whose fault it is.

What happens to each is decided in one place per program: a WireError or a GraphError is answered with Error and
forgotten, a TransportError becomes an input of the hub, a StoreError stops the pool with nothing lost, and an
AssertionError is a bug of dwork's own and aborts.
"""

from dwork.core.task import TaskKey


class DworkError(Exception):
    """Anything that dwork reports in one line; its text says what to do."""


class WireError(DworkError):
    """A peer sent something that is not a message, or a message that its type forbids.

    answers: the number of the request, as far as it could be read; 0 when it had none.
    """

    def __init__(self, text: str, answers: int = 0) -> None:
        super().__init__(text)
        self.answers = answers


class GraphError(DworkError):
    """A request that is illegal now: a duplicate name, an unknown predecessor, a cycle. The state is unchanged."""


class NotHeld(GraphError):
    """Tasks that were reported or given back are not in that worker's hands; `tasks` has their names."""

    def __init__(self, text: str, tasks: tuple[TaskKey, ...] = ()) -> None:
        super().__init__(text)
        self.tasks = tasks


class AllDone(DworkError):
    """Nobody's fault: all tasks are finished, or no more are handed out, so a worker may leave."""


class TaskFileError(DworkError):
    """A task file that cannot be used; the text starts with `file:line:`."""


class TransportError(DworkError):
    """A peer is gone or cannot be reached."""


class StoreError(DworkError):
    """The record cannot be written: the pool must stop, since it could not remember."""


class InterruptError(DworkError):
    """A signal came before anything was run."""


class UsageError(DworkError):
    """The command line or the surroundings do not make sense."""
