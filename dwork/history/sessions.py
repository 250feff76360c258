"""Start and end of runs, including killed runs, which could not record their end."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from dwork.history.facts import Presence, Session


def ended(runs: Sequence[tuple[Session, bool]], moments: Iterable[float]) -> list[Session]:
    """Return the sessions, sorted by start, without overlaps. runs: pairs of a session and whether its end is known.

    A session that was killed ends with the last of the moments, times at which something is known to have happened.
    """
    runs = sorted(runs, key=lambda run: run[0].started)
    starts = [session.started for session, _ in runs]
    last = list(starts)
    for moment in moments:
        i = bisect_right(starts, moment) - 1
        if i >= 0 and moment > last[i]:
            last[i] = moment
    result = []
    for i, (session, is_known) in enumerate(runs):
        end = max(session.ended if is_known else last[i], session.started)
        if i + 1 < len(runs):
            end = min(end, starts[i + 1])
        result.append(session._replace(ended=end))
    return result


def presences(workers: Iterable[Presence], sessions: Sequence[Session]) -> list[tuple[Presence, float, float]]:
    """Return (worker, begin, end) for each worker, limited to the session in which it joined."""
    starts = [session.started for session in sessions]
    found = []
    for worker in workers:
        i = max(0, bisect_right(starts, worker.joined) - 1)
        if i < len(sessions):
            begin = max(worker.joined, sessions[i].started)
            end = sessions[i].ended if worker.left is None else min(worker.left, sessions[i].ended)
            if end > begin:
                found.append((worker, begin, end))
    return found
