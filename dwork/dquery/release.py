"""Let tasks start that were kept from it with hold.

TASK is a name, a number as in '#12', or a glob over names, in quotes: then those that are held are meant.

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
