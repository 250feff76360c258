"""What a user can rely on, checked from the events of a hub alone; and what a record of them would restore."""

from __future__ import annotations

from dataclasses import dataclass, field

from dwork.core import events as e
from dwork.core.cause import Cause
from dwork.core.task import State, Task
from dwork.hub.graph import LOST, Restored
from dwork.hub.hub import Hub
from dwork.hub.returns import LOST_TOO_OFTEN

OPEN, ASSIGNED, DONE = State.WAITING, State.ASSIGNED, State.DONE
FAILED, SKIPPED, CANCELLED = State.FAILED, State.SKIPPED, State.CANCELLED


@dataclass
class Entry:
    """A task. state: WAITING also while it is ready. done: when it was last done."""

    id: int
    task: Task
    after: list[str]
    state: State = OPEN
    attempt: int = 0
    holder: str | None = None
    held: bool = False
    failures: int = 0
    losses: int = 0
    printed: bytes = b""
    done: float = 0.0
    after_any: list[str] = field(default_factory=list)


@dataclass
class Ledger:
    """Tasks by name.

    prints: how many pieces of output some tasks print. ends: who really ended which attempt (0: unknown) with success,
    and when that run began.
    """

    prints: dict[str, int] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)
    by_id: dict[int, Entry] = field(default_factory=dict)
    ends: dict[tuple[str, int, int], float] = field(default_factory=dict)
    is_stopped: bool = False

    def hear(self, events: list[e.Event]) -> None:
        """Follow the events of one step."""
        for event in events:
            self._hear(event)

    def _hear(self, event: e.Event) -> None:
        match event:
            case e.Added(first=first, tasks=tasks):
                new = [Entry(first + i, task, []) for i, task in enumerate(tasks)]
                self.entries |= {entry.task.name: entry for entry in new}
                self.by_id |= {entry.id: entry for entry in new}
                for entry in new:  # of unknown predecessors only those that will never be are accepted
                    entry.after = [name for name in dict.fromkeys(entry.task.after) if name in self.entries]
                    entry.after_any = [name for name in entry.task.after_any if name in self.entries]
            case e.Extended(task=task, after=after):
                known = self.by_id[task.id].after
                known += [name for name in after if name in self.entries and name not in known]
            case e.Stolen(location=location, tasks=tasks):
                for assigned in tasks:
                    self._start(self.by_id[assigned.id], location, assigned.attempt)
            case e.Printed(id=id, stream=1, data=data):
                self.by_id[id].printed += data
            case e.Requeued(location=location, tasks=named, cause=cause):
                for task in named:
                    entry = self._drop(task.id, location)
                    entry.attempt -= cause is Cause.UNSTARTED
                    entry.losses += cause.is_loss
            case e.Finished(time=time, location=location, tasks=tasks):
                for ended in tasks:
                    entry = self._end(ended, location)
                    entry.state, entry.done, entry.holder = DONE, time, location
                    self._must_be_true(entry, location, ended.result.attempt)
            case e.Failed(location=location, task=ended) if ended.result.exit_status == LOST_TOO_OFTEN:
                entry = self.by_id[ended.id]
                assert entry.state is OPEN, "it was requeued before"
                entry.state, entry.holder = FAILED, location
            case e.Failed(location=location, task=ended):
                entry = self._end(ended, location)
                entry.state, entry.holder = FAILED, location
                entry.failures += 1
            case e.Retried(location=location, task=ended, counts=counts):
                self._end(ended, location).failures += counts
            case e.Excluded(forgiven=named):
                for task in named:
                    self.by_id[task.id].failures -= 1
            case e.Interrupted(location=location, task=ended):
                self._drop(ended.id, location)  # it does not count, nor does what it has printed
            case e.Killed(location=location, task=ended):
                self._end(ended, location).state = CANCELLED
            case e.Cancelled(tasks=named):
                for task in named:
                    entry = self.by_id[task.id]
                    assert entry.state in (OPEN, ASSIGNED), entry
                    entry.state, entry.holder = CANCELLED, None
            case e.Skipped(tasks=named):
                for task in named:
                    entry = self.by_id[task.id]
                    assert entry.state is OPEN, entry
                    entry.state = SKIPPED
            case e.Held(tasks=named) | e.Released(tasks=named):
                for task in named:
                    entry = self.by_id[task.id]
                    assert entry.held is isinstance(event, e.Released)
                    entry.held = not entry.held
            case e.Revoked(tasks=named, attempts=attempts, was=was):
                for task, attempt in zip(named, attempts, strict=True):
                    entry = self.by_id[task.id]
                    assert entry.state is was, entry
                    self.ends.pop((entry.holder or "", entry.id, attempt), None)
                    if was is DONE:  # else a Revived follows
                        entry.state, entry.holder = OPEN, None
            case e.Revived(tasks=named):
                for task in named:
                    entry = self.by_id[task.id]
                    assert entry.state in LOST, entry
                    if entry.state is not SKIPPED:
                        entry.failures = entry.losses = 0
                    entry.state, entry.holder = OPEN, None
            case e.Stopping():
                self.is_stopped = True

    def _start(self, entry: Entry, location: str, attempt: int) -> None:
        assert entry.state is OPEN, f"{entry} is assigned or has ended"
        assert not entry.held, f"{entry} is held"
        assert all(map(self._is_done, entry.after)), f"{entry} is too early"
        assert all(map(self._is_over, entry.after_any)), f"{entry} is too early"
        is_copy = attempt <= entry.attempt
        assert is_copy or not self.is_stopped, f"{entry} starts after a stop"
        if is_copy:  # its worker had kept it, so it has not killed that worker
            entry.losses = max(0, entry.losses - 1)
        entry.state, entry.holder, entry.attempt = ASSIGNED, location, max(attempt, entry.attempt)

    def _drop(self, id: int, location: str) -> Entry:
        """The task leaves its worker."""
        entry = self.by_id[id]
        assert (entry.state, entry.holder) == (ASSIGNED, location), entry
        entry.state, entry.holder, entry.printed = OPEN, None, b""
        return entry

    def _end(self, ended: e.Ended, location: str) -> Entry:
        """An attempt has ended: what it has printed is all there, and nothing of it twice."""
        printed = self.by_id[ended.id].printed
        if ended.result.sent:
            assert printed == output(self.prints[ended.name]), f"{ended} has printed something else"
        return self._drop(ended.id, location)

    def _must_be_true(self, entry: Entry, location: str, attempt: int) -> None:
        begun = self.ends.get((location, entry.id, attempt))
        assert begun is not None, f"{entry} is done, but {location} never succeeded with attempt {attempt}"
        if attempt:  # a peer that does not count them may report an earlier one
            assert all(begun >= self._done_at(name) for name in entry.after), f"{entry} ran too early, at {begun}"

    def _is_done(self, name: str) -> bool:
        entry = self.entries[name]
        if entry.task.command is not None:
            return entry.state is DONE
        return all(map(self._is_done, entry.after)) and all(map(self._is_over, entry.after_any))

    def _is_over(self, name: str) -> bool:
        """Whether a task has ended, well or not."""
        return self._is_done(name) or self._is_lost(name)

    def _is_lost(self, name: str) -> bool:
        entry = self.entries[name]
        return any(map(self._is_lost, entry.after)) if entry.task.command is None else entry.state in LOST

    def _done_at(self, name: str) -> float:
        entry = self.entries[name]
        if entry.task.command is not None:
            return entry.done
        return max(map(self._done_at, entry.after), default=0.0)

    def agrees_with(self, hub: Hub) -> None:
        """Fail unless the hub has the same facts."""
        for entry in self.entries.values():
            node = hub.graph.names[entry.task.name]
            assert node.id == entry.id
            if node.is_join:
                continue
            state = OPEN if node.state is State.READY else node.state
            assert state is entry.state, f"{node}, but {entry}"
            assert node.attempt == entry.attempt, f"{node} {node.attempt}, but {entry}"
            assert node.failures == entry.failures or entry.state is CANCELLED, f"{node} {node.failures}, but {entry}"
            assert hub.is_held(node) is entry.held
            if state is ASSIGNED:
                assert node.holder == entry.holder

    def written(self) -> list[Restored]:
        """What a record of the events would restore."""
        kept = (ASSIGNED, DONE, FAILED, CANCELLED)
        return [
            Restored(
                entry.id,
                entry.task._replace(after=tuple(entry.after)),
                entry.state if entry.state in kept else OPEN,
                entry.attempt,
                entry.holder,
                entry.held,
                entry.failures,
                entry.losses,
                last=i if entry.losses else 0,
                printed=(len(entry.printed), 0),
            )
            for i, entry in enumerate(self.entries.values(), 1)
        ]


def output(pieces: int) -> bytes:
    """What a task prints."""
    return b"".join(b"%05d" % i for i in range(pieces))
