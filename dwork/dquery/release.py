"""Release held tasks, so that they can start.

TASK is a name, a number such as '#12', or a quoted glob over names; a glob selects only held tasks.

\b
Examples:
  dquery release report
  dquery release '*'
"""

from __future__ import annotations

from dwork.core.messages import Verb
from dwork.dquery._completion import tasks
from dwork.dquery._control import control

command = control(Verb.RELEASE, "released", __doc__, tasks("waiting", "ready", held=True))
