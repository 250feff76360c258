"""Keep tasks from starting, until release.

TASK is a name, a number as in '#12', or a glob over names, in quotes: then those that wait or are ready are meant. A
worker may have taken a task already that has not started: that one is not held any more. A pool does not end while a
task is held.

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
