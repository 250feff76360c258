"""Answers to inquiries about tasks at a running hub, from its graph and from its record.

Each answer is short and cheap, however many tasks there are, since the hub does nothing else meanwhile. The record must
first have entered all tasks that had ended before the inquiry: the hub enters some in each turn, and then answers.
"""

from __future__ import annotations

from dwork.core.errors import UsageError
from dwork.core.messages import Answer, Error, Inquiry, List, Message, NotFound, Read, Show, Watch, Workers
from dwork.core.row_json import pack
from dwork.core.rows import PredecessorRow, Predecessors, TaskRow
from dwork.core.task import State
from dwork.core.text import printable
from dwork.hub.hub import Hub
from dwork.hub.node import Node
from dwork.hub.select import find
from dwork.record import reading, trouble
from dwork.record.logs import read
from dwork.record.store import Store
from dwork.server.hub_loop import Found
from dwork.server.overview import Overview

#: The maximum number of rows in an answer, and of tasks inspected for it.
ROWS, LOOKED_AT = 1000, 100_000
#: The largest integer of SQLite.
_LARGEST = 2**63 - 1


class Inquiries:
    """See the module docstring."""

    def __init__(self, hub: Hub, store: Store, overview: Overview) -> None:
        self._hub = hub
        self._store = store
        self._overview = overview

    def answer(self, inquiry: Inquiry) -> Found:
        """Return the answer, or how to get it later; Error or NotFound when there is none."""
        if isinstance(inquiry, Workers | Watch):
            return self._overview.answer(inquiry)
        mark = self._store.mark()
        if not self._store.idle():
            return self._from_record(inquiry)
        return lambda: self._from_record(inquiry) if self._store.has_entered(mark) else None

    def _from_record(self, inquiry: List | Show | Read) -> Message:
        try:
            with trouble.reading(self._store.path):
                match inquiry:
                    case List():
                        return self._list(inquiry)
                    case Show(name=name, first=first):
                        return self._show(name, first)
                    case Read():
                        return self._read(inquiry)
        except (UsageError, OSError) as error:
            return Error(printable(str(error)))

    def _list(self, inquiry: List) -> Answer:
        nodes = self._hub.graph.nodes
        states = {State(state) for state in inquiry.states if state in State._value2member_map_}
        unknown = [state for state in inquiry.states if state not in State._value2member_map_]
        if unknown:
            raise UsageError(f"{unknown[0]!r} is not a state; the states are {', '.join(s.value for s in State)}")
        matches = reading.matching(inquiry.glob)
        if inquiry.n < 1:
            raise UsageError(f"List asks for {inquiry.n} tasks; n must be 1 or more")
        n = min(inquiry.n, ROWS)
        stop = min(len(nodes), inquiry.first + LOOKED_AT)
        chosen: list[int] = []
        for node in nodes[inquiry.first : stop]:
            if node is None or node.is_join or (states and node.state not in states) or not matches(node.name):
                continue
            if len(chosen) == n:
                stop = node.id
                break
            chosen.append(node.id)
        rows = reading.rows(self._store.connection, chosen)
        for row in rows:
            self._update(row)
        if states:
            rows = [row for row in rows if State(row["state"]) in states]
        return Answer(pack(rows), stop if stop < len(nodes) else None)

    def _update(self, row: TaskRow) -> None:
        """Update a row of the record with the newer facts of the graph.

        A task that has ended since the inquiry, and is not entered yet, appears as it was then. The record does not
        store the state of joins.
        """
        node = self._hub.graph.find(row["id"])
        if node is not None:
            is_entered = node.is_join or node.state is not State.DONE or row["state"] == State.DONE.value
            state = node.state if is_entered else State.ASSIGNED
            row["state"] = state.value
            row["culprit"] = node.culprit.name if node.culprit else None
            if state is State.ASSIGNED:
                row["attempt"], row["worker"] = node.attempt, node.holder
                row["since"] = self._store.since(node.id)
                row["started"] = row["ended"] = row["exit_status"] = row["signal"] = row["cause"] = None

    def _show(self, name: str, first: int | None) -> Message:
        node = find(self._hub.graph, name)
        id = node.id if node is not None else reading.find(self._store.connection, name)
        if id is None:
            return NotFound((name,))
        row = reading.task(self._store.connection, id)
        self._update(row)
        next_first = None
        if node is not None:
            row["held"] = self._hub.is_held(node)
            row["misses"] = self._hub.dispatch.misses(node)
            row["predecessors"], next_first = _predecessors(node, first)
            row["successors"] = {"total": len(node.successors or ())}
        hand = self._store.hand(id)
        row["hand"] = {"attempt": hand[0], "worker": hand[1], "stolen": hand[2]} if hand else None
        return Answer(pack(row), next_first)

    def _read(self, inquiry: Read) -> Message:
        place = (inquiry.task, inquiry.attempt, inquiry.stream, inquiry.position)
        if max(place) > _LARGEST:
            return NotFound()
        found = self._store.connection.execute(
            "SELECT file, offset, length FROM output WHERE task = ? AND attempt = ? AND stream = ? AND position = ?",
            place,
        ).fetchone()
        if found is None:
            return NotFound((inquiry.task,))
        return Answer(read(self._store.path, *found))


def _predecessors(node: Node, first: int | None) -> tuple[Predecessors, int | None]:
    """Return predecessors as in a row of the record, unfinished first; or from `first` on, and the next `first`."""
    if first is None:
        listed = sorted(node.predecessors, key=lambda p: not node.waits_for(p))[: reading.LISTED]
    else:
        listed = list(node.predecessors[first : first + ROWS])
    stop = None if first is None or first + ROWS >= len(node.predecessors) else first + ROWS
    rows: list[PredecessorRow] = [
        {
            "id": p.id, "name": p.name, "state": p.state.value, "join": p.is_join, "after_any": p in node.after_any,
        }
        for p in listed
    ]  # fmt: skip
    return {"total": len(node.predecessors), "first": rows}, stop
