"""Variables that another system sets for its tasks, and whose values dwork does not know before a task runs."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping


class Unset:
    """Refuses commands that use such variables, which would be empty when the command runs.

    mark: the common prefix of all names. advice: by name, what to write instead; a name that ends in `_` is a prefix.
    """

    def __init__(self, mark: str, advice: Mapping[str, str]) -> None:
        self._mark = mark
        self._advice = advice
        names = "|".join(rf"{name}\w*" if name.endswith("_") else rf"{name}(?!\w)" for name in advice)
        self._any = re.compile(rf"(?<![A-Za-z0-9_])(?:{names})", re.ASCII)

    def refuse(self, text: str, given: Container[str] = ()) -> None:
        """Raise ValueError when the text uses such a variable, unless it is one of the given, which are set."""
        if self._mark not in text:
            return
        for found in self._any.finditer(text):
            if (name := found[0]) not in given:
                advice = next(advice for begin, advice in self._advice.items() if name.startswith(begin))
                raise ValueError(f"{name} is not set by dwork; {advice}")
