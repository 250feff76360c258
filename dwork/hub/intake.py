"""How much output of running attempts has arrived, so that no byte counts twice and missing bytes are noticed.

Each piece of output has its byte position in the stream. A piece that starts where the last one ended is new. Of a
piece that starts earlier, the overlapping part has already arrived. A piece that starts later shows a gap; it is
ignored, since the bytes before it must come first. A result has the number of bytes that were sent; it counts once they
have arrived.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from dwork.core.messages import Output


@dataclass(slots=True)
class _Arrived:
    """One attempt: bytes of stdout and stderr; their sum when more was last asked for, and how often in a row."""

    attempt: int
    bytes: list[int] = field(default_factory=lambda: [0, 0])
    asked_at: int = -1
    asked: int = 0


class Intake:
    """For each task, the output of the attempt that a worker holds, if any has been sent."""

    def __init__(self) -> None:
        self._of: dict[int, _Arrived] = {}

    def __bool__(self) -> bool:
        return bool(self._of)

    def restore(self, id: int, attempt: int, bytes: tuple[int, int]) -> None:
        """Set how many bytes of stdout and stderr have already arrived."""
        self._of[id] = _Arrived(attempt, list(bytes))

    def attempt(self, id: int) -> int:
        """Return the attempt that has sent output, which may be older than the task's last one; 0 when none has."""
        arrived = self._of.get(id)
        return 0 if arrived is None else arrived.attempt

    def take(self, output: Output, attempt: int) -> bytes:
        """Count a piece of the attempt that its worker holds; return the bytes of it that are new."""
        arrived = self._get(output.task, attempt)
        have = arrived.bytes[output.stream - 1]
        skip = have - output.position if output.attempt else 0  # an older worker sends no position: all is new
        new = output.data[skip:] if skip >= 0 else b""
        arrived.bytes[output.stream - 1] += len(new)
        return new

    def asks(self, id: int, attempt: int, sent: tuple[int, ...]) -> int:
        """Return how often missing output was asked for without success, this time included; 0 when none is missing."""
        arrived = self._get(id, attempt)
        if all(have >= n for have, n in zip(arrived.bytes, sent, strict=False)):
            return 0
        total = sum(arrived.bytes)
        arrived.asked = arrived.asked + 1 if total == arrived.asked_at else 1
        arrived.asked_at = total
        return arrived.asked

    def forget(self, ids: Iterable[int]) -> None:
        """Drop attempts that have ended or are no longer assigned: one that returns sends all its output again."""
        for id in ids:
            self._of.pop(id, None)

    def _get(self, id: int, attempt: int) -> _Arrived:
        arrived = self._of.get(id)
        if arrived is None or arrived.attempt != attempt:
            arrived = self._of[id] = _Arrived(attempt)
        return arrived
