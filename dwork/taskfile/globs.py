"""Match globs against names without testing every name for every glob."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from functools import cached_property

from dwork.core.glob import MAGIC, matcher

_MAGIC_OR_END = re.compile(r"[*?\[\]]")


class Names:
    """The names of all tasks, by position, to match globs against.

    Nearly all globs start or end with plain text (`solve-17-*`), so names are sorted by prefix and by suffix, and only
    those that share the prefix (or suffix) of the glob are matched: many globs over many names stay cheap.
    """

    def __init__(self, index: Mapping[str, int]) -> None:
        self._index = index

    def matching(self, glob: str) -> list[int]:
        """Return the positions of all matching names, in order. Raise ValueError when the glob is not valid."""
        begin, end = MAGIC.split(glob, 1)[0], _MAGIC_OR_END.split(glob)[-1]
        by_begin = _between(self._forwards, begin)
        by_end = _between(self._backwards, end[::-1])
        if len(by_begin) <= len(by_end):
            names = [self._forwards[k] for k in by_begin]
            known = glob == begin + "*"
        else:
            names = [self._backwards[k][::-1] for k in by_end]
            known = glob == "*" + end
        return sorted(self._index[name] for name in (names if known else filter(matcher(glob), names)))

    @cached_property
    def _forwards(self) -> list[str]:
        return sorted(self._index)

    @cached_property
    def _backwards(self) -> list[str]:
        return sorted(name[::-1] for name in self._index)


def _between(names: list[str], begin: str) -> range:
    """Return the range of the names with this prefix in a sorted list."""
    if not begin:
        return range(len(names))
    low = bisect_left(names, begin)
    return range(low, bisect_right(names, begin, low, key=lambda name: name[: len(begin)]))
