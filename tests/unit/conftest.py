"""How many examples a property is tried with: some while one works, more in CI, many with `DWORK_LONG=1`."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "unit",
    settings(),  # in CI, Hypothesis has a default of its own: the same examples each time
    deadline=None,  # however slow the machine is
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=300 if os.environ.get("DWORK_LONG") else 60 if os.environ.get("CI") else 25,
)
settings.load_profile("unit")
