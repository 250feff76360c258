"""Graphs for the tests of the hub's parts."""

from __future__ import annotations

from typing import Any

import pytest

from dwork.core.errors import GraphError
from dwork.core.task import State, Task
from dwork.hub.graph import Graph
from dwork.hub.node import Node


def graph_of(*tasks: str | Task) -> Graph:
    graph = Graph()
    graph.add([each if isinstance(each, Task) else Task(each, each) for each in tasks])
    return graph


def order(graph: Graph) -> list[str]:
    """The names of the ready tasks as they would be handed out."""
    return [node.name for node in graph.upcoming(99)]


def held(graph: Graph, n: int = 99) -> list[Node]:
    """Up to n tasks, which are now assigned to w."""
    return graph.take(n, "w")


def join(name: str, *after: str) -> Task:
    return Task(name, None, after)


def snapshot(graph: Graph) -> Any:
    """All there is to see of a graph, by value."""
    return (
        [
            (
                node.task, node.id, node.state, node.waiting, node.attempt, node.failures, node.holder,
                [p.name for p in node.predecessors], [s.name for s in node.successors or ()],
                node.culprit.name if node.culprit else None,
            )
            for node in graph.nodes
        ],
        list(graph.names),
        dict(graph.counts),
        [node.name for node in graph._ready],
    )  # fmt: skip


def names(nodes: list[Node]) -> list[str]:
    return [node.name for node in nodes]


def state(graph: Graph, name: str) -> State:
    return graph.names[name].state


def take(graph: Graph, n: int = 1) -> list[str]:
    """Assign up to n tasks; their names."""
    return names(graph.take(n, "w"))


def end(graph: Graph, *of: str) -> None:
    graph.finish([graph.names[name] for name in of])


def refuses(graph: Graph, tasks: list[Task]) -> str:
    """The reason for which the graph refuses to add these, having changed nothing."""
    before = snapshot(graph)
    with pytest.raises(GraphError) as caught:
        graph.add(tasks)
    assert snapshot(graph) == before
    return str(caught.value)
