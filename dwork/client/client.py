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

import contextlib
import math
import os
import socket
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Final

from dwork.client.exchange import Exchange
from dwork.client.requests import Requests
from dwork.client.status import End, Found, Status
from dwork.connection.file import Connection, choose
from dwork.core import messages
from dwork.core.background import fault
from dwork.core.errors import AllDone, GraphError, NotHeld, TransportError, UsageError, WireError
from dwork.core.messages import Verb
from dwork.core.rows import OutputPiece, RunView, TaskDetails, TaskRow, WorkerRow
from dwork.core.task import PLAIN, Assigned, Options, OptionValues, Result, State, Task, TaskKey
from dwork.core.toposort import topological
from dwork.host import shell

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["AllDone", "Client", "End", "Found", "GraphError", "NotHeld", "Status", "TransportError"]

#: Maximum number of tasks in one message, and of characters in their names and commands.
TASKS_AT_ONCE: Final = 10_000
CHARACTERS_AT_ONCE: Final = 8_000_000
#: Seconds between a waiting client's requests for a ready task: the first and the longest pause.
SOON, LATER = 0.05, 0.5
#: Seconds after which a hub answers a query for the end of its run in any case, so that its loss is noticed.
LAP: Final = 5.0


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
        **options: Unpack[OptionValues],
    ) -> None:
        """Add a task, which runs when all tasks named in `after` are done.

        command: a line for /bin/sh, or a list of arguments to start without a shell; by default the name. options:
        the fields of `Options` (cores, memory in bytes, gpus, timeout in seconds, retries, priority, cwd,
        min_time in seconds, env as a dict or pairs). GraphError when the name is taken by another task, when one of
        `after` does not exist, or when they form a cycle; adding the same task again is not an error.
        """
        if not isinstance(command, str | None):
            command = tuple(command)
        if isinstance(variables := options.get("env"), Mapping):
            options["env"] = tuple(variables.items())
        names = (after,) if isinstance(after, str) else tuple(after)
        self.create_all([Task(name, name if command in (None, name) else command, names, Options(**options))])  # type: ignore[arg-type]

    def create_all(self, tasks: Iterable[Task]) -> int:
        """Add tasks, which may refer to one another in any order, and return their number.

        They are sent in messages of up to 10,000 tasks; each message adds all of its tasks or, with GraphError, none.
        The error says how many had been added before; the same call may be repeated. A task without `command` is a
        join: it runs nothing, and is done when all tasks that it comes after are.
        """
        host = socket.gethostname()
        mine = [_ready_to_send(task, host) for task in tasks]
        if any(task.command is not task.name or task.options is not PLAIN for task in mine):
            self._requests.need_ours("commands and options")
        sent = 0
        for batch in _batches(_in_order(mine)):
            try:
                reply = self._requests.ask(messages.Create(batch), again=True)
            except (GraphError, TransportError) as error:
                if not sent:
                    raise
                raise type(error)(f"{error} ({sent} tasks were added before)") from None
            if not isinstance(reply, messages.OK):
                raise self._requests.strange(reply)
            sent += len(batch)
        return sent

    def status(self) -> Status:
        """Return how many tasks are in each state."""
        return self._requests.status()

    def lookup(self, name: str) -> Found | None:
        """Return the state of a task, given by its name or by `#id`; None when there is no such task.

        GraphError when the hub is the original C++ one, which does not support this.
        """
        try:
            reply = self._requests.ask(messages.Lookup(name), again=True)
        except GraphError as error:
            text = f"the hub at {self.server} does not look up tasks; an original dhub cannot: {error}"
            raise GraphError(text) from None
        if isinstance(reply, messages.NotFound):
            return None
        if not isinstance(reply, messages.OK):
            raise self._requests.strange(reply)
        try:
            return Found(name, State(reply.name), reply.n, reply.location)
        except ValueError:
            raise WireError(
                f"the hub at {self.server} reports an unknown state {reply.name!r}; use the dquery of its version"
            ) from None

    def wait(self, seconds: float = math.inf) -> End | None:
        """Wait until the run has ended, and return how; None when it has not ended after `seconds`.

        Other requests of this client do not have to wait for this. TransportError when the hub is gone without notice.
        """
        give_up = time.monotonic() + seconds
        with contextlib.closing(Exchange(self.connection, self.timeout)) as exchange:
            while True:
                lap = max(0.0, min(LAP, give_up - time.monotonic()))
                reply = self._requests.ask_newest(messages.Await(lap), "report the end of its run", exchange, wait=lap)
                if isinstance(reply, messages.OK):
                    view = self._requests.unpacked(reply.data, RunView) if reply.data else None
                    return End(reply.n or 0, self._requests.status_of(reply), view)
                if not isinstance(reply, messages.NotFound):
                    raise self._requests.strange(reply)
                if time.monotonic() >= give_up:
                    return None

    def watch(self) -> RunView:
        """Return the state of the run, its workers, running tasks and last failures, as `dquery watch` shows them."""
        reply = self._requests.ask_newest(messages.Watch(), "be watched", self._exchange)
        if not isinstance(reply, messages.Answer):
            raise self._requests.strange(reply)
        return self._requests.unpacked(reply.data, RunView)

    def counts(self) -> Mapping[str, int]:
        """Return how many tasks are in each state; empty when the hub is the original C++ dhub."""
        return self.status().counts

    # -- the record --------------------------------------------------------------------------------------------

    def tasks(self, states: str | Iterable[str] = (), glob: str | None = None) -> Iterator[TaskRow]:
        """Yield all tasks in the order of their ids; each thousand is read when it is reached.

        states: only tasks in one of these. glob: only tasks whose name matches or equals it. Joins are left out.
        GraphError when the hub cannot list tasks: it is the original C++ one, or keeps no record.
        """
        wanted = (states,) if isinstance(states, str) else tuple(states)
        first: int | None = 0
        while first is not None:
            answer = self._requests.answer(messages.List(wanted, glob, first), "list tasks")
            if answer is None:
                raise self._requests.strange(messages.NotFound())
            yield from self._requests.unpacked(answer.data, list[TaskRow])
            if answer.next is not None and answer.next <= first:  # the loop would never end
                raise self._requests.strange(answer)
            first = answer.next

    def task(self, key: str, *, whole: bool = False) -> TaskDetails | None:
        """Return the details of a task, given by its name or by `#id`; None when there is no such task.

        Of the predecessors, it has a hundred, unfinished ones first. whole: all of them, in order.
        """
        answer = self._requests.answer(messages.Show(key, 0 if whole else None), "show a task")
        if answer is None:
            return None
        row = self._requests.unpacked(answer.data, TaskDetails)
        while whole and answer.next is not None:
            answer = self._requests.answer(messages.Show(row["name"], answer.next), "show a task")
            if answer is None:
                raise self._requests.strange(messages.NotFound())
            row["predecessors"]["first"] += self._requests.unpacked(answer.data, TaskDetails)["predecessors"]["first"]
        return row

    def output(self, row: TaskRow, piece: OutputPiece) -> bytes:
        """Return a piece of a task's output; row: from `task`; piece: from its `output`. GraphError when it is gone."""
        request = messages.Read(row["id"], piece["attempt"], piece["stream"], piece["position"])
        answer = self._requests.answer(request, "read output")
        if answer is None:
            raise GraphError(f"this piece of the output of #{row['id']} is no longer in the record")
        return answer.data

    # -- changing tasks ----------------------------------------------------------------------------------------

    def cancel(self, *tasks: str) -> int:
        """Cancel tasks that have not ended, and terminate those that run; return their number.

        Tasks that come after them are skipped. Here and below, tasks are given by name, by `#id` or by a glob over
        names. A task that is named must be in a suitable state, or GraphError is raised and nothing has changed; a glob
        selects only tasks in a suitable state.
        """
        return self._control(Verb.CANCEL, tasks)

    def retry(self, *tasks: str) -> int:
        """Retry tasks that failed or were cancelled, and with them the tasks that were skipped because of them."""
        return self._control(Verb.RETRY, tasks)

    def hold(self, *tasks: str) -> int:
        """Keep tasks that no worker has taken from starting, until `release`."""
        return self._control(Verb.HOLD, tasks)

    def release(self, *tasks: str) -> int:
        """Let held tasks start again."""
        return self._control(Verb.RELEASE, tasks)

    # -- a worker's requests -----------------------------------------------------------------------------------

    def steal(self, n: int = 1, wait: float = 0.0) -> list[Assigned]:
        """Steal up to n ready tasks, which this location then holds; return an empty list when none is ready.

        wait: seconds to keep asking, at least every half second, until a task is ready; may be math.inf. AllDone when
        all tasks are finished, or the pool hands out no more: there is nothing to wait for.
        """
        if not 1 <= n < 2**31:
            raise UsageError(f"cannot steal {n} tasks; ask for 1 or more")
        give_up = time.monotonic() + wait
        pause = SOON
        while True:
            reply = self._requests.ask(messages.Steal(self.location, n))
            if isinstance(reply, messages.Transfer):
                return list(reply.tasks)
            if isinstance(reply, messages.Exit):
                raise AllDone("all tasks are finished")
            if not isinstance(reply, messages.NotFound):
                raise self._requests.strange(reply)
            left = give_up - time.monotonic()
            if not left > 0:
                return []
            self._exchange.pause(min(pause, left))
            pause = min(pause * 1.5, LATER)

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
        later one.
        """
        name, attempt = (task, 0) if isinstance(task, str) else (task.name, task.attempt)
        signal = max(0, -exit_status)
        status = exit_status if exit_status >= 0 else 128 + signal
        self.complete_all(
            [Result(name, attempt, status, signal, started, seconds, error=error, stdout=stdout, stderr=stderr)]
        )

    def complete_all(self, results: Iterable[Result]) -> None:
        """Report how several tasks, given by name, ended; as `complete`, but in one message.

        NotHeld lists those that this location does not hold; the others are accepted.
        """
        reported = tuple(results)
        for result in reported:
            if not isinstance(result.task, str) or not result.task:
                raise UsageError(f"{result.task!r} is not a task name")
            if not 0 <= result.exit_status < 256:
                raise UsageError(f"{result.exit_status} is not an exit status; give 0 to 255")
        if not all(result.ok for result in reported):
            self._requests.need_ours("exit statuses")
        if reported:
            self._held(messages.Complete(self.location, reported), again=all(result.attempt for result in reported))

    def transfer(self, task: Assigned | str, after: str | Iterable[str] = ()) -> None:
        """Give back a task unfinished; it runs again when all tasks named in `after` are done as well.

        NotHeld when this location does not hold it.
        """
        name = task if isinstance(task, str) else task.name
        names = (after,) if isinstance(after, str) else tuple(after)
        self._held(messages.GiveBack(self.location, (messages.Returned(name, names),)))

    def exit_worker(self, location: str | None = None) -> bool:
        """Report that a worker, by default this client, is gone: the tasks that it holds become ready again.

        Return whether the hub knew it; the hub does not know a worker that never stole.
        """
        reply = self._requests.ask(messages.Exit(location or self.location))
        if not isinstance(reply, messages.OK | messages.NotFound):
            raise self._requests.strange(reply)
        return isinstance(reply, messages.OK)

    # -- requests and replies ----------------------------------------------------------------------------------

    def workers(self) -> list[WorkerRow]:
        """Return all workers."""
        reply = self._requests.ask_ours(messages.Workers(), "list workers", again=True)
        if not isinstance(reply, messages.Answer):
            raise self._requests.strange(reply)
        return self._requests.unpacked(reply.data, list[WorkerRow])

    def stop_workers(self, *locations: str) -> int:
        """Stop workers, given by name or glob, after they have finished their running tasks; return their number."""
        reply = self._requests.ask_ours(messages.Leave(locations), "stop workers", again=True)
        if not isinstance(reply, messages.OK):
            raise self._requests.strange(reply)
        return reply.n or 0

    def drain(self, *, now: bool = False) -> None:
        """Make the hub hand out no more tasks; now: also terminate running tasks, which the next run runs again."""
        reply = self._requests.ask_ours(messages.Drain(now), "drain", again=True)
        if not isinstance(reply, messages.OK):
            raise self._requests.strange(reply)

    def _control(self, verb: Verb, tasks: tuple[str, ...]) -> int:
        if not tasks:
            return 0
        reply = self._requests.ask_ours(messages.Control(verb, tasks), f"{verb.value} tasks")
        if not isinstance(reply, messages.OK):
            raise self._requests.strange(reply)
        return reply.n or 0

    def _held(self, request: messages.Complete | messages.GiveBack, *, again: bool = False) -> None:
        reply = self._requests.ask(request, again=again)
        if isinstance(reply, messages.NotFound):
            names: tuple[TaskKey, ...] = reply.tasks
            shown = ", ".join(repr(name) for name in names[:3]) + (", ..." if len(names) > 3 else "")
            raise NotHeld(
                f"{self.location} does not hold {shown or 'these'}: not stolen under this name, ended, or taken back",
                names,
            )
        if not isinstance(reply, messages.OK):
            raise self._requests.strange(reply)


def _ready_to_send(task: Task, host: str) -> Task:
    """Return the task in its shortest form on the wire, with its origin."""
    name, command, after, options, origin = task
    if not name:
        raise UsageError("a task needs a name")
    if command == ():
        raise UsageError(f"the command of task {name!r} is an empty list; give the program and its arguments")
    if text := fault(command, bash=shell.is_bash()):
        raise UsageError(f"task {name!r}: {text}")
    return Task(
        name,
        name if command == name else command,
        after,
        PLAIN if options == PLAIN else options,
        origin or host,
    )


def _in_order(tasks: list[Task]) -> list[Task]:
    """Return the tasks, sorted if they need several messages and some stand before their predecessors."""
    if len(tasks) <= 1 or len(next(_batches(tasks))) == len(tasks):
        return tasks
    position = {task.name: i for i, task in enumerate(tasks)}
    if all(position.get(name, -1) <= i for i, task in enumerate(tasks) for name in task.after):
        return tasks
    order, cycle = topological([[position[p] for p in task.after if p in position] for task in tasks])
    if cycle:
        names = [tasks[i].name for i in (*cycle, cycle[0])]
        raise GraphError("these tasks wait for one another: " + " -> ".join(names))
    return [tasks[i] for i in order]


def _batches(tasks: Iterable[Task]) -> Iterator[tuple[Task, ...]]:
    batch: list[Task] = []
    size = 0
    for task in tasks:
        command = task.command or ""
        more = sum(map(len, (task.name, *task.after, *((command,) if isinstance(command, str) else command))))
        if batch and (len(batch) == TASKS_AT_ONCE or size + more > CHARACTERS_AT_ONCE):
            yield tuple(batch)
            batch, size = [], 0
        batch.append(task)
        size += more
    if batch:
        yield tuple(batch)
