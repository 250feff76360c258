"""Let tasks run again that failed or were cancelled, and with them what was skipped for them.

TASK is a name, a number as in '#12', or a glob over names, in quotes: then those that failed or were cancelled are
meant. They get all their retries again.
"""

from __future__ import annotations

from dwork.dquery._control import control
from dwork.messages import Verb

command = control(Verb.RETRY, "retried", __doc__)
