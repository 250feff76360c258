"""The top of a report: the run in a few numbers, what limited it, and notes for reading the rest."""

from __future__ import annotations

from collections.abc import Iterator

from dwork.core.location import host_of
from dwork.core.text import counted
from dwork.core.version import __version__
from dwork.dquery._picture.tables import text
from dwork.dquery._picture.words import took
from dwork.dquery._words import moment
from dwork.history.facts import LOST, History
from dwork.history.summary import Limit, Summary, limit


def headline(name: str, history: History, summary: Summary, bars: int, rows: int) -> str:
    """Return HTML. name: of the record; bars, rows: how many attempts and tasks are left out further down."""
    tiles = "".join(f'<div class="tile {kind}"><b>{value}</b>{words}</div>' for kind, value, words in _tiles(summary))
    notes = "".join(f"<li>{note}</li>" for note in _notes(history, summary, bars, rows))
    return (
        f'<header><h1>{text(name)}</h1><p class="faint">{_when(history)}</p></header>\n'
        f'<div class="tiles">{tiles}</div>\n<p id="verdict">{_verdict(summary)}</p><ul class="notes">{notes}</ul>\n'
    )


def _when(history: History) -> str:
    sessions = history.sessions
    workers = {worker.worker for worker in history.workers}
    hosts = {host_of(worker) for worker in workers}
    when = f"{moment(sessions[0].started)} to {moment(sessions[-1].ended)}" if sessions else "nothing has run"
    who = f"{counted(len(workers), 'worker')} on {counted(len(hosts), 'host')}"
    return f"{when}; {counted(len(sessions), 'run')}, {who}; dwork {__version__}"


def _tiles(summary: Summary) -> Iterator[tuple[str, str, str]]:
    """Yield the class, number and label of each tile."""
    states = summary.states
    yield "done", f"{states['done']:,}", f"done of {counted(states.total(), 'task')}"
    if states["failed"]:
        yield "bad", f"{states['failed']:,}", '<a href="#failed">failed</a>'
    else:
        yield "", "0", "failed"
    for state in ("skipped", "cancelled", "waiting"):
        if states[state]:
            yield "", f"{states[state]:,}", state
    yield "", took(summary.seconds), "wall time"
    if summary.used is not None:
        yield "", f"{summary.used:.0%}", "of slot time busy"
    yield "", took(summary.chain_seconds), '<a href="#chain">critical path</a>'
    yield "", took(summary.spent), f"of tasks ({took(summary.cpu)} CPU)"


def _verdict(summary: Summary) -> str:
    """Return what would make the run faster."""
    chain, used = took(summary.chain_seconds), f"{summary.used or 0:.0%}"
    match limit(summary):
        case Limit.CHAIN:
            return f"The critical path took {chain}, nearly all of the time: more workers would make little difference."
        case Limit.SLOTS:
            return f"Slots were busy {used} of the time: more would make it faster, down to {chain}, its critical path."
        case Limit.TASKS:
            return f"Slots were busy only {used} of the time: use fewer slots, or more tasks that can run at once."
    return ""


def _notes(history: History, summary: Summary, bars: int, rows: int) -> list[str]:
    killed = sum(session.outcome is None for session in history.sessions)
    removed = sum(task.removed for task in history.tasks)
    lost = summary.outcomes[LOST]
    held = "held by workers when the run was killed: it is unknown which had begun"
    notes = (
        (killed, "run", "killed or crashed: drawn up to the last known event"),
        (history.in_hand, "task", held),
        (lost, "attempt", "lost with a worker: it is unknown when"),
        (history.odd, "attempt", "with times far outside of all runs, which are not shown: check the hosts' clocks"),
        (removed, "task", "of earlier runs, no longer in the task files"),
        (bars, "attempt", "left out where single attempts are shown: short ones that were done"),
        (rows, "task", "left out of the table at the end: short ones that were done"),
    )
    return [f"{counted(n, what)} {words}" for n, what, words in notes if n]
