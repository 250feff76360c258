"""A hub with a clock for tests, and short ways to say things to it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from dwork.core import events as e
from dwork.core import messages as m
from dwork.core.messages import Native, Verb
from dwork.core.task import Options, Result, State, Task
from dwork.hub.graph import Restored
from dwork.hub.hub import Hub
from dwork.hub.policy import Policy
from dwork.hub.step import Step
from dwork.transport import wire

INF = math.inf


class Stage:
    """A hub with a clock, through the codec; what it sends waits here until a test asks for it."""

    def __init__(self, policy: Policy | None = None, *, output: bool = False) -> None:
        self.hub = Hub(policy, m.Welcome("tcp://hub:1", output))
        self.now = 100.0
        self.sent: list[tuple[Any, m.Message]] = []
        self.events: list[e.Event] = []

    def took(self, step: Step) -> None:
        self.hub.check()
        self.events += step.events
        for peer, message in step.sends:
            wire.decode_reply(wire.encode(message))
            self.sent.append((peer, message))

    def say(self, peer: Any, message: m.Message) -> None:
        message = wire.decode_request(wire.encode(message))
        self.took(self.hub.receive(peer, message, self.now))

    def ask(self, peer: Any, message: m.Message) -> m.Message:
        """Say it as a peer of the original dialect, which gets exactly one reply, and at once."""
        assert not self.sent
        self.say(peer, message)
        ((to, reply),) = self.take()
        assert to == peer
        assert not isinstance(reply, m.Welcome | m.Recall | m.Cancel)
        return reply

    def order(self, verb: Verb, *texts: str) -> m.Message:
        """Somebody does something to tasks; what is sent to others for it waits."""
        self.say("boss", m.Control(verb, texts))
        (at,) = [i for i, (peer, _) in enumerate(self.sent) if peer == "boss"]
        return self.sent.pop(at)[1]

    def refused(self, verb: Verb, *texts: str) -> str:
        """Why somebody cannot do that to tasks; nothing has happened."""
        events, states = list(self.events), {node: node.state for node in self.hub.graph.names.values()}
        reply = self.order(verb, *texts)
        assert isinstance(reply, m.Error), reply
        assert self.events == events
        assert states == {node: node.state for node in self.hub.graph.names.values()}
        return reply.text

    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds
        self.took(self.hub.tick(self.now))

    def lose(self, *peers: Any) -> None:
        """These are gone."""
        for peer in peers:
            self.took(self.hub.lose({peer: ()}, self.now, "gone"))

    def take(self) -> list[tuple[Any, m.Message]]:
        sent, self.sent = self.sent, []
        return sent

    def heard(self) -> list[e.Event]:
        happened, self.events = self.events, []
        return happened

    def create(self, *tasks: str | Task) -> None:
        made = tuple(task if isinstance(task, Task) else Task(task, task) for task in tasks)
        assert self.ask("client", m.Create(made)) == m.OK()

    def state(self, name: str) -> State:
        return self.hub.graph.names[name].state

    def states(self, *names: str) -> str:
        """The states of these (or all), in order."""
        return " ".join(self.state(name).value for name in names or self.hub.graph.names)


def finish(stage: Stage) -> None:
    assert not stage.sent, "something was sent that no test has asked for"
    stage.hub.check()


def task(name: str, *after: str, **options: Any) -> Task:
    return Task(name, name, after, Options(**options))


def told(reply: m.Message) -> list[str]:
    """The names of a Transfer's tasks."""
    assert isinstance(reply, m.Transfer)
    return [assigned.name for assigned in reply.tasks]


def steal(location: str, sequence: int, n: int = 1, *, slots: int = 1, wait: float = INF, **more: Any) -> m.Steal:
    return m.Steal(location, n, Native(slots, wait, sequence, **more))


def complete(location: str, sequence: int, *results: Result, n: int = 0, **more: Any) -> m.Complete:
    more.setdefault("slots", 1)
    return m.Complete(location, results, n, Native(wait=INF, sequence=sequence, **more))


def fail(stage: Stage, *names: str, location: str = "vm") -> None:
    """These are handed out next, and fail."""
    assert told(stage.ask(location, m.Steal(location, len(names)))) == [*names]
    assert stage.ask(location, m.Complete(location, tuple(Result(name, 0, 1) for name in names))) == m.OK()


def restored(*entries: Restored, slots: Mapping[str, int] | None = None, policy: Policy | None = None) -> Stage:
    """A hub that goes on from a record."""
    stage = Stage(policy)
    stage.took(stage.hub.restore(entries, stage.now, slots))
    assert not stage.sent
    return stage


def served(stage: Stage) -> list[tuple[str, list[str]]]:
    """Who was handed what; other messages are of no interest."""
    return [(peer, told(message)) for peer, message in stage.take() if isinstance(message, m.Transfer)]


def succeed(stage: Stage, *names: str) -> None:
    """These are handed out next, and end well."""
    assert told(stage.ask("vm", m.Steal("vm", len(names)))) == [*names]
    assert stage.ask("vm", m.Complete("vm", tuple(Result(name) for name in names))) == m.OK()


def one_of_each(stage: Stage) -> None:
    """Tasks that are called by their states: done, failed, skipped, cancelled and ready."""
    stage.create("done", "failed", task("skipped", "failed"), "cancelled", "ready")
    succeed(stage, "done")
    fail(stage, "failed")
    stage.order(Verb.CANCEL, "cancelled")
    assert stage.states() == "done failed skipped cancelled ready"
