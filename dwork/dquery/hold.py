"""Keep tasks from starting until they are released.

TASK is a name, a number such as '#12', or a quoted glob over names; a glob selects only waiting and ready tasks. A task
that a worker has already taken is not held, even if it has not started. A pool does not end while a task is held.

\b
Examples:
  dquery hold report
  dquery hold 'plot-*'
"""

from __future__ import annotations

from dwork.core.messages import Verb
from dwork.dquery._completion import tasks
from dwork.dquery._control import control

command = control(Verb.HOLD, "held", __doc__, tasks("waiting", "ready"))
