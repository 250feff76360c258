"""Waits for a record that another process uses: a reader has it for a moment, a pool that is ending for some seconds.

A batch system that requeues a job may start it again while the pool of its first run is still ending its tasks. That
must not look like bad input to the job script, which would give up: after some minutes the exit code says to run again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Final

from dwork.core.errors import StoreError
from dwork.host.batch_job import is_restarted
from dwork.record.locks import InUse

#: Most seconds to wait, in general and in a job that was started before.
PATIENCE: Final = 30.0
RESTARTED: Final = 300.0
#: Seconds between two attempts, and until the wait is reported.
_LOOK: Final = 0.05
_QUIET: Final = 0.5


class Wait:
    """Call this with each refusal: it returns when it is time to try again, and raises an error when to give up.

    pause(seconds): sleeps, and returns whether a signal asks this process to end. tell(text): prints a line for people.
    patience: most seconds to wait. restarted: whether the batch job was started before; by default, as its environment
    says.
    """

    def __init__(
        self,
        pause: Callable[[float], bool],
        tell: Callable[[str], None],
        patience: float | None = None,
        restarted: bool | None = None,
    ) -> None:
        self._pause = pause
        self._tell = tell
        self._is_restarted = is_restarted(os.environ) if restarted is None else restarted
        self._patience = patience or (RESTARTED if self._is_restarted else PATIENCE)
        self._begin: float | None = None
        self._is_reported = False

    def __call__(self, refusal: InUse) -> None:
        now = time.monotonic()
        self._begin = now if self._begin is None else self._begin
        why = str(refusal).partition("; ")[0]
        if now >= self._begin + self._patience:
            if self._is_restarted:
                raise StoreError(f"{refusal} (waited for {self._patience:g} s; run the same command again to continue)")
            raise refusal
        if not self._is_reported and now >= self._begin + _QUIET:
            self._is_reported = True
            self._tell(f"{why}; waiting up to {self._patience:g} s for it")
        if self._pause(_LOOK):
            raise StoreError(f"{why}, and a signal ended the wait; run the same command again to continue")
