"""Waits for a record that somebody else has: who looks has it for a moment, and a pool that ends for some seconds more.

A batch system that requeues a job may start it again while the pool of its first run still ends what runs. That must
not look like bad input to the job's script, which would give up: after some minutes the exit code says to come again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Final

from dwork.core.errors import StoreError
from dwork.host.batch_job import is_restarted
from dwork.record.locks import InUse

#: Seconds to wait at the most, in general and in a job that was started before.
PATIENCE: Final = 30.0
RESTARTED: Final = 300.0
#: Seconds between two looks, and until it is said that one waits.
_LOOK: Final = 0.05
_QUIET: Final = 0.5


class Wait:
    """Called with each refusal: returns when it is time to try again, and raises what to say when it is not.

    pause(seconds) sleeps, and says whether we have been told to end. tell(text) prints a line for people.
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
        self._is_told = False

    def __call__(self, refusal: InUse) -> None:
        now = time.monotonic()
        self._begin = now if self._begin is None else self._begin
        why = str(refusal).partition("; ")[0]
        if now >= self._begin + self._patience:
            if self._is_restarted:
                raise StoreError(f"{refusal} (it was so for {self._patience:g} s; run it again to go on)")
            raise refusal
        if not self._is_told and now >= self._begin + _QUIET:
            self._is_told = True
            self._tell(f"{why}; waiting up to {self._patience:g} s for it")
        if self._pause(_LOOK):
            raise StoreError(f"{why}, and this run was told to end; run it again to go on")
