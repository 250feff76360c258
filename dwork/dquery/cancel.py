"""Take out tasks that have not ended, and end those that run.

What comes after them is skipped. TASK is a name, a number as in '#12', or a glob over names, in quotes: then those that
have not ended are meant.
"""

from __future__ import annotations

from dwork.dquery._control import control
from dwork.messages import Verb

command = control(Verb.CANCEL, "cancelled", __doc__)
