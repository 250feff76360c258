"""The last bytes that running tasks have printed on stderr, as far as they arrive before the tasks end."""

from __future__ import annotations

from collections.abc import Iterable


class Tails:
    """The end of each task's stderr. most: bytes kept per task."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._of: dict[int, bytes] = {}

    def __bool__(self) -> bool:
        return bool(self._of)

    def add(self, id: int, data: bytes) -> None:
        """Append a piece that has arrived."""
        self._of[id] = (self._of.get(id, b"") + data)[-self._most :]

    def end(self, id: int, last: bytes = b"") -> bytes:
        """Return the end of the attempt's stderr, `last` included, and drop it: the attempt has ended."""
        return (self._of.pop(id, b"") + last)[-self._most :]

    def forget(self, ids: Iterable[int]) -> None:
        """Drop the tails of attempts that have ended and whose stderr is not needed."""
        if self._of:
            for id in ids:
                self._of.pop(id, None)
