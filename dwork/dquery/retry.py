"""Let tasks run again that failed or were cancelled.

What was skipped for them runs, too, and they get all their retries again. TASK is a name, a number as in '#12', or a
glob over names, in quotes: then those that failed or were cancelled are meant.

\b
Examples:
  dquery retry solve-7
  dquery retry '*'             all that failed or was cancelled
"""

from __future__ import annotations

from dwork.core.messages import Verb
from dwork.dquery._completion import tasks
from dwork.dquery._control import control

command = control(Verb.RETRY, "retried", __doc__, tasks("failed", "cancelled"))
