"""The programs that dispatch.py starts: a hub and workers with batches of a fixed size, and what bounds them.

    mpirun -n 3 python _ranks.py fixed MOST TASKS     our hub, loops and transport over MPI; batches of at most MOST
    mpirun -n 3 python _ranks.py crowd WORKERS TASKS  the same hub when it is busy: so many workers, one task a message
    mpirun -n 3 python _ranks.py bare MOST TASKS      names to and fro in the same kind of messages: no graph, no loop
    python _ranks.py client ADDRESS MOST DEPTH        a client of the original dialect, which runs nothing

`fixed`, `crowd` and `bare` print the tasks per second and tasks a message; `fixed` and `crowd` also the microseconds of
processor time for a task, of the hub in turns in which there was something to do, and of a rank in all.
`client` says "ready", waits for a line on standard input, then steals
MOST tasks at a time and reports them done, with DEPTH steals under way; DEPTH 0 is lockstep, as the original client:
one request, one reply. It prints how many tasks it got, and when its first request left and its last reply came.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence

from dwork.transport import mpi

#: Tasks that the hub has in its graph, `: 0`, `: 1` and so on: no process is started for them.
NAME = ": {}"


# -- our hub, our workers ---------------------------------------------------------------------------------------------


def fixed(most: int, n: int) -> None:
    """All ranks of a pool whose workers hold, and so ask for, at most so many tasks."""
    _pool(n, lambda transport, rank: _work(transport, rank, most))


def crowd(workers: int, n: int) -> None:
    """A pool whose ranks speak for so many workers: each has one task, ends it at once, and asks for the next."""
    _pool(n, lambda transport, rank: _speak(transport, rank, workers))


def _pool(n: int, work: Callable[[mpi.Mpi, int], None]) -> None:
    world = mpi.start()
    transport = mpi.Mpi(world)
    if world.rank:
        begin = time.process_time()
        work(transport, world.rank)
        world.gather(time.process_time() - begin)
    else:
        rate, batch, busy = _serve(transport, n)
        workers = world.gather(0.0)
        print(rate, batch, 1e6 * busy / n, 1e6 * sum(workers) / n)
    transport.close()


def _work(transport: mpi.Mpi, rank: int, most: int) -> None:
    from dwork.host.capacity import Equipment
    from dwork.worker.worker import Worker, WorkerPolicy
    from dwork.worker_loop import work

    policy = WorkerPolicy(lookahead=60.0, most=most)
    work(Worker(f"bench:{rank}", 1, policy), transport, print, Equipment(), is_rank=True)


def _speak(transport: mpi.Mpi, rank: int, workers: int) -> None:
    from dwork.core.messages import Complete, Exit, Native, Steal, Transfer
    from dwork.core.task import Result
    from dwork.transport import HUB, wire

    asked = {}  # by the number of the request: who has
    for number in range(1, workers + 1):
        asked[number] = location = f"bench-{number}:{rank}"
        transport.send(HUB, wire.encode(Steal(location, 1, Native(1, sequence=number, hello=True))))
    number = workers
    is_over = False
    while not is_over:
        for _, frame in transport.receive():
            reply = wire.decode_reply(frame)
            if isinstance(reply, Transfer):
                location = asked.pop(reply.answers)
                number += 1
                asked[number] = location
                results = tuple([Result(task.id, task.attempt) for task in reply.tasks])
                transport.send(HUB, wire.encode(Complete(location, results, 1, Native(1, sequence=number))))
            is_over = is_over or isinstance(reply, Exit)


class _Counter:
    """A listener: when the first task went out and the last came back, and how many tasks an event is about."""

    def __init__(self) -> None:
        self.begin = self.end = 0.0
        self.events = self.heard = 0

    def hear(self, happened: Sequence[object]) -> None:
        from dwork.core.events import Finished, Stolen

        self.heard += 1
        for event in happened:
            if isinstance(event, Stolen):
                self.begin = self.begin or time.perf_counter()
                self.events += 1
            elif isinstance(event, Finished):
                self.end = time.perf_counter()


def _serve(transport: mpi.Mpi, n: int) -> tuple[float, float, float]:
    """Tasks a second, tasks a message, and seconds of processor time in turns in which something happened."""
    import gc
    import signal

    from dwork.core.messages import Create, Welcome
    from dwork.core.task import Task
    from dwork.host.signals import Signals
    from dwork.hub.hub import Hub
    from dwork.server.hub_loop import HubLoop
    from dwork.transport.waiting import clock

    hub, counter = Hub(welcome=Welcome(output=True)), _Counter()  # as a pool's
    gc.disable()
    names = map(NAME.format, range(n))
    hub.receive(None, Create(tuple([Task(name, name) for name in names])), clock())
    gc.freeze()
    gc.enable()
    loop = HubLoop(hub, [transport], [counter])
    busy = 0.0
    with Signals((signal.SIGINT,)) as signals:
        while not hub.over:
            heard, begin = counter.heard, time.process_time()
            loop.turn()
            if counter.heard > heard:
                busy += time.process_time() - begin
            if not hub.over:
                loop.sleep(signals.descriptor)
        loop.dismiss()
    return n / (counter.end - counter.begin), n / counter.events, busy


# -- what is possible -------------------------------------------------------------------------------------------------


def bare(most: int, n: int) -> None:
    """Rank 0 answers each message of `most` names with one of `most` names, and knows nothing else."""
    world = mpi.start()
    from dwork.transport._pb.dwork_pb2 import QueryMsg

    n = max(n // most, 1) * most
    world.Barrier()
    if world.rank == 0:
        _answer(world, QueryMsg, most, n)
    else:
        _ask(world, QueryMsg)


def _answer(world, QueryMsg, most: int, n: int) -> None:
    from mpi4py import MPI

    status = MPI.Status()
    left, at_work = n, world.size - 1
    begin = time.perf_counter()
    while at_work:
        while not world.Iprobe(MPI.ANY_SOURCE, 0, status):
            time.sleep(0)
        frame = bytearray(status.Get_count(MPI.BYTE))
        rank = status.Get_source()
        world.Recv([frame, MPI.BYTE], rank, 0)
        request = QueryMsg.FromString(bytes(frame))
        for task in request.task:
            task.name  # noqa: B018
        if left:
            answer = QueryMsg(type=QueryMsg.Transfer)
            for i in range(n - left, n - left + most):
                answer.task.add(name=NAME.format(i), origin="bench")
            left -= most
        else:
            answer = QueryMsg(type=QueryMsg.Exit)
            at_work -= 1
        world.Send([answer.SerializeToString(), MPI.BYTE], rank, 0)
    print(f"{n / (time.perf_counter() - begin)} {most}")


def _ask(world, QueryMsg) -> None:
    from mpi4py import MPI

    status = MPI.Status()
    location = f"bench:{world.rank}"
    request = QueryMsg(type=QueryMsg.Steal, location=location)
    while True:
        world.Send([request.SerializeToString(), MPI.BYTE], 0, 0)
        while not world.Iprobe(0, 0, status):
            time.sleep(0)
        frame = bytearray(status.Get_count(MPI.BYTE))
        world.Recv([frame, MPI.BYTE], 0, 0)
        answer = QueryMsg.FromString(bytes(frame))
        if answer.type == QueryMsg.Exit:
            return
        request = QueryMsg(type=QueryMsg.Complete, location=location)
        for task in answer.task:
            request.task.add(name=task.name, origin=location)


# -- the original dialect ---------------------------------------------------------------------------------------------


def client(address: str, most: int, depth: int) -> None:
    """Steal and complete as fast as the hub lets us; as little Python as possible, since we share its cores."""
    import zmq

    from dwork.transport._pb.dwork_pb2 import QueryMsg

    location = f"bench:{os.getpid()}"
    steal = QueryMsg(type=QueryMsg.Steal, location=location, n=most).SerializeToString()
    context = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.linger = 0
    socket.connect(address)
    print("ready", flush=True)
    sys.stdin.readline()
    begin = time.monotonic()
    got = waits = 0
    for _ in range(max(1, depth)):
        socket.send_multipart([b"", steal])
        waits += 1
    over = False
    while waits:
        message = QueryMsg.FromString(socket.recv_multipart()[-1])
        waits -= 1
        if message.type == QueryMsg.Transfer:
            got += len(message.task)
            message.type = QueryMsg.Complete  # the same tasks go back as they came
            message.location = location
            socket.send_multipart([b"", message.SerializeToString()])
            waits += 1
            if depth:
                socket.send_multipart([b"", steal])
                waits += 1
        elif message.type in (QueryMsg.Exit, QueryMsg.NotFound):
            over = True
        elif message.type == QueryMsg.OK:
            if not depth and not over:
                socket.send_multipart([b"", steal])
                waits += 1
        else:
            sys.exit(f"unexpected reply of the hub: {message}")
    print(got, begin, time.monotonic(), flush=True)
    socket.close()
    context.term()


def main() -> None:
    what, *numbers = sys.argv[1:]
    if what == "client":
        client(numbers[0], int(numbers[1]), int(numbers[2]))
    else:
        {"fixed": fixed, "crowd": crowd, "bare": bare}[what](*map(int, numbers))


if __name__ == "__main__":
    main()
