"""Find the tasks that names, `#ids` and globs refer to."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dwork.core.errors import GraphError
from dwork.core.glob import is_glob, matcher
from dwork.hub.graph import Graph
from dwork.hub.node import Node


def find(graph: Graph, text: str) -> Node | None:
    """Return the task with this name or `#id`; None when there is none."""
    node = graph.find(text)
    if node is None and text[:1] == "#" and text[1:].isdecimal() and len(text) < 20:
        node = graph.find(int(text[1:]))
    return node


def select(graph: Graph, texts: Iterable[str], fits: Callable[[Node], bool], why_not: str) -> list[Node]:
    """Return the tasks that the texts refer to, each once, without joins.

    A task given by name or `#id` must pass `fits`, or GraphError is raised with why_not; of the tasks that a glob
    matches, only those that pass are returned. Each glob takes time linear in the number of tasks.
    """
    selected: dict[Node, None] = {}
    for text in texts:
        node = find(graph, text)
        if node is not None:
            if node.is_join:
                raise GraphError(f"{node.name!r} has nothing to run; its state follows from the tasks before it")
            if not fits(node):
                raise GraphError(f"task {node.name!r} is {node.state.value}: {why_not}")
            selected[node] = None
            continue
        if not is_glob(text):
            raise GraphError(f"there is no task {text!r}")
        matches = _matcher(text)
        found = [node for name, node in graph.names.items() if matches(name)]
        if not found:
            raise GraphError(f"no task name matches {text!r}")
        selected.update((node, None) for node in found if fits(node) and not node.is_join)
    return list(selected)


def _matcher(glob: str) -> Callable[[str], object]:
    try:
        return matcher(glob)
    except ValueError as error:
        raise GraphError(str(error)) from None
