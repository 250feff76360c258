"""Which tasks somebody means who writes names, `#ids` and globs."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dwork.core.errors import GraphError
from dwork.core.glob import is_glob, matcher
from dwork.hub.graph import Graph
from dwork.hub.node import Node


def find(graph: Graph, text: str) -> Node | None:
    """The task of that name, or that `#id`."""
    node = graph.find(text)
    if node is None and text[:1] == "#" and text[1:].isdecimal() and len(text) < 20:
        node = graph.find(int(text[1:]))
    return node


def select(graph: Graph, texts: Iterable[str], fits: Callable[[Node], bool], why_not: str) -> list[Node]:
    """The tasks that are meant, each once; joins are never.

    A name or number must fit, or GraphError is raised; of those that a glob matches only those that fit are meant.
    Time is linear in tasks for each glob.
    """
    selected: dict[Node, None] = {}
    for text in texts:
        node = find(graph, text)
        if node is not None:
            if node.is_join:
                raise GraphError(f"{node.name!r} has nothing to run; it follows from the tasks before it")
            if not fits(node):
                raise GraphError(f"task {node.name!r} is {node.state.value}: {why_not}")
            selected[node] = None
            continue
        if not is_glob(text):
            raise GraphError(f"there is no task {text!r}")
        matches = _matcher(text)
        found = [node for name, node in graph.names.items() if matches(name)]
        if not found:
            raise GraphError(f"no task's name matches {text!r}")
        selected.update((node, None) for node in found if fits(node) and not node.is_join)
    return list(selected)


def _matcher(glob: str) -> Callable[[str], object]:
    try:
        return matcher(glob)
    except ValueError as error:
        raise GraphError(str(error)) from None
