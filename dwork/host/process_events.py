"""What happens to this process from outside: signals, the end of its input, the end of the process that started it."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Sequence
from types import TracebackType

from dwork.host.signals import ENDS, Signals


class ProcessEvents:
    """Watches this process while it is open. descriptors: one of them is readable when something has happened.

    until_eof: a descriptor of input; None: there is none that matters. is_last: as for Signals.
    """

    def __init__(self, until_eof: int | None = None, *, is_last: bool = False) -> None:
        self._signals = Signals((signal.SIGCHLD, *ENDS), is_last=is_last)
        self._until_eof = until_eof
        self._parent = os.getppid()
        self.descriptors: Sequence[int] = [self._signals.descriptor, *([] if until_eof is None else [until_eof])]

    def take(self) -> set[int]:
        """Return the signals received since the last call."""
        return self._signals.take()

    def has_input_ended(self) -> bool:
        """Whether `until_eof` is at its end, or readable."""
        return self._until_eof is not None and bool(select.select([self._until_eof], (), (), 0)[0])

    def is_orphaned(self) -> bool:
        """Whether the process that started this one has exited."""
        return os.getppid() != self._parent

    def __enter__(self) -> ProcessEvents:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._signals.close()
