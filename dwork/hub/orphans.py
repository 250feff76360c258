"""Copies of tasks that the graph does not know of: their workers were declared lost, and the tasks made ready again.

A worker that was only cut off for a while returns with them. A copy that it has finished counts, unless the task has
ended elsewhere meanwhile. A copy that it still runs is assigned to it again if no other worker has the task; otherwise
both run, and the first one to succeed counts. When the task has ended, all other copies are killed, and so are those
that have begun before a predecessor that must run first.
"""

from __future__ import annotations

from collections.abc import Iterable

from dwork.hub.node import Node


class Orphans:
    """For each task, the workers that may have a copy unknown to the graph: location and attempt."""

    def __init__(self) -> None:
        self._copies: dict[Node, dict[str, int]] = {}

    def __bool__(self) -> bool:
        return bool(self._copies)

    def add(self, nodes: Iterable[Node], location: str) -> None:
        """Add the tasks that a lost worker held."""
        for node in nodes:
            self._copies.setdefault(node, {})[location] = node.attempt

    def attempt(self, node: Node, location: str) -> int:
        """Return the attempt of a worker's copy; 0 when it has none."""
        return self._copies.get(node, {}).get(location, 0)

    def drop(self, node: Node, location: str) -> None:
        """Drop a copy that the worker no longer has, or that the graph knows again."""
        copies = self._copies.get(node)
        if copies is not None:
            copies.pop(location, None)
            if not copies:
                del self._copies[node]

    def early(self) -> list[Node]:
        """Return the tasks whose copies have begun too early: a predecessor was added, or must run again."""
        return [node for node in self._copies if any(map(node.waits_for, node.predecessors))]

    def end(self, nodes: Iterable[Node]) -> dict[str, list[int]]:
        """Drop the copies of tasks; return the ids of those to kill, by location."""
        ids: dict[str, list[int]] = {}
        if self._copies:
            for node in nodes:
                for location in self._copies.pop(node, {}):
                    ids.setdefault(location, []).append(node.id)
        return ids
