"""How a pool was started: what other systems hand on from there to their tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dwork.core.text import NO_TEXT, UserText


@dataclass(frozen=True, slots=True)
class Invocation:
    """The directory and the environment of the pool that reads the files.

    Both are empty when the tasks will run elsewhere, as those that are added to a running hub.
    """

    directory: UserText = NO_TEXT
    environ: Mapping[str, UserText] = field(default_factory=dict)


#: Nothing is known.
UNKNOWN = Invocation()
