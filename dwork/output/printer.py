"""Prints the output of tasks, one block per task, in order of completion or, with `keep_order`, of the file.

Output that is too long for a result arrives in pieces before it, and waits on disk for the result. With `keep_order`,
the output of a task that ended before an earlier one waits there, too.

A setup block prints the same for every task. Of tasks that succeeded, each of its lines is printed once in a run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple

from dwork.core import events
from dwork.core.events import Ended, Event
from dwork.core.shell import MARK
from dwork.core.task import Task
from dwork.core.text import last_state, printable, shown, user_bytes, user_text
from dwork.output.spool import Extent, Spool
from dwork.output.streams import Streams

_SETUP: Final = MARK.encode()
#: The most lines of setup blocks that are remembered.
_MOST_SETUP: Final = 1000
#: Bytes of a line without an end that are kept for the rest of it.
_LONG: Final = 64 * 1024


class _Block(NamedTuple):
    """The output of one attempt, by stream (stdout, stderr): the part on disk, and the part that came with the result.

    mark: printed before each line of a failed attempt; empty when the attempt succeeded.
    """

    mark: bytes
    spooled: tuple[list[Extent], list[Extent]]
    short: tuple[bytes, bytes]


class Printer:
    """A listener that prints output. `broken`: why output can no longer be written; empty while it can."""

    def __init__(self, streams: Streams, *, keep_order: bool = False) -> None:
        self.broken = ""
        self._streams = streams
        self._keep_order = keep_order
        self._spool = Spool()
        self._arriving: dict[int, tuple[list[Extent], list[Extent]]] = {}  # pieces of running attempts
        self._order: deque[int] = deque()  # keep_order: ids in the order of printing, the current one first
        self._attempts: dict[int, list[_Block]] = {}  # keep_order: blocks that wait to be printed
        self._ended: set[int] = set()  # keep_order: ids in `_order` that have ended
        self._has_setup = False
        self._setup_lines: set[bytes] = set()  # those printed

    def expect(self, tasks: Iterable[Task]) -> None:
        """Note whether tasks that may run have a setup block: without one, `[setup]` is text like any other."""
        shells = {id(task.options.shell): task.options.shell for task in tasks}  # most tasks share one object
        self._has_setup |= any(shell is not None and shell.setup for shell in shells.values())

    def hear(self, happened: Sequence[Event]) -> None:
        for event in happened:
            match event:
                case events.Finished(tasks=tasks):
                    for ended in tasks if self._keep_order else self._with_output(tasks):
                        self._take(ended, b"")
                        self._end(ended.id)
                case events.Failed(task=ended) | events.Killed(task=ended):
                    self._take(ended, _mark(ended))
                    self._end(ended.id)
                case events.Retried(task=ended) | events.Interrupted(task=ended):
                    self._take(ended, _mark(ended))
                case events.Printed(id=id, stream=stream, data=data):
                    self._guarded(self._spool_piece, id, stream, data)
                case events.Skipped(tasks=named) | events.Cancelled(tasks=named):
                    for task in named:
                        self._forget(task.id)
                        self._end(task.id)
                case events.Requeued(tasks=named):
                    for task in named:
                        self._forget(task.id)
                case events.Added(first=first, tasks=added):
                    self.expect(added)
                    if self._keep_order:
                        self._order += [id for id, task in enumerate(added, first) if task.command is not None]
                case events.Resumed(ids=ids) if self._keep_order:
                    self._order += ids
                case events.Revived(tasks=named) if self._keep_order:
                    for task in named:
                        self._again(task.id)
        self._guarded(self._streams.flush)

    def close(self) -> None:
        """Print the output that waits for an earlier task, which will not end any more."""
        for id in self._order:
            for block in self._attempts.pop(id, ()):
                self._print(block)
        self._guarded(self._streams.flush)

    def _with_output(self, tasks: Sequence[Ended]) -> list[Ended]:
        """Return the tasks that have printed something. Most have not, and must cost next to nothing."""
        arriving = self._arriving
        return [e for e in tasks if e.result.stdout or e.result.stderr or (arriving and e.id in arriving)]

    def _spool_piece(self, id: int, stream: int, data: bytes) -> None:
        self._arriving.setdefault(id, ([], []))[stream - 1].append(self._spool.write(data))

    def _forget(self, id: int) -> None:
        """Drop the output of an attempt without a result, so that it is not taken for that of a later attempt."""
        for extents in self._arriving.pop(id, ()):
            self._spool.forget(extents)

    def _take(self, ended: Ended, mark: bytes) -> None:
        """Print the output of an ended attempt, or keep it until its turn."""
        result = ended.result
        block = _Block(mark, self._arriving.pop(ended.id, ([], [])), (result.stdout, result.stderr))
        if not self._keep_order or not self._order or ended.id == self._order[0]:
            self._print(block)
        elif any(block.spooled) or any(block.short):
            for extents, short in zip(block.spooled, block.short, strict=True):
                if short:
                    self._guarded(lambda e=extents, s=short: e.append(self._spool.write(s)))
            self._attempts.setdefault(ended.id, []).append(block._replace(short=(b"", b"")))

    def _end(self, id: int) -> None:
        """Note that a task has ended for good, and print the tasks whose turn it is now."""
        if not self._keep_order:
            return
        self._ended.add(id)
        while self._order and self._order[0] in self._ended:
            self._ended.remove(self._order.popleft())
            for block in self._attempts.pop(self._order[0], ()) if self._order else ():
                self._print(block)

    def _again(self, id: int) -> None:
        """Expect a task that had ended to run again: in its place, or at the end when its turn has passed."""
        if id in self._ended:
            self._ended.remove(id)
        else:
            self._order.append(id)

    def _print(self, block: _Block) -> None:
        for number, extents, short in zip((1, 2), block.spooled, block.short, strict=True):
            pieces: Iterable[bytes] = chain(self._spool.read(extents), (short,) if short else ())
            if block.mark:
                pieces = _marked(pieces, block.mark)
            elif number == 2 and self._has_setup:
                pieces = self._new_setup(pieces)
            for data in pieces:
                self._guarded(self._streams.write, number, data)
            self._guarded(self._streams.end)

    def _new_setup(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the data without those lines of a setup block, at its beginning, that have been printed already."""
        known, left = self._setup_lines, iter(pieces)
        rest = b""
        for data in left:
            *lines, rest = (rest + data).split(b"\n")
            for i, line in enumerate(lines):
                if not line.startswith(_SETUP):
                    yield b"\n".join([*lines[i:], rest])
                    yield from left
                    return
                if line not in known:
                    yield line + b"\n"
                    if len(known) < _MOST_SETUP:
                        known.add(line)
        if rest:
            yield rest

    def _guarded(self, write: Callable[..., Any], *arguments: object) -> None:
        """Write, and set `broken` on failure: a full disk or closed pipe must not end the pool at once."""
        if not self.broken:
            try:
                write(*arguments)
            except OSError as error:
                self.broken = f"the output of tasks cannot be written: {error.strerror}"


def _mark(ended: Ended) -> bytes:
    return user_bytes(f"[{shown(ended.name, 60)}: {printable(ended.result.how)}] ")


def _marked(pieces: Iterable[bytes], mark: bytes) -> Iterator[bytes]:
    """Yield the data with the mark before each line and a newline after the last.

    Of the states of a progress bar only the last one is left, which would otherwise be drawn over the mark.
    """
    rest = b""
    start = mark
    for data in pieces:
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            yield start + _last_state(line) + b"\n"
            start = mark
        before, drawn_over, last = rest.rpartition(b"\r")
        rest = _last_state(before) + drawn_over + last
        if len(rest) > _LONG:
            yield start + rest
            rest = start = b""
    if rest or not start:
        yield start + _last_state(rest) + b"\n"


def _last_state(line: bytes) -> bytes:
    return user_bytes(last_state(user_text(line))) if b"\r" in line else line
