"""Bins: time divided into intervals of equal width, and how much happens in each."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bins:
    """n bins from begin to end; end must be later than begin."""

    begin: float
    end: float
    n: int

    @property
    def width(self) -> float:
        return (self.end - self.begin) / self.n

    def edges(self) -> list[float]:
        """Return the n + 1 boundaries of the bins, in seconds."""
        return [self.begin + i * self.width for i in range(self.n + 1)]

    def spent(self, spans: Iterable[tuple[int, float, float, float]], rows: int) -> list[array[float]]:
        """Return a table, by row and bin, of the seconds that spans spend there, times their weights.

        A span is (row, start, end, weight). Time is linear in spans and the bins that they overlap.
        """
        table = [array("d", bytes(8 * self.n)) for _ in range(rows)]
        width, last = self.width, self.n - 1
        for number, start, end, weight in spans:
            start, end = max(start, self.begin) - self.begin, min(end, self.end) - self.begin
            if end <= start:
                continue
            row = table[number]
            i, k = min(int(start / width), last), min(int(end / width), last)
            if i == k:
                row[i] += (end - start) * weight
                continue
            row[i] += ((i + 1) * width - start) * weight
            row[k] += (end - k * width) * weight
            for between in range(i + 1, k):
                row[between] += width * weight
        return table

    def counted(self, times: Iterable[float]) -> list[int]:
        """Return, for each bin, the number of times before its end; for the last bin, the number of all times."""
        counts = [0] * self.n
        for time in times:
            counts[max(0, min(int((time - self.begin) / self.width), self.n - 1))] += 1
        total = 0
        for i, count in enumerate(counts):
            total += count
            counts[i] = total
        return counts


def shared(lengths: list[float], most: int) -> list[int]:
    """Return the number of bins for each length of time: equal widths, and about `most` bins in total."""
    total = sum(lengths)
    return [max(1, round(most * length / total)) if total else 1 for length in lengths]
