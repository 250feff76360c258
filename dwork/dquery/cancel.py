"""Cancel tasks that have not ended, and terminate those that run.

Tasks that come after them are skipped. TASK is a name, a number such as '#12', or a quoted glob over names; a glob
selects only tasks that have not ended.

\b
Examples:
  dquery cancel solve-7
  dquery cancel 'solve-*' '#12'
"""

from __future__ import annotations

from dwork.core.messages import Verb
from dwork.dquery._completion import tasks
from dwork.dquery._control import control

command = control(Verb.CANCEL, "cancelled", __doc__, tasks("waiting", "ready", "assigned"))
