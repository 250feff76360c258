"""What tests compare to see whether a hub has changed."""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import Any

from dwork.core.task import State
from dwork.hub.graph import Graph, Restored
from dwork.hub.node import Node

#: What a record keeps; the other states follow from these.
KEPT = {State.DONE, State.FAILED, State.CANCELLED, State.ASSIGNED}


def nodes_of(graph: Graph) -> list[Node]:
    return [node for node in graph.nodes if node is not None]


def look(graph: Graph) -> Any:
    """All that a refused request must leave as it was."""
    nodes = nodes_of(graph)
    return (
        [
            (n.task, n.state, n.waiting, n.attempt, n.failures, n.holder, n.predecessors, n.after_any, n.culprit)
            for n in nodes
        ],
        [list(n.successors or ()) for n in nodes],
        dict(graph.counts),
        dict(graph.suspended),
        list(graph._ready),
        list(graph.names),
    )


def facts(thing: Any, seen: set[int] | None = None) -> Any:
    """Everything that a hub remembers, each part once, so that two moments can be compared; tasks are in `look`."""
    seen = set() if seen is None else seen
    if isinstance(thing, Node):
        return f"node {thing.id}"
    if isinstance(thing, dict):
        return [(facts(key, seen), facts(value, seen)) for key, value in thing.items()]
    if isinstance(thing, set | frozenset):
        return sorted((facts(each, seen) for each in thing), key=repr)
    if isinstance(thing, list | deque) or (isinstance(thing, tuple) and not hasattr(thing, "_fields")):
        return [facts(each, seen) for each in thing]
    if not type(thing).__module__.startswith("dwork.hub.") or isinstance(thing, Enum | Graph) or id(thing) in seen:
        return thing if not callable(thing) and not isinstance(thing, Graph) else type(thing).__name__
    seen.add(id(thing))
    return {name: facts(getattr(thing, name), seen) for name in getattr(thing, "__slots__", ()) or vars(thing)}


def written(graph: Graph, suspended: Any, gap: int = 0) -> list[Restored]:
    """The tasks of a graph as a record would have them, with `gap` numbers missing before them."""
    return [
        Restored(
            node.id + gap,
            node.task._replace(after=tuple(p.name for p in node.needed)),
            node.state if node.state in KEPT and not node.is_join else State.WAITING,
            node.attempt,
            node.holder,
            node in suspended,
            node.failures,
        )
        for node in nodes_of(graph)
    ]
