"""When failures stop the pool: GNU parallel's `--halt`, for failures."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dwork.core.errors import UsageError

_FORM = re.compile(r"(soon|now),fail=(\d+)(%?)")


@dataclass(frozen=True, slots=True)
class Halt:
    """Stop after `limit` failed tasks, or when `limit` percent of all tasks have failed.

    now: also kill the running tasks instead of letting them finish.
    """

    now: bool = False
    limit: int = 0
    percent: bool = False

    @classmethod
    def parse(cls, text: str) -> Halt | None:
        """Return None for `never`, a Halt for `soon|now,fail=N|N%`; raise UsageError for anything else."""
        if text == "never":
            return None
        match = _FORM.fullmatch(text)
        if match is None or int(match[2]) < 1 or (match[3] and int(match[2]) > 100):
            raise UsageError(f"--halt {text}: use never, or soon or now with fail=N or fail=N%, as in soon,fail=3")
        return cls(match[1] == "now", int(match[2]), bool(match[3]))

    def reached(self, failed: int, total: int) -> bool:
        """Whether `failed` of `total` tasks are enough to stop."""
        return failed * 100 >= self.limit * total if self.percent else failed >= self.limit
