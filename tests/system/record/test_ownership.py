"""Records and output files that somebody else could have put there are refused."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from dwork.core import events as e
from dwork.core.errors import StoreError, UsageError
from dwork.core.task import Task
from dwork.output.joblog import HEADER, Joblog
from dwork.record.logs import Logs
from dwork.record.opening import open_store
from tests.conftest import ROOT
from tests.desk import Desk, killed, task
from tests.needs import missing
from tests.ports import free_port

POOL = [sys.executable, "-m", "dwork.pool", "--no-bridge"]
DQUERY = [sys.executable, "-m", "dwork.dquery"]
NOBODY = 65534


@pytest.fixture
def other() -> int:
    """Another user, who can be made the owner of files."""
    if os.geteuid():
        missing("root")
    return NOBODY


@pytest.fixture
def kept(tmp_path: Path, run: Callable) -> Path:
    """The record of a killed pool, in which a task stands that is in no file."""
    (tmp_path / "tasks.txt").write_text("echo hello\n")
    desk = Desk(tmp_path / "first.db")
    desk.resume(task("echo hello", origin="tasks.txt:1"))
    desk.hear(e.Added(2000.0, 1, [Task("touch planted", "touch planted")]))
    killed(desk.path, tmp_path / "tasks.txt.db")
    desk.close()
    return tmp_path


def refused(run: Callable, place: Path, *words: object) -> str:
    """The one line of a pool that does nothing."""
    ran = run(*POOL, *words, "tasks.txt")
    assert (ran.code, len(ran.own_err), ran.out) == (2, 1, ""), ran.err
    assert not (place / "planted").exists()
    return str(ran.own_err[0])


def test_what_stands_in_the_record_alone_is_run_when_it_is_mine(kept: Path, run: Callable) -> None:
    assert run(*POOL, "tasks.txt").code == 0
    assert (kept / "planted").exists()


@pytest.mark.parametrize("end", ["", "-wal"])
@pytest.mark.parametrize("fresh", [[], ["--fresh"]])
def test_a_record_of_somebody_else_is_not_run(
    kept: Path, run: Callable, other: int, end: str, fresh: list[str]
) -> None:
    os.chown(kept / f"tasks.txt.db{end}", other, -1)
    assert refused(run, kept, *fresh) == (
        f"dwork: tasks.txt.db{end} is refused: it belongs to nobody; a record can run commands as you: fix that, or "
        "choose another with -f"
    )


@pytest.mark.parametrize("end", ["", "-wal"])
def test_a_record_that_everybody_can_write_is_not_run(kept: Path, run: Callable, end: str) -> None:
    os.chmod(kept / f"tasks.txt.db{end}", 0o666)
    assert f"tasks.txt.db{end} is refused: everyone can write it (chmod o-w, if you trust" in refused(run, kept)
    os.chmod(kept / f"tasks.txt.db{end}", 0o644)
    assert run(*POOL, "tasks.txt").code == 0


def test_a_record_in_a_directory_that_everybody_can_write_is_not_run(kept: Path, run: Callable) -> None:
    os.chmod(kept, 0o777)
    assert "everyone can replace it, because its directory is writable by all (chmod o-w)" in refused(run, kept)
    os.chmod(kept, 0o1777)  # as /tmp: only the owner can replace a file there
    assert run(*POOL, "tasks.txt").code == 0


def test_companions_that_are_planted_where_there_are_none_are_not_run(tmp_path: Path, run: Callable) -> None:
    (tmp_path / "tasks.txt").write_text("echo hello\n")
    for end in ("-wal", "-journal", "-shm", ".lock"):
        planted = tmp_path / f"tasks.txt.db{end}"
        planted.symlink_to("elsewhere")
        assert f"tasks.txt.db{end} is refused: it is not a regular file; " in refused(run, tmp_path)
        planted.unlink()


def test_a_link_to_a_record_is_followed_when_it_is_mine(kept: Path, run: Callable, other: int) -> None:
    (kept / "tasks.txt.db").rename(kept / "real.db")
    (kept / "tasks.txt.db-wal").rename(kept / "real.db-wal")
    (kept / "tasks.txt.db").symlink_to("real.db")
    os.chown(kept / "tasks.txt.db", other, -1, follow_symlinks=False)
    assert "tasks.txt.db is refused: it is a link that belongs to nobody; " in refused(run, kept)
    os.chown(kept / "tasks.txt.db", os.geteuid(), -1, follow_symlinks=False)
    assert run(*POOL, "tasks.txt").code == 0
    assert (kept / "planted").exists()


def test_one_that_a_group_can_write_is_run_and_that_is_said(kept: Path, run: Callable) -> None:
    os.chown(kept / "tasks.txt.db", -1, 12345) if not os.geteuid() else None
    os.chmod(kept / "tasks.txt.db", 0o664)
    ran = run(*POOL, "tasks.txt")
    assert ran.code == 0
    if not os.geteuid():
        assert ran.own_err[0] == (
            "dwork: group 12345 can write tasks.txt.db, so its members can run commands as you; chmod g-w prevents that"
        )


def test_a_hub_and_a_looker_keep_to_it_as_well(kept: Path, run: Callable, other: int) -> None:
    os.chown(kept / "tasks.txt.db", other, -1)
    before = sorted(os.listdir(kept))
    hub = run(sys.executable, "-m", "dwork.dhub", "-p", free_port(), "-f", "tasks.txt.db")
    assert hub.code == 2 and "tasks.txt.db is refused: it belongs to nobody; " in hub.err
    looked = run(*DQUERY, "list", "-f", "tasks.txt.db")  # who only reads, may
    assert looked.code == 0 and "touch planted" in looked.out
    assert sorted({*os.listdir(kept)} - {".dwork"}) == before


def test_who_is_not_the_owner_may_read_a_record_and_not_run_it(other: int) -> None:
    """Also when the rights of the files would let him: as root here, who becomes another for that."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:  # tmp_path is for its owner alone
        os.chmod(name, 0o755)
        path = f"{name}/x.db"
        desk = Desk(path)
        desk.resume(task("t0"))
        desk.close()
        os.chmod(path, 0o666)
        act = (
            "import os, sys, tempfile\n"
            "from dwork.core.errors import UsageError\n"
            "from dwork.record.opening import open_store\n"
            "from dwork.record.reading import Archive\n"
            f"os.seteuid({other})\n"
            "try:\n    open_store(sys.argv[1], '', lambda name: None, 1.0, print)\n"
            "except UsageError as error:\n    print(error)\n"
            "with Archive(sys.argv[1]) as archive:\n    print(archive.counts())\n"
        )
        ran = subprocess.run([sys.executable, "-c", act, path], capture_output=True, text=True, cwd=ROOT)
        says, counts = ran.stdout.splitlines()
        assert "x.db is refused: it belongs to root; " in says and counts == "{'waiting': 1}", ran.stderr
        assert os.listdir(name) == ["x.db"]


