"""Colours of states and outcomes that colour-blind readers can distinguish (Okabe and Ito), on white and on black."""

from __future__ import annotations

from typing import Final

COLOURS: Final = {
    "done": "#4c9bd6",
    "failed": "#d55e00",
    "timeout": "#e69f00",
    "cancelled": "#cc79a7",
    "interrupted": "#b8a21a",
    "skipped": "#a894c8",
    "waiting": "#b5b9c0",
    "lost": "#7f7f7f",
}
OTHER: Final = "#b5b9c0"
#: Outcomes of attempts.
OUTCOMES: Final = ("done", "failed", "timeout", "cancelled", "interrupted", "lost")


def colour(state: str) -> str:
    return COLOURS.get(state, OTHER)
