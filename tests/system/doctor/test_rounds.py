"""How rank 0 hears the others, and does without those that say nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from dwork.core.errors import TransportError, WireError
from dwork.doctor.facts import Facts
from dwork.doctor.rounds import RankAnswers, hear, tell
from dwork.host.mounts import Mount
from dwork.transport import HUB, Peer
from dwork.transport.inproc import Inproc
from dwork.transport.waiting import clock

#: Seconds that rank 0 waits for those who say nothing.
PATIENCE = 0.2


class Ranks(Inproc):
    """Rank 0's end; the others answer each question at once, or never."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[Peer, Callable[[bytes], bytes | None]] = {}
        self.dropped: list[Peer] = []

    def says(self, rank: int, host: str, answer: Callable[[bytes], bytes | None]) -> None:
        end = Inproc()
        end.connect(self, rank)
        end.send(HUB, Facts(rank, host, mount=Mount("nfs", "a:/b")).to_json())
        self.answers[rank] = answer

    def send(self, peer: Peer, frame: bytes) -> None:
        answer = self.answers[peer](frame)
        if answer is not None:
            self.peers[peer][0].send(HUB, answer)

    def drop(self, peer: Peer) -> None:
        self.dropped.append(peer)


def at(ahead: float, is_there: bool = True) -> Callable[[bytes], bytes | None]:
    return lambda question: json.dumps([clock() + ahead, is_there]).encode()


def heard(ranks: Ranks, peers: list[Peer]) -> RankAnswers:
    return hear(ranks, Facts(0, "node0"), peers, "file", PATIENCE)


def test_one_of_each_other_host_tells_its_time_and_whether_it_is_in_the_same_directory() -> None:
    ranks = Ranks()
    ranks.says(1, "node0", lambda question: pytest.fail("it has the clock of rank 0"))
    ranks.says(2, "node1", at(5.0))
    ranks.says(3, "node1", lambda question: pytest.fail("it has the clock of rank 2"))
    ranks.says(4, "node2", at(-0.5, is_there=False))
    found = heard(ranks, [1, 2, 3, 4])
    assert [(f.rank, f.host) for f in found.ranks] == [
        (0, "node0"),
        (1, "node0"),
        (2, "node1"),
        (3, "node1"),
        (4, "node2"),
    ]
    assert found.ranks[1].mount == Mount("nfs", "a:/b")
    assert found.skew == pytest.approx({"node1": 5.0, "node2": -0.5}, abs=0.05)
    assert (found.silent, found.apart, ranks.dropped) == ((), ("node2",), [])


def test_who_says_nothing_is_named_and_dropped() -> None:
    ranks = Ranks()
    ranks.says(1, "node0", at(0))
    ranks.says(2, "node1", lambda question: None)
    found = heard(ranks, [1, 2, 3])
    assert [f.rank for f in found.ranks] == [0, 1]
    assert found.silent == (2, 3)
    assert ranks.dropped == [2, 3]


def test_who_says_something_else_has_not_answered() -> None:
    ranks = Ranks()
    end = Inproc()
    end.connect(ranks, 1)
    end.send(HUB, b"\x08\x01")
    assert heard(ranks, [1]).silent == (1,)


@pytest.mark.parametrize("frame", [b"", b"\xff", b"[]", b"{}", b"7", b'[["nonsense", 1]]', b'[["mount", 7]]'])
def test_what_are_no_facts_is_refused(frame: bytes) -> None:
    with pytest.raises(WireError, match="something other than its facts"):
        Facts.from_json(frame)


def test_a_rank_tells_its_facts_answers_and_leaves_at_any_other_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").touch()
    hub, rank = Inproc(), Inproc()
    rank.connect(hub, 1)
    for frame in (b"?here", b"?there", b"\x08\x05"):
        hub.send(1, frame)
    mine = Facts(1, "node1", bound=(0, 1), gpus=("GPU-1",), mount=Mount("nfs", "a:/b"))
    tell(rank, mine, PATIENCE, clock=lambda: 17.0)
    first, *answers = [frame for _, frame in hub.receive()]
    assert Facts.from_json(first) == mine
    assert [json.loads(answer) for answer in answers] == [[17.0, True], [17.0, False]]


def test_a_rank_whose_rank_0_says_nothing_gives_up() -> None:
    hub, rank = Inproc(), Inproc()
    rank.connect(hub, 1)
    assert rank.nap() == math.inf
    with pytest.raises(TransportError, match=r"rank 0 has not answered for 0\.2 s"):
        tell(rank, Facts(), PATIENCE)
