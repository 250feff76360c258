"""Collects the facts on rank 0: every rank sends its own, then rank 0 questions one rank of each host.

All messages are point to point, so that a rank which does not answer does not block the others. A question is `?` and
the name of a file that rank 0 has created; the answer has the time and whether the file exists there. Any other frame
from rank 0 ends the exchange.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from dwork.core.errors import TransportError, WireError
from dwork.doctor.facts import Facts
from dwork.transport import HUB, Peer, Transport
from dwork.transport.waiting import clock as wall
from dwork.transport.waiting import sleep

_QUESTION: Final = b"?"
#: Questions to a host; the fastest answer gives the best estimate of its clock.
_TIMES: Final = 3


class RankAnswers(NamedTuple):
    """ranks: in rank order, from rank 0. silent, skew, apart: as in a Job."""

    ranks: list[Facts]
    silent: tuple[int, ...]
    skew: Mapping[str, float]
    apart: tuple[str, ...]


def tell(transport: Transport, facts: Facts, patience: float, clock: Callable[[], float] = wall) -> None:
    """Send this rank's facts and answer questions until the end.

    patience: seconds without a message from rank 0 after which it raises TransportError.
    """
    transport.send(HUB, facts.to_json())
    until = wall() + patience
    while wall() < until:
        for _, frame in transport.receive():
            if not frame.startswith(_QUESTION):
                return
            name = frame.removeprefix(_QUESTION).decode()
            transport.send(HUB, json.dumps([clock(), os.path.exists(name)]).encode())
            until = wall() + patience
        sleep([transport], (), until)
    raise TransportError(f"rank 0 has not answered for {patience:g} s")


def hear(transport: Transport, mine: Facts, peers: list[Peer], file: str, patience: float) -> RankAnswers:
    """Collect the facts of all peers on rank 0, and question one peer of each host.

    patience: seconds without a message from any peer after which the missing ones count as silent and are dropped.
    file: a file in this directory, which each host must see in its own.
    """
    found = _facts(transport, peers, patience)
    first = {f.host: peer for peer, f in reversed(found.items()) if f.host != mine.host}
    skew, apart = {}, []
    for host, peer in reversed(first.items()):
        answer = _asked(transport, peer, file, patience)
        if answer is None:
            del found[peer]
            continue
        skew[host], is_there = answer
        if file and not is_there:
            apart.append(host)
    silent = [peer for peer in peers if peer not in found]
    for peer in silent:
        transport.drop(peer)
    ranks = sorted(found.values(), key=lambda f: f.rank)
    return RankAnswers([mine, *ranks], tuple(int(str(peer)) for peer in silent), skew, tuple(apart))


def _facts(transport: Transport, peers: list[Peer], patience: float) -> dict[Peer, Facts]:
    found: dict[Peer, Facts] = {}
    gone: set[Peer] = set()
    until = wall() + patience
    while wall() < until:
        for peer, frame in transport.receive():
            try:
                found[peer] = Facts.from_json(frame)
                until = wall() + patience
            except WireError:  # it runs another program than the doctor
                pass
        gone |= set(transport.lost()) - set(found)
        if len(found) + len(gone) >= len(peers):
            break
        sleep([transport], (), until)
    return {peer: found[peer] for peer in peers if peer in found}


def _asked(transport: Transport, peer: Peer, file: str, patience: float) -> tuple[float, bool] | None:
    """Return the seconds by which the peer's clock is ahead, and whether it sees the file; None without an answer."""
    best: tuple[float, float, bool] | None = None
    for _ in range(_TIMES):
        asked = wall()
        transport.send(peer, _QUESTION + file.encode())
        answer = _answer(transport, peer, asked + patience)
        if answer is None:
            return None
        heard = wall()
        time, is_there = json.loads(answer)
        took = (heard - asked, time - (asked + heard) / 2, is_there)
        best = took if best is None else min(best, took)
    assert best is not None
    return best[1:]


def _answer(transport: Transport, peer: Peer, until: float) -> bytes | None:
    while wall() < until:
        for other, frame in transport.receive():
            if other == peer:
                return frame
        if peer in transport.lost():
            return None
        sleep([transport], (), until)
    return None
