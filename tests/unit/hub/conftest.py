"""What tests of the hub share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dwork.hub.graph import Graph
from dwork.hub.invariants import check_graph
from tests.stage import Stage, finish


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    finish(stage)


@pytest.fixture
def graph() -> Iterator[Graph]:
    graph = Graph()
    yield graph
    check_graph(graph)
