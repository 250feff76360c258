"""The Python client: adds tasks to a running hub, asks how far it is, or takes tasks and runs them by any means.

    from dwork import AllDone, Client

    with Client() as client:
        client.create("mesh", "mesh in.geo mesh.h5")
        client.create("solve", "solve mesh.h5", after=["mesh"], cores=4)
        print(client.status().active)

Theory of operation. Requests are those of the original dialect: one request, one reply. When none comes, a request
that may be carried out twice (create, all questions, and complete of a task as `steal` returned it, which tells its
attempt) is sent again. The others (steal, transfer, exit_worker, and complete by name) are sent once: when the reply
does not come, TransportError leaves open whether they were carried out. So are cancel, retry, hold and release: the
second time they would find nothing to do any more, and say so. A worker that loses the reply to a steal should call
`exit_worker` as soon as it holds nothing else, so that what it never heard of runs elsewhere. A failure that was
counted, and whose reply got lost, ends in NotHeld if the task is to be retried: nobody holds it then.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import socket
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final

from dwork.client.exchange import Exchange
from dwork.connection.file import Connection, choose
from dwork.core import messages
from dwork.core.background import fault
from dwork.core.errors import AllDone, GraphError, NotHeld, TransportError, UsageError, WireError
from dwork.core.messages import Message, Request, Verb
from dwork.core.task import PLAIN, Assigned, Options, Result, State, Task, TaskKey
from dwork.core.toposort import topological
from dwork.host import shell

__all__ = ["AllDone", "Client", "End", "Found", "GraphError", "NotHeld", "Status", "TransportError"]

#: Tasks, and characters of their names and commands, that go in one message at the most.
TASKS_AT_ONCE: Final = 10_000
CHARACTERS_AT_ONCE: Final = 8_000_000
#: Seconds between a polite client's questions whether something is ready, at first and at last.
SOON, LATER = 0.05, 0.5
#: Seconds after which a hub that is asked for the end of its run answers in any case, so that its loss is noticed.
LAP: Final = 5.0

#: What is told of a task; it goes into JSON as it is.
Row = dict[str, Any]

_STATUS = re.compile(r"dhub: (\d+) active tasks?, (\d+) ready\.")


@dataclass(frozen=True, slots=True)
class Status:
    """How far a hub is.

    active: tasks that may still run or are running. ready: those of them that could start now. counts: tasks by
    state (waiting, ready, assigned, done, failed, skipped, cancelled), empty when the original C++ dhub answers.
    text: the hub's own words.
    """

    active: int
    ready: int
    counts: Mapping[str, int] = field(default_factory=dict)
    text: str = ""


@dataclass(frozen=True, slots=True)
class End:
    """How a run has ended. exit_status: as that of the pool, 0 all done, 1 some failed, 3 stopped before the end.

    view: what `Client.watch` would tell of its end; empty when nothing is known.
    """

    exit_status: int
    status: Status
    view: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Found:
    """Where a task stands: its state, its id (None when the hub has none), and who holds or ended it, or None."""

    name: str
    state: State
    id: int | None = None
    location: str | None = None


class Client:
    """A connection to a hub, which threads may share; close it, or use it in a `with` statement.

    The hub is that of the connection file `connection` (or of what was read from one), of the batch job `job`, or at
    the address `server` (HOST, HOST:PORT or tcp://HOST:PORT); by default that which started the running task
    ($DWORK_CONNECTION), or the only one that is known in ~/.dwork. insecure: the hub at `server` has no keys, as the
    C++ one. timeout: seconds that a request may take. location: the name under which this client holds tasks, unique
    among all workers; by default host:pid.

    Nothing is sent before the first request, and a client must not be carried across a fork. Every method may raise
    TransportError (nobody answers within `timeout`), WireError (what answers is no hub, or what is asked cannot be
    sent), UsageError (an argument makes no sense) and GraphError (the hub refuses; nothing has changed).
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
            raise UsageError(f"a timeout of {timeout} s leaves no time for an answer; give more")
        self.timeout = timeout
        self.location = location or f"{socket.gethostname()}:{os.getpid()}"
        self.connection = choose(server, connection, job, insecure=insecure)
        self._exchange = Exchange(self.connection, timeout)
        self._ask, self._strange = self._exchange.ask, self._exchange.strange
        self._is_original: bool | None = None

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
        """Disconnect. Tasks that are held stay with this location: complete, transfer or `exit_worker` them before."""
        self._exchange.close()

    # -- the graph ---------------------------------------------------------------------------------------------

    def create(
        self,
        name: str,
        command: str | Sequence[str] | None = None,
        after: str | Iterable[str] = (),
        **options: Any,
    ) -> None:
        """Add a task, to be run when all tasks named in `after` are done.

        command: a line for /bin/sh, or a list of arguments to start without a shell; by default the name. options:
        the fields of `Options` (cores, memory in bytes, gpus, timeout in seconds, retries, priority, cwd,
        min_time in seconds, env as a dict or pairs). GraphError when the name is taken by another task, when one of
        `after` does not exist, or when they wait for each other; the same task a second time is no error.
        """
        if not isinstance(command, str | None):
            command = tuple(command)
        if isinstance(options.get("env"), Mapping):
            options["env"] = tuple(options["env"].items())
        names = (after,) if isinstance(after, str) else tuple(after)
        self.create_all([Task(name, name if command in (None, name) else command, names, Options(**options))])

    def create_all(self, tasks: Iterable[Task]) -> int:
        """Add tasks, which may refer to one another in any order, and return how many they are.

        They go in messages of up to 10,000 tasks; of each message all are added or, with GraphError, none. The error
        says how many had been added before, and may be followed by the same call again. A task without `command` is
        a join: done, with nothing to run, when all tasks that it comes after are.
        """
        host = socket.gethostname()
        mine = [_ready_to_send(task, host) for task in tasks]
        if any(task.command is not task.name or task.options is not PLAIN for task in mine):
            self._need_ours("commands and options")
        sent = 0
        for batch in _batches(_in_order(mine)):
            try:
                reply = self._ask(messages.Create(batch), again=True)
            except (GraphError, TransportError) as error:
                if not sent:
                    raise
                raise type(error)(f"{error} (the {sent} tasks before are added)") from None
            if not isinstance(reply, messages.OK):
                raise self._strange(reply)
            sent += len(batch)
        return sent

    def status(self) -> Status:
        """How many tasks are in which state."""
        status = self._told(self._ask(messages.OK(), again=True))
        self._is_original = not status.counts
        return status

    def _told(self, reply: Message) -> Status:
        numbers = _STATUS.fullmatch(reply.name or "") if isinstance(reply, messages.OK) else None
        if numbers is None or not isinstance(reply, messages.OK):
            raise self._strange(reply)
        return Status(int(numbers[1]), int(numbers[2]), dict(reply.counts), numbers[0])

    def lookup(self, name: str) -> Found | None:
        """Where a task stands, told by its name or by `#id`; None when there is no such task.

        GraphError when the hub is the original C++ one, which cannot tell.
        """
        try:
            reply = self._ask(messages.Lookup(name), again=True)
        except GraphError as error:
            text = f"the hub at {self.server} does not look up tasks, as an original dhub never does: {error}"
            raise GraphError(text) from None
        if isinstance(reply, messages.NotFound):
            return None
        if not isinstance(reply, messages.OK):
            raise self._strange(reply)
        try:
            return Found(name, State(reply.name), reply.n, reply.location)
        except ValueError:
            raise WireError(f"the hub at {self.server} tells of a state {reply.name!r}; use its own dquery") from None

    def wait(self, seconds: float = math.inf) -> End | None:
        """Wait until the run is over, and return how it has ended; None when it is not over after so many seconds.

        Other requests of this client need not wait meanwhile. TransportError when the hub has gone without a word.
        """
        give_up = time.monotonic() + seconds
        with contextlib.closing(Exchange(self.connection, self.timeout)) as exchange:
            while True:
                lap = max(0.0, min(LAP, give_up - time.monotonic()))
                reply = self._ask_newest(messages.Await(lap), "tell when it is over", exchange, wait=lap)
                if isinstance(reply, messages.OK):
                    view = self._parsed(messages.Answer(reply.data)) if reply.data else {}
                    return End(reply.n or 0, self._told(reply), view)
                if not isinstance(reply, messages.NotFound):
                    raise self._strange(reply)
                if time.monotonic() >= give_up:
                    return None

    def watch(self) -> Row:
        """How the run stands, who works, what runs and what failed last, as `dquery watch` shows it."""
        reply = self._ask_newest(messages.Watch(), "be watched", self._exchange)
        if not isinstance(reply, messages.Answer):
            raise self._strange(reply)
        row = self._parsed(reply)
        if not isinstance(row, dict):
            raise self._strange(reply)
        return row

    def counts(self) -> Mapping[str, int]:
        """How many tasks are in each state; empty when the original C++ dhub answers."""
        return self.status().counts

    # -- what there is in the record ---------------------------------------------------------------------------

    def tasks(self, states: str | Iterable[str] = (), glob: str | None = None) -> Iterator[Row]:
        """All tasks in the order of their ids, a thousand at a time, as they are when their turn comes.

        states: only those in one of these. glob: only those whose name it matches, or is. A row has id, name, state,
        held (whether it is kept from starting), command, reason (why it failed, was skipped or cancelled), and of the
        last attempt attempt, worker, started, ended (seconds since the epoch), exit_status and signal, or None. Joins
        are left out. GraphError when the hub cannot tell: it is the original C++ one, or keeps no record.
        """
        wanted = (states,) if isinstance(states, str) else tuple(states)
        first: int | None = 0
        while first is not None:
            answer = self._answer(messages.List(wanted, glob, first), "list tasks")
            rows = self._parsed(answer)
            if not isinstance(rows, list) or not all(map(_is_row, rows)):
                raise self._strange(answer)
            yield from rows
            assert answer is not None
            if answer.next is not None and answer.next <= first:  # it would go on for ever
                raise self._strange(answer)
            first = answer.next

    def task(self, key: str, *, whole: bool = False) -> Row | None:
        """All about a task, told by its name or by `#id`; None when there is no such task.

        Beside what `tasks` tells: arguments, options, origin, queued and removed (seconds since the epoch); attempts,
        oldest first, each with outcome (done, failed, timeout, cancelled, lost), worker, stolen, started, ended,
        exit_status, signal, user and system (CPU seconds), max_rss (bytes), reason and the end of stderr; hand, the
        attempt that a worker holds now; output, the pieces that `output` takes; successors, how many wait for it; and
        predecessors, how many there are (total) and a hundred of them (first), those first that are not done. whole:
        all predecessors, in order.
        """
        answer = self._answer(messages.Show(key, 0 if whole else None), "show a task")
        if answer is None:
            return None
        row = self._parsed(answer)
        if not _is_row(row):
            raise self._strange(answer)
        while whole and answer.next is not None:
            answer = self._answer(messages.Show(row["name"], answer.next), "show a task")
            more = self._parsed(answer)
            if answer is None or not _is_row(more):
                raise self._strange(answer)
            row["predecessors"]["first"] += more["predecessors"]["first"]
        return dict(row)

    def output(self, row: Row, piece: Row) -> bytes:
        """A piece of a task's output: a row as `task` gives it and one of its `output`. GraphError when it is gone."""
        request = messages.Read(row["id"], piece["attempt"], piece["stream"], piece["position"])
        answer = self._answer(request, "read output")
        if answer is None:
            raise GraphError(f"this piece of the output of #{row['id']} is not in the record any more")
        return answer.data

    # -- what people do to tasks -------------------------------------------------------------------------------

    def cancel(self, *tasks: str) -> int:
        """Take out tasks that have not ended, and end those that run; return how many they are.

        What comes after them is skipped. Here, and below: tasks are told by name, by `#id` or by a glob over names.
        One that is named must fit, or GraphError is raised and nothing has changed; of those that a glob matches only
        those are meant that fit.
        """
        return self._control(Verb.CANCEL, tasks)

    def retry(self, *tasks: str) -> int:
        """Let tasks run again that failed or were cancelled, and with them what was skipped for them."""
        return self._control(Verb.RETRY, tasks)

    def hold(self, *tasks: str) -> int:
        """Keep tasks that nobody has taken from starting, until `release`."""
        return self._control(Verb.HOLD, tasks)

    def release(self, *tasks: str) -> int:
        """Let held tasks start again."""
        return self._control(Verb.RELEASE, tasks)

    # -- a worker's requests -----------------------------------------------------------------------------------

    def steal(self, n: int = 1, wait: float = 0.0) -> list[Assigned]:
        """Take up to n ready tasks, which this location then holds; an empty list when nothing is ready.

        wait: seconds to go on asking, every half a second at least, until something is ready; may be math.inf.
        AllDone when all tasks are finished, or the pool hands out no more: there is nothing to wait for.
        """
        if not 1 <= n < 2**31:
            raise UsageError(f"one cannot steal {n} tasks; ask for 1 or more")
        give_up = time.monotonic() + wait
        pause = SOON
        while True:
            reply = self._ask(messages.Steal(self.location, n))
            if isinstance(reply, messages.Transfer):
                return list(reply.tasks)
            if isinstance(reply, messages.Exit):
                raise AllDone("all tasks are finished")
            if not isinstance(reply, messages.NotFound):
                raise self._strange(reply)
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
        """Report how a task ended, that this location holds.

        exit_status: 0 is success; a negative one, as subprocess has it, tells the signal that ended the task.
        started: seconds since the epoch; seconds: how long it ran; error: why it was ended or did not start; stdout,
        stderr: its output, when it is short. NotHeld when this location does not hold it: it was taken back, and may
        be running elsewhere. Give the task as `steal` returned it, not its name, when it may be retried: then an
        earlier attempt is not mistaken for a later one.
        """
        name, attempt = (task, 0) if isinstance(task, str) else (task.name, task.attempt)
        signal = max(0, -exit_status)
        status = exit_status if exit_status >= 0 else 128 + signal
        self.complete_all(
            [Result(name, attempt, status, signal, started, seconds, error=error, stdout=stdout, stderr=stderr)]
        )

    def complete_all(self, results: Iterable[Result]) -> None:
        """Report how several tasks, told by name, ended; as `complete`, but in one message.

        NotHeld tells those that this location does not hold; the others count.
        """
        told = tuple(results)
        for result in told:
            if not isinstance(result.task, str) or not result.task:
                raise UsageError(f"{result.task!r} is no name of a task")
            if not 0 <= result.exit_status < 256:
                raise UsageError(f"{result.exit_status} is no exit status; give 0 to 255")
        if not all(result.ok for result in told):
            self._need_ours("exit statuses")
        if told:
            self._held(messages.Complete(self.location, told), again=all(result.attempt for result in told))

    def transfer(self, task: Assigned | str, after: str | Iterable[str] = ()) -> None:
        """Give back a task unfinished; it runs again when all tasks named in `after` are done as well.

        NotHeld when this location does not hold it.
        """
        name = task if isinstance(task, str) else task.name
        names = (after,) if isinstance(after, str) else tuple(after)
        self._held(messages.GiveBack(self.location, (messages.Returned(name, names),)))

    def exit_worker(self, location: str | None = None) -> bool:
        """Say that a worker, by default this client, is gone: what it holds is ready again.

        Return whether the hub knew it; one that never stole it does not know.
        """
        reply = self._ask(messages.Exit(location or self.location))
        if not isinstance(reply, messages.OK | messages.NotFound):
            raise self._strange(reply)
        return isinstance(reply, messages.OK)

    # -- requests and replies ----------------------------------------------------------------------------------

    def _answer(self, request: messages.Inquiry, what: str) -> messages.Answer | None:
        reply = self._ask_ours(request, what, again=True)
        if isinstance(reply, messages.NotFound):
            return None
        if not isinstance(reply, messages.Answer):
            raise self._strange(reply)
        return reply

    def workers(self) -> list[dict[str, Any]]:
        """All workers, as rows: location, host, slots (None: it did not say), held, ended, rate, heard and silent.

        rate is tasks a second since it joined, heard is in seconds since the epoch, silent in seconds since then.
        """
        reply = self._ask_ours(messages.Workers(), "list workers", again=True)
        if not isinstance(reply, messages.Answer):
            raise self._strange(reply)
        rows: list[dict[str, Any]] = self._parsed(reply)
        return rows

    def stop_workers(self, *locations: str) -> int:
        """Tell workers, named or meant by globs, to finish what they run and leave; return how many they are."""
        reply = self._ask_ours(messages.Leave(locations), "tell workers to leave", again=True)
        if not isinstance(reply, messages.OK):
            raise self._strange(reply)
        return reply.n or 0

    def drain(self, *, now: bool = False) -> None:
        """Let the hub hand out nothing more; now: and end what runs, which the next run runs again."""
        reply = self._ask_ours(messages.Drain(now), "drain", again=True)
        if not isinstance(reply, messages.OK):
            raise self._strange(reply)

    def _parsed(self, answer: messages.Answer | None) -> Any:
        try:
            return json.loads(answer.data if answer else b"")
        except (ValueError, RecursionError):
            raise self._strange(answer) from None

    def _control(self, verb: Verb, tasks: tuple[str, ...]) -> int:
        if not tasks:
            return 0
        reply = self._ask_ours(messages.Control(verb, tasks), f"{verb.value} tasks")
        if not isinstance(reply, messages.OK):
            raise self._strange(reply)
        return reply.n or 0

    def _ask_ours(self, request: Request, what: str, *, again: bool = False) -> Message:
        """As _ask, for what the original hub does not know: its Error has no reason."""
        try:
            return self._ask(request, again=again)
        except GraphError:
            if self._is_original is None:
                self.status()
            if self._is_original:
                raise GraphError(f"the hub at {self.server} is an original dhub, which cannot {what}") from None
            raise

    def _ask_newest(self, request: Request, what: str, exchange: Exchange, wait: float = 0.0) -> Message:
        """For what hubs do not know that are older than this client: a hub that does has no reason to refuse it."""
        try:
            return exchange.ask(request, again=True, wait=wait)
        except GraphError:
            if self._is_original is None:
                self.status()
            kind = "an original dhub" if self._is_original else "of an older dwork"
            raise GraphError(
                f"the hub at {self.server} is {kind}, which cannot {what}; ask it for its status"
            ) from None

    def _held(self, request: messages.Complete | messages.GiveBack, *, again: bool = False) -> None:
        reply = self._ask(request, again=again)
        if isinstance(reply, messages.NotFound):
            names: tuple[TaskKey, ...] = reply.tasks
            told = ", ".join(repr(name) for name in names[:3]) + (", ..." if len(names) > 3 else "")
            raise NotHeld(
                f"{self.location} does not hold {told or 'these'}: not stolen under this name, ended, or taken back",
                names,
            )
        if not isinstance(reply, messages.OK):
            raise self._strange(reply)

    def _need_ours(self, what: str) -> None:
        """Refuse what the original hub would drop without a word: it would run, or count as done, the wrong thing."""
        if self._is_original is None:
            self.status()
        if self._is_original:
            raise GraphError(
                f"the hub at {self.server} is an original dhub, which would drop {what} without a word; use our dhub"
            )


def _is_row(value: object) -> bool:
    return isinstance(value, dict) and {"id", "name", "state"} <= value.keys()


def _ready_to_send(task: Task, host: str) -> Task:
    """The task in the form that is shortest on the wire, with its origin."""
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
    """The tasks, sorted when they take several messages and some come before what they wait for."""
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
