"""Commands as people write them, one per line."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_HERE: Final = Path(__file__).with_name("corpus")


def _lines(name: str) -> tuple[str, ...]:
    lines = (_HERE / name).read_text().split("\n")
    return tuple(line for line in lines if line and not line.startswith("#"))


#: Commands that any shell understands.
ANY_SHELL: Final = _lines("any_shell.txt")
#: Commands that bash understands and dash does not.
BASH: Final = _lines("bash.txt")
