"""How much of what running attempts print has arrived, so that none of it counts twice and what is missing is missed.

A worker numbers the bytes of each stream. A piece that begins where the last one ended is new; one that begins before
that came once already, as far as it overlaps; one that begins behind it shows a gap, and what fills that is to come
first, so it is not taken. A result tells how many bytes were sent: it counts when they are here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from dwork.core.messages import Output


@dataclass(slots=True)
class _Arrived:
    """Of one attempt: bytes of stdout and stderr; how many there were when more was asked for, and how often."""

    attempt: int
    bytes: list[int] = field(default_factory=lambda: [0, 0])
    asked_at: int = -1
    asked: int = 0


class Intake:
    """Of each task, the attempt that some worker holds and has sent output of."""

    def __init__(self) -> None:
        self._of: dict[int, _Arrived] = {}

    def __bool__(self) -> bool:
        return bool(self._of)

    def restore(self, id: int, attempt: int, bytes: tuple[int, int]) -> None:
        """So much has arrived before."""
        self._of[id] = _Arrived(attempt, list(bytes))

    def attempt(self, id: int) -> int:
        """Which attempt of a task its worker holds, which may be older than the last one; 0: nothing was sent of it."""
        arrived = self._of.get(id)
        return 0 if arrived is None else arrived.attempt

    def take(self, output: Output, attempt: int) -> bytes:
        """What is new of a piece, of the attempt that its worker holds."""
        arrived = self._get(output.task, attempt)
        have = arrived.bytes[output.stream - 1]
        skip = have - output.position if output.attempt else 0  # whoever does not count is believed
        new = output.data[skip:] if skip >= 0 else b""
        arrived.bytes[output.stream - 1] += len(new)
        return new

    def asks(self, id: int, attempt: int, sent: tuple[int, ...]) -> int:
        """How often one has asked in vain for what is missing of so many bytes, this time included; 0: nothing is."""
        arrived = self._get(id, attempt)
        if all(have >= told for have, told in zip(arrived.bytes, sent, strict=False)):
            return 0
        total = sum(arrived.bytes)
        arrived.asked = arrived.asked + 1 if total == arrived.asked_at else 1
        arrived.asked_at = total
        return arrived.asked

    def forget(self, ids: Iterable[int]) -> None:
        """These attempts are over, or nobody's any more: one that comes back sends all again."""
        for id in ids:
            self._of.pop(id, None)

    def _get(self, id: int, attempt: int) -> _Arrived:
        arrived = self._of.get(id)
        if arrived is None or arrived.attempt != attempt:
            arrived = self._of[id] = _Arrived(attempt)
        return arrived
