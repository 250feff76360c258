"""Whether a process has ended that another program has written down."""

from __future__ import annotations

import os
from pathlib import Path

from dwork.host.pid_space import has_ended, pid_space


def test_a_pid_means_something_only_where_it_was_given() -> None:
    assert not has_ended(os.getpid(), pid_space())
    assert has_ended(2**22 + 1, pid_space())
    assert not has_ended(2**22 + 1, "another boot")
    assert not has_ended(2**22 + 1, "")


def test_a_proc_of_another_namespace_tells_nothing(tmp_path: Path) -> None:
    (tmp_path / "self").symlink_to("1000000000")
    assert pid_space(str(tmp_path)) == ""
    assert pid_space(str(tmp_path / "nothing")) == ""
