"""Explain why a task does not run, and what to do.

It names up to ten tasks that ultimately keep it from running, and the tasks in between. TASK is a name or a number such
as '#12'.

\b
Examples:
  dquery why report
  dquery why '#12' -f tasks.txt.db
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import click

from dwork.core.rows import NamedRow, PredecessorRow, TaskDetails
from dwork.core.task import worded
from dwork.dquery._completion import tasks
from dwork.dquery._output import say, say_json
from dwork.dquery._session import HubChoice, json_option, name
from dwork.dquery._source import TaskSource, file_option, found, source
from dwork.dquery._words import ending, moment, named

#: Maximum number of causes that are reported, and of tasks that are queried to find them.
CAUSES, QUERIED = 10, 1000
#: Maximum number of tasks in between that are named.
BETWEEN = 3

_LOST = ("failed", "cancelled", "skipped")


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A task that keeps another from running, why, and what to do; via: the tasks in between, from the other one on."""

    row: TaskDetails
    why: str
    via: list[str]


@click.command(help=__doc__)
@click.argument("task", type=name, shell_complete=tasks())
@file_option
@json_option
@click.pass_obj
def command(session: HubChoice, task: str, file: str | None, as_json: bool) -> None:
    with source(session, file) as tasks:
        row = found(tasks, task)
        search = _Search(tasks, is_over=file is not None)
        causes = list(search.causes(row))
    if as_json:
        listed = [{**_short(cause.row), "why": cause.why, "via": cause.via} for cause in causes]
        say_json({**_short(row), "causes": listed, "more": search.more})
    elif causes and causes[0].row is row:
        say(f"{named(row)} {causes[0].why}")
    elif not causes and not search.more:
        say(f"{named(row)} is {worded(row['state'])}; nothing keeps it from running any more")
    else:
        state = "is skipped" if row["state"] == "skipped" else "waits"
        say(f"{named(row)} {state}. What keeps it from running:")
        for cause in causes:
            say(f"  {named(cause.row)} {cause.why}{_between(cause.via)}")
        if search.more:
            say("  and perhaps others")


def _short(row: TaskDetails) -> dict[str, object]:
    return {"id": row["id"], "name": row["name"], "state": row["state"]}


def _is_awaited(each: PredecessorRow) -> bool:
    """Whether a predecessor has not come to the state that its successor waits for."""
    return each["state"] != "done" and not (each["after_any"] and each["state"] in _LOST)


def _between(via: list[str]) -> str:
    if not via:
        return ""
    nearest = via[: -BETWEEN - 1 : -1]
    more = len(via) - len(nearest)
    return f" (before {', '.join(nearest)}" + (f" and {more:,} more)" if more else ")")


class _Search:
    """The search for the tasks that keep one from running: depth first, so that a long chain is followed to its end.

    is_over: the task is in a record, where a join is never marked done: its state follows from the tasks before it.
    more: the search stopped before it had seen all tasks.
    """

    def __init__(self, tasks: TaskSource, is_over: bool) -> None:
        self.more = False
        self._tasks = tasks
        self._is_over = is_over
        self._asked: dict[str, TaskDetails | None] = {}

    def causes(self, row: TaskDetails) -> Iterator[Obstacle]:
        """Yield up to CAUSES causes; the task itself if it is one."""
        self._asked[row["name"]] = row
        seen = {row["name"]}
        n = 0
        stack: list[tuple[str, list[str], bool]] = [(row["name"], [], row["state"] == "skipped")]
        while stack:
            key, via, lost = stack.pop()
            at = self._ask(key)
            if at is None or (at is not row and at["state"] == "done"):  # it was done in the meantime
                continue
            before = list(self._before(at, lost))
            is_join = at["command"] is None
            why = None if is_join else self._why(at, not before)
            if why is not None:
                if n == CAUSES:
                    self.more = True
                    return
                n += 1
                yield Obstacle(at, why, via)
                continue
            further = via if is_join or at is row else [*via, named(at, 40)]
            fresh = [each for each in dict.fromkeys(before) if each not in seen]
            seen.update(fresh)
            stack += [(each, further, lost) for each in reversed(fresh)]

    def _ask(self, key: str) -> TaskDetails | None:
        if key not in self._asked:
            if len(self._asked) >= QUERIED:
                self.more = True
                return None
            self._asked[key] = self._tasks.task(key)
        return self._asked[key]

    def _before(self, row: TaskDetails, lost: bool) -> Iterator[str]:
        """Yield the names of predecessors that keep it from running: those that are lost, or are not done yet."""
        first = row["predecessors"]["first"]
        if lost:
            if row["culprit"]:
                yield row["culprit"]
            needed = [each for each in first if not each["after_any"]]
            yield from (each["name"] for each in needed if each["state"] in _LOST or self._may_be(each))
        else:
            yield from (each["name"] for each in first if self._is_ahead(each))
        if row["predecessors"]["total"] > len(first) and _is_awaited(first[-1]):
            self.more = True

    def _may_be(self, each: PredecessorRow) -> bool:
        """Whether this is a join in a record, which does not store the state of joins."""
        return self._is_over and each["join"]

    def _is_ahead(self, each: PredecessorRow) -> bool:
        """Whether a predecessor is awaited; for a join in a record, whether a task before it is."""
        if not _is_awaited(each) or not self._may_be(each):
            return _is_awaited(each)
        stack, seen = [each["name"]], {each["name"]}
        while stack:
            join = self._ask(stack.pop())
            for before in join["predecessors"]["first"] if join else ():
                if _is_awaited(before) and not before["join"]:
                    return True
                if _is_awaited(before) and before["name"] not in seen:
                    seen.add(before["name"])
                    stack.append(before["name"])
        return False

    def _why(self, row: TaskDetails, is_free: bool) -> str | None:
        """Return why a task does not run, if the cause is the task itself. is_free: all its predecessors are done."""
        if row["removed"] is not None:
            return "is no longer in the task files"
        match row["state"]:
            case "done":
                return f"is done (ended {moment(row['ended'])})"
            case "failed":
                attempt = f" (attempt {row['attempt']})" if row["attempt"] else ""
                return f"failed: {ending(row)}{attempt}; {self._retry(row)}"
            case "cancelled":
                return f"was cancelled; {self._retry(row)}"
            case "assigned":
                hand = row["hand"]
                since = f" (since {moment(hand['stolen'])})" if hand else ""
                return f"is running or about to start on {row['worker']}{since}"
            case "skipped":
                return None
        if row["held"]:
            when = "during the next run, " if self._is_over else ""
            return f"is held; {when}dquery release '#{row['id']}' lets it start"
        if row["state"] == "ready":
            return f"is ready: {row['misses']}" if row["misses"] else self._ready()
        return self._free(row) if is_free else None

    def _retry(self, row: NamedRow) -> str:
        return "the next run retries it" if self._is_over else f"dquery retry '#{row['id']}' runs it again"

    def _ready(self) -> str:
        counts = self._tasks.counts()
        running, ready = counts.get("assigned", 0), counts.get("ready", 0)
        if not running:
            return "is ready, but no task is running: no worker has asked for one"
        return f"is ready: all workers are busy ({running:,} running, {ready:,} ready)"

    def _free(self, row: TaskDetails) -> str:
        if self._is_over:
            return "can start; run the pool again"
        attempts = row["attempts"]
        if attempts:
            return f"will be retried shortly: {ending(attempts[-1])} in attempt {attempts[-1]['attempt']}"
        return "can start shortly"