def test_what_a_pool_makes_can_be_written_by_nobody_else_whatever_the_umask(tmp_path: Path, run: Callable) -> None:
    (tmp_path / "tasks.txt").write_text("echo hello\nfalse\n")
    for code in (1, 1):
        ran = run("sh", "-c", f"umask 0; exec {' '.join(POOL)} --joblog log tasks.txt")
        assert ran.code == code, ran.err
    for path in (p for p in tmp_path.rglob("*") if p.name != "tasks.txt" and ".dwork" not in p.parts):
        assert not path.stat().st_mode & 0o022, path


# -- output ----------------------------------------------------------------------------------------------------------


def test_output_goes_into_no_planted_link(tmp_path: Path, other: int) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine\n")
    logs = tmp_path / "x.logs"
    logs.mkdir()
    (logs / "w_1.log").symlink_to(precious)
    with pytest.raises(UsageError, match=r"w_1\.log is refused: it is a link; fix that, or choose another directory"):
        open_store(str(tmp_path / "x.db"), str(logs), lambda name: None, 1.0, print)
    with pytest.raises(StoreError, match=r"w_1\.log cannot be written: it is a link; run the same command again"):
        Logs(str(logs), str(tmp_path / "x.db")).append("w:1", 0, 1, 1, b"data")  # it came when the run had begun
    (logs / "w_1.log").unlink()
    (logs / "w_1.log").touch()
    os.chown(logs / "w_1.log", other, -1)
    with pytest.raises(StoreError, match="it belongs to nobody"):
        Logs(str(logs), str(tmp_path / "x.db")).append("w:1", 0, 1, 1, b"data")
    (logs / "w_1.log").unlink()
    os.chown(logs, other, -1)
    with pytest.raises(UsageError, match=r"x\.logs is refused: it belongs to nobody; "):
        open_store(str(tmp_path / "x.db"), str(logs), lambda name: None, 1.0, print)
    assert precious.read_text() == "mine\n"


def test_fresh_empties_no_directory_behind_a_planted_link(tmp_path: Path, other: int) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "w_1.log").write_text("mine\n")
    (tmp_path / "x.logs").mkdir()
    (tmp_path / "x.logs.1").symlink_to(precious)
    os.chown(tmp_path / "x.logs.1", other, -1, follow_symlinks=False)
    with pytest.raises(UsageError, match=r"x\.logs\.1 is refused: it is a link that belongs to nobody; "):
        open_store(str(tmp_path / "x.db"), str(tmp_path / "x.logs"), lambda name: None, 1.0, print, fresh=True)
    assert (precious / "w_1.log").read_text() == "mine\n"


def test_a_job_log_goes_into_no_planted_link_but_through_my_own(tmp_path: Path, other: int) -> None:
    precious, link = tmp_path / "precious", tmp_path / "log"
    precious.write_text("mine\n")
    link.symlink_to(precious)
    os.chown(link, other, -1, follow_symlinks=False)
    for again in (False, True):
        with pytest.raises(UsageError, match=r"--joblog .*log cannot be written: it is a link that belongs to nobody"):
            Joblog(str(link), lambda id: "", again=again)
    os.chown(precious, other, -1)
    with pytest.raises(UsageError, match=r"--joblog .*precious cannot be written: it belongs to nobody"):
        Joblog(str(precious), lambda id: "")
    assert precious.read_text() == "mine\n"
    os.chown(precious, os.geteuid(), -1)
    os.chown(link, os.geteuid(), -1, follow_symlinks=False)
    Joblog(str(link), lambda id: "").close()
    assert precious.read_text() == HEADER


def test_a_job_log_may_be_a_pipe_or_a_device(tmp_path: Path, run: Callable) -> None:
    (tmp_path / "tasks.txt").write_text("true\n")
    for place in ("/dev/stdout", "-"):
        ran = run(*POOL, "--no-record", "--joblog", place, "tasks.txt")
        assert ran.code == 0 and ran.out.startswith(HEADER) and ran.out.endswith("\ttrue\n"), ran.err
    os.mkfifo(tmp_path / "pipe")
    ran = run("sh", "-c", f"cat pipe & {' '.join(POOL)} --no-record --joblog pipe tasks.txt && wait")
    assert ran.code == 0 and ran.out.startswith(HEADER) and ran.out.endswith("\ttrue\n"), ran.err
