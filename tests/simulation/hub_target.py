"""A hub that is fed frames which nobody means well: the target of the fuzz tests, and a program that feeds it for long.

python tests/simulation/hub_target.py 1000000        so many mutated frames, and what memory they cost
"""

from __future__ import annotations

import random
import resource
import sys

from dwork.core import messages as m
from dwork.core.errors import WireError
from dwork.core.messages import Native, Returned
from dwork.core.task import Options, Result, Task
from dwork.hub.hub import Hub
from dwork.hub.policy import Policy
from dwork.transport import wire

#: A frame of each kind, to begin with.
SEEDS = [
    wire.encode(message)
    for message in (
        m.Create((Task("a", "a"), Task("b", ("x", "y"), ("a",), Options(cores=2, env=(("A", "1"),)), "vm"))),
        m.Create(tuple(Task(f"t{i}", f"t{i}", (f"t{i - 1}",) if i else ()) for i in range(9))),
        m.Steal("w", 3),
        m.Steal("n", 2, Native(2, 9.0, 1, None, True, 5.0)),
        m.Steal("n", 1, Native(2, 9.0, 7, ((0, 1), (3, 1)))),
        m.Complete("w", (Result("a"), Result("t0", 1, 3))),
        m.Complete("n", (Result(0, 1), Result(1, 1, 1, error="no", stdout=b"x")), 4, Native(2, 9.0, 2)),
        m.GiveBack("w", (Returned("a", ("b",)), Returned(1))),
        m.Beat("n", Native(1, 0.0, 3, None, False, 1.0)),
        m.Lookup("#0"), m.Exit("w"), m.OK(), m.Output("n", 0, 1, b"out"),
        m.Control(m.Verb.CANCEL, ("*",)), m.Control(m.Verb.RETRY, ("a", "#1")), m.Control(m.Verb.HOLD, ("t*",)),
        m.Control(m.Verb.RELEASE, ("*",)), m.List(("done",), "t*", 0, 5), m.Show("a"), m.Read(0, 1, 1, 0),
        m.Leave(("n",)), m.Workers(), m.Watch(), m.Await(1.0),
    )
]  # fmt: skip


class Target:
    """A hub, and peers that say anything. It is to survive, and to answer nothing that cannot be sent."""

    def __init__(self) -> None:
        self.hub = Hub(Policy(retries=1, delay=0.5))
        self.now = 1000.0

    def feed(self, peer: object, frame: bytes) -> None:
        self.now += 0.25
        try:
            message = wire.decode_request(frame)
        except WireError as error:
            wire.encode(m.Error(str(error)))
            return
        if isinstance(message, m.Inquiry):
            return
        for step in (self.hub.receive(peer, message, self.now), self.hub.tick(self.now)):
            for _, reply in step.sends:
                wire.decode_reply(wire.encode(reply))


def mutated(frame: bytes, chance: random.Random) -> bytes:
    """The frame with some bytes changed, left out, doubled or put in from another one."""
    data = bytearray(frame)
    for _ in range(chance.choice((0, 1, 1, 2, 4, 16))):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(5):
            case 0 if at < len(data):
                data[at] = chance.randrange(256)
            case 1:
                del data[at : at + chance.randrange(1, 9)]
            case 2:
                data[at:at] = data[at : at + chance.randrange(1, 9)]
            case 3:
                other = chance.choice(SEEDS)
                start = chance.randrange(len(other))
                data[at:at] = other[start : start + chance.randrange(1, 32)]
            case _:
                data[at:at] = chance.randbytes(chance.randrange(1, 5))
    return bytes(data)


def main(frames: int, seed: int = 1) -> None:
    chance = random.Random(seed)
    before = 0
    target = Target()
    for i in range(frames):
        if i % 2000 == 0:
            if i:
                target.hub.check()
            target = Target()
        if i == frames // 10:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        target.feed(chance.randrange(4), mutated(chance.choice(SEEDS), chance))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"{frames:,} frames, and {grown:,} KiB more than after the first tenth")


if __name__ == "__main__":
    main(int(sys.argv[1]), *map(int, sys.argv[2:]))
