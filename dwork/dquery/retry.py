"""Retry tasks that failed or were cancelled.

Tasks that were skipped because of them run, too, and all get their full number of retries again. TASK is a name, a
number such as '#12', or a quoted glob over names; a glob selects only failed and cancelled tasks.

\b
Examples:
  dquery retry solve-7
  dquery retry '*'             all failed and cancelled tasks
"""

from __future__ import annotations

from dwork.core.messages import Verb
from dwork.dquery._completion import tasks
from dwork.dquery._control import control

command = control(Verb.RETRY, "retried", __doc__, tasks("failed", "cancelled"))
