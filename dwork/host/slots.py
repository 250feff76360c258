"""The number of tasks that a rank runs at a time: `--slots N` or `--slots auto`."""

from __future__ import annotations

from typing import Final

from dwork.host.cores import share

OPTION: Final = "--slots"
AUTO: Final = "auto"


def slots(wanted: str, smt: bool = False) -> int:
    """Return the number of slots: N for `N`, this rank's share of cores for `auto`. ValueError when it is neither."""
    if wanted == AUTO:
        return share(smt)
    n = int(wanted) if wanted.isdecimal() else 0
    if not 1 <= n <= 65536:
        raise ValueError(f'"{wanted}" is not a number of slots; give 1 to 65536, or auto')
    return n
