"""A random pool: all verbs and all faults together, from one seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from dwork.core import messages as m
from dwork.core.halt import Halt
from dwork.core.min_time import MinTime
from dwork.core.resources import Resources
from dwork.core.task import Options, State, Task
from dwork.hub.policy import Policy
from dwork.worker.worker import WorkerPolicy
from tests.simulation.pool import HAS, Faults, Member, Original, Pool, Runs

#: When nothing more happens to the pool, and workers come that can do all that is left.
QUIET = 20.0
#: When the last of what is planned happens.
BUSY = 15.0
#: A worker that sends beats over a link that loses frames.
BEATING = WorkerPolicy(wait=3.0, patience=2.0, beat=1.0)
SMALL = Resources(2, 2 << 30, 0)
LARGE = Resources(16, 64 << 30, 4)
SECONDS = (0.0, 0.003, 0.02, 0.3, 0.7, 1.7, 3.0, 6.0)
OPTIONS = (
    *[Options()] * 5, Options(priority=1), Options(cores=3), Options(gpus=1), Options(cores=2, memory=3 << 30),
    Options(memory=2 << 30, priority=-1), Options(timeout=1.0), Options(retries=0), Options(retries=3),
    Options(cores=9), Options(min_time=8.0),
)  # fmt: skip
STALE_TEXTS = ("nosuch", "[z-a]", "#99", "#")


class RandomPool:
    """The pool of a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        pick = self.random.choice
        self.names = [f"t{i}" for i in range(pick([4, 10, 20, 35]))]
        faults = Faults(pick([0, 0, 3, 10]), pick([0, 0, 5, 20]), 1, pick([0, 0, 5]))
        runs = Runs(
            {name: pick(SECONDS) for name in self.names},
            {name: n for name in self.names if (n := pick([0] * 12 + [1, 2, 9]))},
            prints={name: pick([1, 3, 12]) for name in self.names if pick([0, 0, 1])} if pick([0, 1]) else {},
            bad=pick(["", "", "", "w1"]),
        )
        policy = Policy(
            retries=pick([0, 1, 2]),
            delay=pick([0.0, 0.5, 1.0]),
            losses=pick([1, 2, 3, 5]),
            silence=8.0,
            timeout=pick([None, None, 4.0]),
            halt=pick([None] * 8 + [Halt(False, 3), Halt(True, 2)]),
            unknown_is_done=pick([False] * 5 + [True]),
            elastic=pick([True, True, True, False]),
        )
        self.pool = Pool(runs, policy, faults, seed)
        self.pool.forever = 400.0
        self.pool.busy_until = QUIET
        self._serial = 0
        self._plan()

    def run(self) -> None:
        self.pool.run()
        hub = self.pool.hub
        assert not hub.graph.counts[State.ASSIGNED]
        if not hub.stop.reason:
            assert not hub.graph.active, f"these never ran: {hub.graph.nodes}"

    # -- what happens when --

    def _plan(self) -> None:
        pick, at = self.random.choice, self._at
        tasks = [self._task(i) for i in range(len(self.names))]
        early = self.random.randrange(len(tasks)) + 1
        self.pool.create(*tasks[:early])
        late = tasks[early:]
        for time in sorted(self.random.random() * BUSY for _ in range(4)):
            n = self.random.randrange(len(late) + 1)
            batch, late = late[:n], late[n:]
            if batch:
                self.pool.at(time, lambda batch=batch: self.pool.create(*batch))
        for i in range(pick([1, 2, 3, 4])):
            self.pool.at(0.1 * i, self._join)
        for i in range(pick([0, 0, 1, 2, 3])):
            where = pick(["", "shared"])
            self.pool.at(0.05 * i, lambda i=i, where=where: self.pool.join_original(f"vm{i}", where))
        verbs = [self._create_oddly, self._order, self._order, self._order, self._leave_request, self._ask]
        faults = [
            self._vanish, self._cut, self._stall, self._reconnect, self._seem_dead, self._leave, self._end_of_worker,
            self._end_of_worker, self._join, self._give_back, self._give_back, self._sign_off, self._freeze,
            self.pool.restart, self._close, self._suspect,
        ]  # fmt: skip
        for kinds in (verbs, faults):  # to some pools few kinds of things happen often
            chosen = self.random.sample(kinds, pick([2, 4, len(kinds)]))
            for _ in range(pick([0, 5, 15, 40])):
                at(pick(chosen))
        for i in range(3):
            self.pool.at(2.0 + 4.0 * i, self._join)
        if pick([0] * 5 + [1]):
            at(pick([self._drain, self._drain_now, self._end_of_job, self._expect_end]))
        self.pool.at(QUIET, self._settle)

    def _at(self, action: Callable[[], None]) -> None:
        self.pool.at(self.random.choice([0.3, 1.0, 3.0, BUSY, BUSY]) * self.random.random(), action)

    def _settle(self) -> None:
        """All may run, and there are workers for it; only the links remain as they are."""
        pool = self.pool
        pool.follow(pool.hub.open(pool.now))
        pool.order(m.Verb.RELEASE, "*")
        for name in ("rescue0", "rescue1"):
            pool.join(name, 4, BEATING, LARGE)
        for actor in list(pool.actors.values()):  # what a dead peer of the original dialect holds, nobody gives back
            if isinstance(actor, Original):
                actor.wishes.clear()

    def _task(self, i: int) -> Task:
        before = [name for name in self.names[:i] if self.random.randrange(max(4, i)) == 0]
        command = None if self.random.randrange(10) == 0 else self.names[i]
        after_any = [name for name in before if self.random.randrange(4) == 0]
        after = [name for name in before if name not in after_any]
        return Task(self.names[i], command, tuple(after), self.random.choice(OPTIONS), after_any=tuple(after_any))

    # -- what people do --

    def _create_oddly(self) -> None:
        """Tasks that refer to what may not exist, to one another, or that exist otherwise; seldom legal ones."""
        pool, pick = self.pool, self.random.choice
        known = list(pool.ledger.entries) or ["t0"]
        self._serial += 1
        new = f"x{self._serial}"
        other = pick(known)
        tasks = pick(
            [
                [Task(new, new, (other,))],
                [Task(new, new, after_any=(other,))],
                [Task(new, new, (other,), after_any=(other,))],
                [Task(new, new, after_any=("nosuch",))],
                [Task(new, new), Task(new + "b", None, (new, other))],
                [Task(new, new, ("nosuch",))],
                [Task(new, new), Task(new + "b", new, (new + "c",)), Task(new + "c", new, (new + "b",))],
                [Task(new, new), Task(other, "something else")],
                [Task(new, new, (new,))],
                [pool.ledger.entries[other].task],
            ]
        )
        pool.create(*tasks)

    def _order(self) -> None:
        pick = self.random.choice
        name = pick(self.names)
        text = pick([name, name, name, f"#{self.random.randrange(9)}", "t1*", "t?", pick(STALE_TEXTS)])
        texts = (text, pick(self.names)) if pick([0, 0, 1]) else (text,)
        verb = pick([*m.Verb, m.Verb.RETRY, m.Verb.HOLD, m.Verb.RELEASE])
        self.pool.order(verb, *texts)
        if verb is m.Verb.RETRY:  # most are refused, since few tasks have failed
            self.pool.order(verb, "*")

    def _leave_request(self) -> None:
        workers = list(self.pool.hub.workers) or [""]
        text = self.random.choice([self.random.choice(workers), "nosuch", "w[0-1]", "[z-a]"])
        self.pool.receive("boss", m.Leave((text,)))

    def _ask(self) -> None:
        """Questions, what is no request, and a Steal of nothing; the last two are refused."""
        questions = [m.Lookup(self.random.choice(self.names)), m.OK(), m.Await(2.0)]
        refused = [m.NotFound(), m.Steal("boss", 0), m.Await(-1.0), m.Recall(1)]
        self.pool.receive("boss", self.random.choice(questions + refused))

    def _drain(self) -> None:
        self.pool.receive("boss", m.Drain())

    def _drain_now(self) -> None:
        self.pool.receive("boss", m.Drain(now=True))

    # -- what happens to the hub --

    def _end_of_job(self) -> None:
        self.pool.follow(self.pool.hub.end_of_job(self.pool.now, "SIGTERM"))

    def _expect_end(self) -> None:
        """The job ends soon; or its end is put off in time."""
        pool, end = self.pool, self.pool.now + self.random.choice([2.0, 5.0, 9.0])
        pool.follow(pool.hub.expect_end(end, 0.5, MinTime(0.0), pool.now))
        if self.random.choice([True, False]):
            pool.at(end - 1.0, lambda: pool.follow(pool.hub.expect_end(1e9, 0.5, MinTime(0.0), pool.now)))

    def _close(self) -> None:
        pool = self.pool
        pool.follow(pool.hub.open(pool.now, is_open=False))
        pool.at(pool.now + 1.0, lambda: pool.follow(pool.hub.open(pool.now)))

    def _suspect(self) -> None:
        self.pool.hub.suspect_deaths(self.pool.now)

    def _freeze(self) -> None:
        self.pool.freeze(self.random.choice([0.5, 3.0, 10.0]))

    # -- what happens to workers --

    def _join(self) -> None:
        pick = self.random.choice
        self._serial += 1
        self.pool.join(f"w{self._serial}", pick([1, 1, 2, 3]), BEATING, pick([HAS, SMALL]))

    def _one(self, kind: type) -> Any:
        """A member or an original that is there; None when there is none."""
        there = [actor for actor in self.pool.actors.values() if isinstance(actor, kind)]
        return self.random.choice(there) if there else None

    def _vanish(self) -> None:
        if member := self._one(Member):
            self.pool.vanish(member.peer)

    def _cut(self) -> None:
        if member := self._one(Member):
            self.pool.cut(member.peer, self.random.choice([0.3, 2.0, 6.0, 15.0]))

    def _stall(self) -> None:
        if member := self._one(Member):
            member.stall(self.random.choice([0.3, 2.0, 6.0, 15.0]))

    def _reconnect(self) -> None:
        if member := self._one(Member):
            member.reconnect()

    def _seem_dead(self) -> None:
        if member := self._one(Member):
            self.pool.lose(member.peer, "it seems dead")

    def _leave(self) -> None:
        if member := self._one(Member):
            member.worker.leave(running=self.random.choice([False, True]))
            member.act()

    def _end_of_worker(self) -> None:
        """The batch system ends the job of one worker, if possible of one that has just succeeded."""
        there = [actor for actor in self.pool.actors.values() if isinstance(actor, Member)]
        recent = [member for member in there if member.succeeded > self.pool.now - 1.0]
        if member := self.random.choice(recent or there or [None]):
            member.worker.end_of_job(self.pool.now)
            member.worker.leave(running=True)
            member.act()

    def _give_back(self) -> None:
        if original := self._one(Original):
            known = self.random.choice(list(self.pool.ledger.entries))
            original.wishes.append(self.random.choice([(), (known,), (known,), ("nosuch",)]))

    def _sign_off(self) -> None:
        """A peer of the original dialect dies, and somebody signs off for it."""
        if original := self._one(Original):
            del self.pool.actors[original.peer]
            self.pool.at(self.pool.now + 0.5, lambda: self.pool.receive("boss", m.Exit(original.name)))
