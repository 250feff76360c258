"""What running tasks said last on stderr, of as much as comes before they end."""

from __future__ import annotations

from collections.abc import Iterable


class Tails:
    """most: bytes that are kept of each task."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._of: dict[int, bytes] = {}

    def __bool__(self) -> bool:
        return bool(self._of)

    def add(self, id: int, data: bytes) -> None:
        """A piece has come."""
        self._of[id] = (self._of.get(id, b"") + data)[-self._most :]

    def end(self, id: int, last: bytes = b"") -> bytes:
        """The end of what it said, `last` included. The attempt is over."""
        return (self._of.pop(id, b"") + last)[-self._most :]

    def forget(self, ids: Iterable[int]) -> None:
        """These attempts are over, and nobody wants to know what they said last."""
        if self._of:
            for id in ids:
                self._of.pop(id, None)
