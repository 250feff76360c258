"""Which workers are asked to leave."""

from __future__ import annotations

import pytest

from dwork.core import messages as m
from tests.stage import Stage, steal


@pytest.fixture
def joined(stage: Stage) -> Stage:
    """Workers node1:1, node1:2 and node2:1 wait for tasks; cpp:1 has been refused one."""
    stage.create("a")
    stage.say("boss", m.Control(m.Verb.HOLD, ("a",)))
    for peer, location in [("p", "node1:1"), ("q", "node1:2"), ("r", "node2:1")]:
        stage.say(peer, steal(location, 1))
    stage.say("old", m.Steal("cpp:1", 1))
    stage.take()
    return stage


@pytest.mark.parametrize(
    ("texts", "peers"),
    [
        (("node1:2",), ["q"]),
        (("node1:*",), ["p", "q"]),
        (("node2:1", "node1:1"), ["p", "r"]),
        (("*", "node1:1"), ["p", "q", "r"]),  # each once, and not the C++ worker, which takes no requests
        (("node1:1", "nosuch"), ["p"]),
    ],
)
def test_those_that_a_location_or_a_glob_matches_are_asked(
    joined: Stage, texts: tuple[str, ...], peers: list[str]
) -> None:
    joined.say("boss", m.Leave(texts))
    assert joined.take() == [*[(peer, m.Leave()) for peer in peers], ("boss", m.OK(n=len(peers)))]


@pytest.mark.parametrize("text", ["node3:1", "node1", "cpp:1"])
def test_when_none_can_be_asked_that_is_an_error(joined: Stage, text: str) -> None:
    assert joined.ask("boss", m.Leave((text, "x*"))) == m.Error(
        f"no worker that can be asked to leave matches {text}, x*"
    )
