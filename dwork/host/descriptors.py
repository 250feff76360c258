"""The limit of open files of this process: dwork may need a higher one than its user has, but tasks get the user's."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator

_NOFILE = resource.RLIMIT_NOFILE
_given: list[int] = []  # the user's soft limit, once this process has raised its own


def limit() -> int:
    """Return how many files this process may have open."""
    return resource.getrlimit(_NOFILE)[0]


def have(n: int | None = None) -> None:
    """Raise the limit to n, or as far as allowed."""
    soft, hard = resource.getrlimit(_NOFILE)
    wanted = hard if n is None or (hard != resource.RLIM_INFINITY and n > hard) else n
    if soft != resource.RLIM_INFINITY and (wanted == resource.RLIM_INFINITY or soft < wanted):
        resource.setrlimit(_NOFILE, (wanted, hard))
        if not _given:
            _given.append(soft)


@contextlib.contextmanager
def given() -> Iterator[None]:
    """Put the user's limit back meanwhile, for a process that is started: files that are open stay so."""
    if not _given:
        yield
        return
    soft, hard = resource.getrlimit(_NOFILE)
    resource.setrlimit(_NOFILE, (min(_given[0], soft) if soft != resource.RLIM_INFINITY else _given[0], hard))
    try:
        yield
    finally:
        resource.setrlimit(_NOFILE, (soft, hard))
