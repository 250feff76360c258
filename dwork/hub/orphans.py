"""Copies of tasks that run outside the book: their workers were taken for lost, and the tasks are ready again.

A worker that was only cut off for a while comes back with them. What it has finished counts, unless the task ended
elsewhere meanwhile; what it still runs becomes its own again when nobody else has it, goes on as a stray while
another worker runs the task too (whoever ends it first wins), and is to be dropped when the task has ended.
"""

from __future__ import annotations

from collections.abc import Iterable

from dwork.hub.node import Node


class Orphans:
    """Of each task, which workers may have a copy that the graph does not know of: location and attempt."""

    def __init__(self) -> None:
        self._copies: dict[Node, dict[str, int]] = {}

    def __bool__(self) -> bool:
        return bool(self._copies)

    def add(self, nodes: Iterable[Node], location: str) -> None:
        """A worker was lost with these in its hands."""
        for node in nodes:
            self._copies.setdefault(node, {})[location] = node.attempt

    def attempt(self, node: Node, location: str) -> int:
        """Which attempt a worker's copy is; 0 when it has none."""
        return self._copies.get(node, {}).get(location, 0)

    def drop(self, node: Node, location: str) -> None:
        """A worker has that copy no more, or it is known to the graph again."""
        copies = self._copies.get(node)
        if copies is not None:
            copies.pop(location, None)
            if not copies:
                del self._copies[node]

    def end(self, nodes: Iterable[Node]) -> dict[str, list[int]]:
        """These have ended: whose copies are to be dropped, by location."""
        told: dict[str, list[int]] = {}
        if self._copies:
            for node in nodes:
                for location in self._copies.pop(node, {}):
                    told.setdefault(location, []).append(node.id)
        return told
