"""Take out tasks that have not ended, and end those that run.

What comes after them is skipped. TASK is a name, a number as in '#12', or a glob over names, in quotes: then those that
have not ended are meant.

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
