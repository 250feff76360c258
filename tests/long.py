"""How much is tried where chance decides: a little in CI, and for hours with DWORK_LONG=1, as .ci/long sets it."""

from __future__ import annotations

import os
import random
from typing import Final

LONG: Final = bool(os.environ.get("DWORK_LONG"))


def choose_seed() -> None:
    """Choose the seed of a long run unless it is given; the processes that pytest starts inherit it."""
    if LONG:
        os.environ.setdefault("DWORK_SEED", str(random.SystemRandom().randrange(10**9)))


def seed() -> int:
    """Return DWORK_SEED; without it tests try the same each time."""
    return int(os.environ.get("DWORK_SEED", "0"))


def rounds(few: int, many: int) -> int:
    """Return how often to try: DWORK_ROUNDS, or by default few in CI and many in a long run."""
    return int(os.environ.get("DWORK_ROUNDS") or (many if LONG else few))


def seeds(few: int, many: int) -> range:
    """Return a seed for each round; DWORK_SEED=n DWORK_ROUNDS=1 tries seed n alone."""
    return range(seed(), seed() + rounds(few, many))
