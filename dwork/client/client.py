"""The Python client: adds tasks to a running hub, queries its state, or steals tasks that the program runs itself.

    from dwork import AllDone, Client

    with Client() as client:
        client.create("mesh", "mesh in.geo mesh.h5")
        client.create("solve", "solve mesh.h5", after=["mesh"], cores=4)
        print(client.status().active)

Theory of operation. Requests are those of the original dialect: one request, one reply. Without a reply, a request that
may be carried out twice is sent again: create, all queries, and complete of a task as `steal` returned it, which has
its attempt. The others (steal, transfer, exit_worker, and complete by name) are sent once: when the reply does not
arrive, TransportError leaves open whether they were carried out. So are cancel, retry, hold and release: the second
time they would find nothing left to do, and report that. A worker that loses the reply to a steal should call
`exit_worker` as soon as it holds nothing else, so that the tasks in that reply run elsewhere. A reported failure whose
reply was lost ends in NotHeld if the task is to be retried: no worker holds it then.
"""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from dwork.client import control, queries, stealing
from dwork.client.requests import Requests
from dwork.client.status import End, Found, Status
from dwork.connection.choice import choose
from dwork.connection.file import Connection
from dwork.core.amounts import end_warning
from dwork.core.cause import Cause
from dwork.core.errors import UsageError
from dwork.core.messages import Verb
from dwork.core.rows import OutputPiece, RunView, TaskDetails, TaskRow, WorkerRow
from dwork.core.shell import Shell, words_of
from dwork.core.task import Assigned, Options, OptionValues, Result, Task
from dwork.runner.created import judged

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Client:
    """A connection to a hub, which threads may share; close it, or use it in a `with` statement.

    The hub is that of the connection file `connection` (a path or a Connection), of the batch job `job`, or at the
    address `server` (HOST, HOST:PORT or tcp://HOST:PORT); by default the hub that started the running task
    ($DWORK_CONNECTION), or the only known hub in ~/.dwork. insecure: the hub at `server` has no keys, as the C++ dhub.
    timeout: seconds that a request may take. location: the name under which this client holds tasks, unique among all
    workers; by default host:pid.

    Nothing is sent before the first request. Do not carry a client across a fork. Every method may raise
    TransportError (no answer within `timeout`), WireError (the peer is not a hub, or the request cannot be sent),
    UsageError (an argument is invalid) and GraphError (the hub refused; nothing has changed).
    """

    def __init__(
        self,
        server: str | None = None,
        *,
        connection: str | Connection | None = None,
        job: str | None = None,
        insecure: bool = False,
        timeout: float = 10.0,
        location: str | None = None,
    ) -> None:
        if not timeout > 0:
            raise UsageError(f"a timeout of {timeout} s leaves no time for an answer; use a longer one")
        self.timeout = timeout
        self.location = location or f"{socket.gethostname()}:{os.getpid()}"
        self.connection = choose(server, connection, job, insecure=insecure)
        self._requests = Requests(self.connection, timeout)
        self._exchange = self._requests.exchange

    @property
    def server(self) -> str:
        """The address of the hub."""
        return self._exchange.server

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect. This location keeps its tasks: complete or transfer them, or call `exit_worker`, before."""
        self._exchange.close()

    # -- the graph ---------------------------------------------------------------------------------------------

    def create(
        self,
        name: str,
        command: str | Sequence[str] | None = None,
        after: str | Iterable[str] = (),
        *,
        after_any: str | Iterable[str] = (),
        **options: Unpack[OptionValues],
    ) -> None:
        """Add a task, which runs when the tasks in `after` are done and those in `after_any` have ended, well or not.

        command: a line for the shell, or a list of arguments to start without a shell; by default the name. options:
        the fields of `Options` (cores, memory in bytes, gpus, timeout in seconds, grace: seconds between TERM and KILL
        when it has to end, warn: a signal before the end of the job, such as "USR1@5m", retries, priority, cwd,
        min_time in seconds, env as a dict or pairs, shell such as "bash -e", creates: files that must exist when it
        has exited with 0). GraphError when the name is taken by another task, when one of `after` or `after_any` does
        not exist, or when they form a cycle; adding the same task again is not an error.
        """
        if not isinstance(command, str | None):
            command = tuple(command)
        if isinstance(variables := options.get("env"), Mapping):
            options["env"] = tuple(variables.items())
        if isinstance(shell := options.get("shell"), str):
            options["shell"] = Shell(words_of(shell))
        if isinstance(warning := options.get("warn"), str):
            options["warn"] = end_warning(warning)
        if "creates" in options:
            options["creates"] = _names(options["creates"])
        what = name if command in (None, name) else command
        self.create_all([Task(name, what, _names(after), Options(**options), after_any=_names(after_any))])  # type: ignore[arg-type]

    def create_all(self, tasks: Iterable[Task]) -> int:
        """Add tasks, which may refer to one another in any order, and return their number.

        They are sent in messages of up to 10,000 tasks; each message adds all of its tasks or, with GraphError, none.
        The error says how many had been added before; the same call may be repeated. A task without `command` is a
        join: it runs nothing, and is done when all tasks that it comes after are.
        """
        from dwork.client import adding  # slow to import, since it reads commands as a shell does

        return adding.add(self._requests, tasks)

    def status(self) -> Status:
        """Return how many tasks are in each state."""
        return self._requests.status()

    def lookup(self, name: str) -> Found | None:
        """Return the state of a task, given by its name or by `#id`; None when there is no such task.

        GraphError when the hub is the original C++ one, which does not support this.
        """
        return queries.lookup(self._requests, name)

    def wait(self, seconds: float = math.inf) -> End | None:
        """Wait until the run has ended, and return how; None when it has not ended after `seconds`.

        Other requests of this client do not have to wait for this. TransportError when the hub is gone without notice.
        """
        return queries.end(self._requests, seconds)

    def watch(self) -> RunView:
        """Return the state of the run, its workers, running tasks and last failures, as `dquery watch` shows them."""
        return queries.view(self._requests)

    def counts(self) -> Mapping[str, int]:
        """Return how many tasks are in each state; empty when the hub is the original C++ dhub."""
        return self.status().counts

    # -- the record --------------------------------------------------------------------------------------------

    def tasks(self, states: str | Iterable[str] = (), glob: str | None = None) -> Iterator[TaskRow]:
        """Yield all tasks in the order of their ids; each thousand is read when it is reached.

        states: only tasks in one of these. glob: only tasks whose name matches or equals it. Joins are left out.
        GraphError when the hub cannot list tasks: it is the original C++ one, or keeps no record.
        """
        return queries.tasks(self._requests, _names(states), glob)

    def task(self, key: str, *, whole: bool = False) -> TaskDetails | None:
        """Return the details of a task, given by its name or by `#id`; None when there is no such task.

        Of the predecessors, it has a hundred, unfinished ones first. whole: all of them, in order.
        """
        return queries.task(self._requests, key, whole=whole)

    def output(self, row: TaskRow, piece: OutputPiece) -> bytes:
        """Return a piece of a task's output; row: from `task`; piece: from its `output`. GraphError when it is gone."""
        return queries.output(self._requests, row, piece)

    # -- changing tasks ----------------------------------------------------------------------------------------

    def cancel(self, *tasks: str) -> int:
        """Cancel tasks that have not ended, and terminate those that run; return their number.

        Tasks that come after them are skipped. Here and below, tasks are given by name, by `#id` or by a glob over
        names. A task that is named must be in a suitable state, or GraphError is raised and nothing has changed; a glob
        selects only tasks in a suitable state.
        """
        return control.control(self._requests, Verb.CANCEL, tasks)

    def retry(self, *tasks: str) -> int:
        """Retry tasks that failed or were cancelled, and with them the tasks that were skipped because of them."""
        return control.control(self._requests, Verb.RETRY, tasks)

    def hold(self, *tasks: str) -> int:
        """Keep tasks that no worker has taken from starting, until `release`."""
        return control.control(self._requests, Verb.HOLD, tasks)

    def release(self, *tasks: str) -> int:
        """Let held tasks start again."""
        return control.control(self._requests, Verb.RELEASE, tasks)

    # -- a worker's requests -----------------------------------------------------------------------------------

    def steal(self, n: int = 1, wait: float = 0.0) -> list[Assigned]:
        """Steal up to n ready tasks, which this location then holds; return an empty list when none is ready.

        wait: seconds to keep asking, at least every half second, until a task is ready; may be math.inf. AllDone when
        all tasks are finished, or the pool hands out no more: there is nothing to wait for.
        """
        return stealing.steal(self._requests, self.location, n, wait)

    def complete(
        self,
        task: Assigned | str,
        exit_status: int = 0,
        *,
        started: float = 0.0,
        seconds: float = 0.0,
        error: str = "",
        stdout: bytes = b"",
        stderr: bytes = b"",
    ) -> None:
        """Report how a task that this location holds has ended.

        exit_status: 0 is success; -N, as in subprocess, means that signal N ended the task. started: seconds since the
        epoch; seconds: how long it ran; error: why it was ended or did not start; stdout, stderr: its output, when it
        is short. NotHeld when this location does not hold it: it was taken back, and may be running elsewhere. Pass the
        task as `steal` returned it, not its name, when it may be retried: then an earlier attempt is not mistaken for a
        later one, and a success is reported as a failure when a file that the task `creates` is missing here.
        """
        name, attempt = (task, 0) if isinstance(task, str) else (task.name, task.attempt)
        signal = max(0, -exit_status)
        status = exit_status if exit_status >= 0 else 128 + signal
        cause = Cause.OTHER if error else Cause.ITSELF
        result = Result(name, attempt, status, signal, started, seconds, cause=cause, error=error)
        if not isinstance(task, str):
            result = judged(task, result)
        self.complete_all([result._replace(stdout=stdout, stderr=stderr)])

    def complete_all(self, results: Iterable[Result]) -> None:
        """Report how several tasks, given by name, ended; as `complete`, but in one message.

        NotHeld lists those that this location does not hold; the others are accepted.
        """
        stealing.complete(self._requests, self.location, results)

    def transfer(self, task: Assigned | str, after: str | Iterable[str] = ()) -> None:
        """Give back a task unfinished; it runs again when all tasks named in `after` are done as well.

        NotHeld when this location does not hold it.
        """
        name = task if isinstance(task, str) else task.name
        stealing.transfer(self._requests, self.location, name, _names(after))

    def exit_worker(self, location: str | None = None) -> bool:
        """Report that a worker, by default this client, is gone: the tasks that it holds become ready again.

        Return whether the hub knew it; the hub does not know a worker that never stole.
        """
        return stealing.exit_worker(self._requests, location or self.location)

    # -- workers -----------------------------------------------------------------------------------------------

    def workers(self) -> list[WorkerRow]:
        """Return all workers."""
        return queries.workers(self._requests)

    def stop_workers(self, *locations: str) -> int:
        """Stop workers, given by name or glob, after they have finished their running tasks; return their number."""
        return control.stop_workers(self._requests, locations)

    def include_workers(self, *locations: str) -> int:
        """Give excluded workers, named or matched by a glob, tasks again; return their number.

        A hub excludes a worker on which tasks fail that succeed elsewhere.
        """
        return control.include_workers(self._requests, locations)

    def drain(self, *, now: bool = False) -> None:
        """Make the hub hand out no more tasks; now: also terminate running tasks, which the next run runs again."""
        control.drain(self._requests, now=now)


def _names(given: str | Iterable[str]) -> tuple[str, ...]:
    """Return one name, or several, as a tuple."""
    return (given,) if isinstance(given, str) else tuple(given)
