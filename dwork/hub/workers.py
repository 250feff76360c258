"""The workers of a hub: what each one holds and could still take, and whose Steals wait.

`WorkerTable` owns these facts, and notes which workers have changed. `dispatch` looks there before it decides anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from dwork.core.resources import NOTHING, ONE_CORE, Resources
from dwork.core.task import PLAIN
from dwork.hub.node import Node
from dwork.hub.step import Peer


@dataclass(slots=True)
class WorkerState:
    """A location that steals, and the tasks that it holds, oldest first; `WorkerTable` changes the fields up to `more`.

    peer is None when the hub was restored and has not heard from it since. has: its resources, with at least as many
    cores as slots. heavy: its tasks that ask for more than just one core; more: what these ask for in total, minus one
    core each. It may hold more plain tasks than it can run, but never more heavy ones.
    """

    location: str
    peer: Peer = None
    slots: int = 0  # 0: not reported
    has: Resources = NOTHING
    held: dict[int, Node] = field(default_factory=dict)
    heavy: dict[int, Node] = field(default_factory=dict)
    more: Resources = NOTHING
    recalled: bool = False
    sequence: int = 0  # the number of the last request of this peer
    heard: float = 0.0  # when its last message arrived
    beat: float = 0.0  # the interval at which it promised to send beats; 0: none
    joined: float = 0.0
    ended: int = 0  # how many tasks it has ended
    is_barred: bool = False  # it gets no tasks: see `exclusions`

    def could(self, asked: Resources) -> bool:
        """Whether it could run a task with this request when idle; a worker without slots takes any task."""
        return not self.slots or self.has.suffices(asked)

    @property
    def balance(self) -> int:
        """How many more tasks of one core it could run; negative: how many of those it holds it cannot run yet."""
        n = len(self.held)
        return min(self.slots, self.has.cores - self.more.cores) - n

    @property
    def free(self) -> int:
        """How many more tasks of one core it could run."""
        return max(0, self.balance)

    @property
    def surplus(self) -> int:
        """How many tasks it holds that it cannot run yet.

        Heavy tasks never count, although the known cores of a worker that has not returned yet may be too few for them.
        """
        return min(max(0, -self.balance), len(self.held) - len(self.heavy)) if self.slots else 0

    @property
    def running(self) -> int:
        """How many of its tasks it runs; the others wait. A worker without slots runs one."""
        return len(self.held) - self.surplus if self.slots else min(1, len(self.held))

    @property
    def busy(self) -> int:
        """How many of its slots are in use."""
        return min(self.slots or 1, self.running + self.more.cores) if self.held else 0

    def rate(self, now: float) -> float | None:
        """Tasks ended per second since it joined; None when it has not contacted this hub yet."""
        return self.ended / max(now - self.joined, 1e-3) if self.joined else None


@dataclass(slots=True)
class Parked:
    """A Steal that waits for work. n: tasks asked for. answers: the number of the request."""

    worker: WorkerState
    n: int
    answers: int


class WorkerTable(Mapping[str, WorkerState]):
    """The workers by location.

    slots: of all workers together. barred: the number of those that get no tasks. loaded: those that hold more than
    they can run. parked: the waiting Steals, by peer; a peer has at most one. touched: peers with a waiting Steal that
    may have more room than before. reshaped: workers that have joined, left or changed their resources, or that get
    tasks again or no more. `dispatch` empties the last two.
    """

    def __init__(self) -> None:
        self.slots = 0
        self.barred = 0
        self.loaded: dict[str, WorkerState] = {}
        self.parked: dict[Peer, Parked] = {}
        self.touched: set[Peer] = set()
        self.reshaped: list[WorkerState] = []
        self._all: dict[str, WorkerState] = {}
        self.get = self._all.get  # type: ignore[method-assign]  # Mapping's own is slow
        self.values = self._all.values  # type: ignore[method-assign]

    def __getitem__(self, location: str) -> WorkerState:
        return self._all[location]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    # -- coming and going --------------------------------------------------------------------------------------

    def add(self, location: str) -> WorkerState:
        """Add a worker, which has no peer and no slots yet."""
        worker = self._all[location] = WorkerState(location)
        return worker

    def meet(self, worker: WorkerState, peer: Peer, slots: int, has: Resources | None) -> None:
        """Set where a worker can be reached, its slots, and its resources when `has` is given.

        A Steal of another peer that waits is dropped: it came from an earlier process.
        """
        if worker.peer != peer:
            self.unpark(worker)
        self.slots += slots - worker.slots
        is_first = bool(slots and not worker.slots)
        worker.peer, worker.slots = peer, slots
        has = has or worker.has
        worker.has = has._replace(cores=max(has.cores, slots))
        self.reshaped.append(worker)
        if is_first:  # tasks from before it reported slots were handed out without regard to its room
            self._note_heavy(worker, worker.held.values())
        self._changed(worker)

    def remove(self, worker: WorkerState) -> None:
        """Remove a worker that is gone; it holds nothing."""
        del self._all[worker.location]
        self.barred -= worker.is_barred
        self.loaded.pop(worker.location, None)
        self.slots -= worker.slots
        self.unpark(worker)
        self.reshaped.append(worker)

    def bar(self, worker: WorkerState, *, is_barred: bool) -> None:
        """Set whether a worker gets no tasks."""
        self.barred += is_barred - worker.is_barred
        worker.is_barred = is_barred
        self.reshaped.append(worker)
        self._changed(worker)

    # -- tasks -------------------------------------------------------------------------------------------------

    def give(self, worker: WorkerState, nodes: Sequence[Node], *, plain: bool = False) -> None:
        """Add tasks to those that a worker holds. plain: all of them ask for one core and nothing else."""
        held = worker.held
        for node in nodes:
            held[node.id] = node
        if not plain:
            self._note_heavy(worker, nodes)
        self._changed(worker)

    def take(self, worker: WorkerState, ids: Iterable[int]) -> list[Node | None]:
        """Remove tasks from those that a worker holds, and return them; None for each that it does not hold."""
        pop = worker.held.pop
        nodes = [pop(id, None) for id in ids]
        worker.recalled = False
        self._changed(worker)
        return nodes

    @staticmethod
    def _note_heavy(worker: WorkerState, nodes: Iterable[Node]) -> None:
        for node in nodes:
            options = node.task.options
            if options is not PLAIN and options.asks is not ONE_CORE:
                worker.heavy.pop(node.id, None)  # keep the order of held
                worker.heavy[node.id] = node

    def _changed(self, worker: WorkerState) -> None:
        """Update what follows from the tasks of a worker, so that nobody need search all workers for it."""
        if worker.heavy:
            worker.heavy = {id: node for id, node in worker.heavy.items() if id in worker.held}
            asked = [node.task.options.asks for node in worker.heavy.values()]
            worker.more = Resources(
                sum([a.cores - 1 for a in asked]), sum([a.memory for a in asked]), sum([a.gpus for a in asked])
            )
        if worker.surplus:
            self.loaded[worker.location] = worker
        else:
            self.loaded.pop(worker.location, None)
        if worker.peer in self.parked:
            self.touched.add(worker.peer)

    # -- waiting Steals ----------------------------------------------------------------------------------------

    def park(self, worker: WorkerState, n: int, answers: int) -> Parked:
        """Let a Steal wait, instead of an earlier one of the same peer."""
        parked = self.parked[worker.peer] = Parked(worker, n, answers)
        self.touched.add(worker.peer)
        return parked

    def withdraw(self, peer: Peer) -> Parked | None:
        """Remove and return the waiting Steal of a peer; None when there is none."""
        return self.parked.pop(peer, None)

    def put_back(self, parked: Parked) -> None:
        """Let a Steal that was withdrawn wait again, behind the others."""
        self.parked[parked.worker.peer] = parked

    def unpark(self, worker: WorkerState) -> None:
        """Drop the waiting Steal of a worker, if there is one."""
        parked = self.parked.get(worker.peer)
        if parked is not None and parked.worker is worker:
            del self.parked[worker.peer]

    def check(self) -> None:
        """Raise AssertionError unless the facts agree."""
        assert self.slots == sum(worker.slots for worker in self.values()), "slots add up"
        assert self.barred == sum(worker.is_barred for worker in self.values()), "barred workers are counted"
        assert self.loaded == {w.location: w for w in self.values() if w.surplus}, "loaded workers are known"
        assert all(p.worker is self.get(p.worker.location) for p in self.parked.values()), "parked workers are known"
        assert all(peer == p.worker.peer for peer, p in self.parked.items()), "Steals wait under the worker's peer"
        for worker in self.values():
            heavy = [node for node in worker.held.values() if node.task.options.asks is not ONE_CORE]
            assert list(worker.heavy.values()) == heavy or not worker.slots, "heavy tasks are known"
