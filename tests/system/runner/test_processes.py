"""The processes of this machine."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from dwork.host.processes import PAGES, PARENT, SESSION, STATE, stat, stats


def test_a_process_is_found_whatever_its_name_is(tmp_path: Path) -> None:
    (program := tmp_path / "a) R 1 b").symlink_to("/bin/sleep")
    process = subprocess.Popen([program, "60"], start_new_session=True)
    try:
        fields = stat(process.pid)
        assert (int(fields[PARENT]), int(fields[SESSION])) == (os.getpid(), process.pid)
        assert fields[STATE] in (b"S", b"R", b"D") and int(fields[PAGES]) >= 0
        assert process.pid in dict(stats()) and os.getpid() in dict(stats())
    finally:
        process.kill()
        process.wait()
    assert process.pid not in dict(stats())
