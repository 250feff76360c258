"""A pool tells how far it is: on a real terminal with a bar, elsewhere with a line now and then."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import pytest

from tests.unit.progress.screen import Pty

POOL = [sys.executable, "-m", "dwork.pool"]
BAR = re.compile(r" \d+%  \d")
#: The same program with no time to wait until it tells something.
HASTY = """\
import sys
from dwork.pool import command as poolcommand
from dwork.progress import lines, live
lines.LEAST = lines.LOOK = 0.2
sys.exit(poolcommand.main(None, None))
"""
WAITS = "while [ ! -e {} ]; do sleep 0.02; done"


@pytest.fixture
def ended(pty: Pty, wait_until: Callable) -> Callable[..., list[str]]:
    """Wait for a program to end, check its exit code, and return what stands on the terminal."""

    def wait(process: subprocess.Popen[bytes], code: int = 0) -> list[str]:
        wait_until(lambda: not pty.read(0.05))
        assert process.wait(20) == code, pty.text
        return pty.lines

    return wait


def test_a_bar_shows_how_far_it_is_and_is_gone_in_the_end(
    on: Callable, ended: Callable, pty: Pty, wait_until: Callable, tmp_path: Path
) -> None:
    (tmp_path / "tasks.txt").write_text(f"false\ntrue\n{WAITS.format('go')}\ntrue #DWORK after='while*'\n")
    pool = on(*POOL, "--no-record", "--slots", 1, "tasks.txt")
    wait_until(lambda: " 50%  1/4  1 failed  1 running  1 waiting" in pty.lines[-1])
    assert BAR.search(pty.lines[-1]) and pty.lines[-1].endswith("1/1 busy")
    (tmp_path / "go").touch()
    lines = ended(pool, 1)
    assert not any(BAR.search(line) for line in lines)
    assert lines[-2].startswith("dwork: 3 done, 1 failed, 0 skipped in ") and lines[-1] == ""


def test_the_bar_changes_no_byte_of_what_tasks_print(
    on: Callable, ended: Callable, pty: Pty, wait_until: Callable, tmp_path: Path
) -> None:
    tasks = [f"sleep 0.1; seq {i}00 {i}20; echo error {i} >&2" for i in range(10, 40)]
    (tmp_path / "tasks.txt").write_text("\n".join(tasks))
    lines = ended(on(*POOL, "--no-record", "-k", "--slots", 2, "tasks.txt"))
    assert len(BAR.findall(pty.text)) > 10 and "━━━" in pty.text
    expected = [[*(str(n) for n in range(100 * i, 100 * i + 21)), f"error {i}"] for i in range(10, 40)]
    assert [line for line in lines if not line.startswith("dwork: ")] == [*chain(*expected), ""]


def test_output_in_a_file_is_whole_while_the_bar_is_on_the_terminal(
    on: Callable, ended: Callable, pty: Pty, tmp_path: Path
) -> None:
    (tmp_path / "tasks.txt").write_text("".join(f"sleep 0.05; printf '{i} \\001no end of line'\n" for i in range(30)))
    with open(tmp_path / "out", "wb") as out:
        lines = ended(on(*POOL, "--no-record", "-k", "--slots", 2, "tasks.txt", stdout=out))
    assert (tmp_path / "out").read_bytes() == b"".join(b"%d \1no end of line" % i for i in range(30))
    assert BAR.search(pty.text)
    assert all(line.startswith("dwork: ") for line in lines[:-1]) and len(lines) == 3


def test_no_bar_comes_into_a_file_while_the_output_is_on_the_terminal(
    on: Callable, ended: Callable, pty: Pty, tmp_path: Path
) -> None:
    (tmp_path / "tasks.txt").write_text("sleep 0.8; echo seen\n")
    with open(tmp_path / "err", "wb") as err:
        assert ended(on(*POOL, "--no-record", "tasks.txt", stderr=err)) == ["seen", ""]
    assert pty.sent == b"seen\r\n"
    said = (tmp_path / "err").read_text().splitlines()
    assert len(said) == 2 and "\x1b" not in "".join(said)


@pytest.mark.parametrize("is_logged", [False, True])
def test_no_line_of_dwork_goes_on_behind_the_output_of_a_task(
    on: Callable, ended: Callable, pty: Pty, tmp_path: Path, is_logged: bool
) -> None:
    (tmp_path / "tasks.txt").write_text("printf one\nprintf two\nprintf three >&2\n")
    with open(tmp_path / "log", "ab") as log:
        streams = {"stdout": log, "stderr": log} if is_logged else {}
        lines = ended(on(*POOL, "--no-record", "-k", "--slots", 1, "tasks.txt", **streams))
    if is_logged:
        lines = [*(tmp_path / "log").read_text().splitlines(), ""]
    assert lines[1:-2] == (["onetwothree"] if is_logged else ["one", "two", "three"])
    assert lines[-2].startswith("dwork: 3 done, ") and lines[-1] == ""


@pytest.mark.parametrize(
    ("words", "more"),
    [(["--quiet"], {}), (["--progress", "none"], {}), (["--progress", "plain"], {}), ([], {"TERM": "dumb"})],
)
def test_no_bar_where_none_is_wanted_or_possible(
    on: Callable, ended: Callable, pty: Pty, tmp_path: Path, words: list[str], more: dict[str, str]
) -> None:
    (tmp_path / "tasks.txt").write_text("sleep 0.8\n")
    lines = ended(on(*POOL, "--no-record", *words, "tasks.txt", **more))
    assert "\x1b" not in pty.text and "\r" not in pty.text.replace("\r\n", "")
    assert len(lines) == (1 if words == ["--quiet"] else 3)


def test_a_short_run_shows_no_bar(on: Callable, ended: Callable, pty: Pty, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("true\n")
    ended(on(*POOL, "--no-record", "--slots", 1, "tasks.txt"))
    assert not BAR.search(pty.text)


def test_ctrl_c_leaves_the_summary_and_no_bar(
    on: Callable, ended: Callable, pty: Pty, wait_until: Callable, tmp_path: Path
) -> None:
    (tmp_path / "tasks.txt").write_text("sleep 1000\ntrue\n")
    pool = on(*POOL, "--no-record", "--slots", 1, "tasks.txt", controls=True)
    wait_until(lambda: BAR.search(pty.lines[-1]))
    pty.type(b"\x03")
    wait_until(lambda: "stopping" in pty.lines[-1])
    assert "dwork: interrupted (repeat to end running tasks): no more tasks are started" in pty.lines

    def is_heard() -> bool:  # soon after the first one it is taken for the same
        pty.type(b"\x03")  # each takes what nobody has read yet off the terminal, so not one after the other
        until = time.monotonic() + 1.0
        while "running ones are ended" not in pty.text and time.monotonic() < until:
            pty.read(0.05)
        return "running ones are ended" in pty.text

    wait_until(is_heard)
    lines = ended(pool, 3)
    assert not any(BAR.search(line) for line in lines)
    assert lines[-2].startswith("dwork: 0 done, 0 failed, 0 skipped, 2 not finished in ")


def test_an_error_leaves_its_line_and_no_bar(
    on: Callable, ended: Callable, pty: Pty, wait_until: Callable, tmp_path: Path
) -> None:
    (tmp_path / "tasks.txt").write_text(f"{WAITS.format('go')}\n")
    os.mkfifo(tmp_path / "log")
    reader = os.open(tmp_path / "log", os.O_RDONLY | os.O_NONBLOCK)
    pool = on(*POOL, "--no-record", "--joblog", "log", "tasks.txt")
    wait_until(lambda: BAR.search(pty.lines[-1]))
    os.close(reader)
    (tmp_path / "go").touch()
    lines = ended(pool, 3)
    assert not any(BAR.search(line) for line in lines)
    assert lines[-2] == "dwork: --joblog log cannot be written: Broken pipe; run the same command again to continue"


def test_rows_of_a_job_log_stand_above_the_bar(on: Callable, ended: Callable, pty: Pty, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("".join(f"sleep 0.2 # {i}\n" for i in range(8)))
    lines = ended(on(*POOL, "--no-record", "--slots", 1, "--joblog", "-", "tasks.txt"))
    assert BAR.search(pty.text) and not any(BAR.search(line) for line in lines)
    assert [line.rpartition("\t")[2] for line in lines if "\t" in line] == [
        "Command", *(f"sleep 0.2 # {i}" for i in range(8)),
    ]  # fmt: skip


def test_the_line_fits_a_terminal_that_gets_narrower(
    on: Callable, ended: Callable, pty: Pty, wait_until: Callable, tmp_path: Path
) -> None:
    (tmp_path / "tasks.txt").write_text(f"{WAITS.format('go')}\ntrue\n")
    pty.resize(120)
    pool = on(*POOL, "--no-record", "--slots", 1, "tasks.txt")
    wait_until(lambda: BAR.search(pty.lines[-1]))
    assert len(pty.lines[-1]) > 40
    pty.resize(30)
    wait_until(lambda: 0 < len(pty.lines[-1]) < 30)
    assert pty.lines[-1].startswith("  0%  0/2  1 running")
    (tmp_path / "go").touch()
    ended(pool)


def test_a_terminal_that_goes_away_does_not_end_the_run(
    on: Callable, pty: Pty, wait_until: Callable, tmp_path: Path
) -> None:
    (tmp_path / "tasks.txt").write_text(f"{WAITS.format('go')}\nfalse #DWORK after='while*'\necho end\n")
    with open(tmp_path / "out", "wb") as out:
        pool = on(*POOL, "--no-record", "--slots", 1, "tasks.txt", stdout=out)
    wait_until(lambda: BAR.search(pty.lines[-1]))
    pty.hang_up()
    (tmp_path / "go").touch()
    assert pool.wait(20) == 1
    assert (tmp_path / "out").read_text() == "end\n"


def test_a_log_gets_a_line_now_and_then(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("".join(f"sleep 0.1 # {i}\n" for i in range(12)))
    ran = run(sys.executable, "-c", HASTY, "--no-record", "--slots", 1, "tasks.txt", NO_COLOR="1")
    assert ran.code == 0, ran.err
    told = [line for line in ran.own_err if " of 12 done after " in line]
    assert 2 <= len(told) <= 8
    assert re.fullmatch(
        r"dwork: \d+ of 12 done after \d s, 1 running(, \d+ ready)?; [\d.]+ tasks/s, 1 of 1 slots busy"
        r"(, about \d+ s left)?",
        told[-1],
    )
    assert "\x1b" not in ran.err


def test_a_short_run_leaves_no_line_in_a_log(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("sleep 1\n")
    assert len(run(*POOL, "--no-record", "tasks.txt").own_err) == 2


@pytest.mark.parametrize("way", ["bar", "plain"])
def test_quiet_and_progress_contradict_each_other(run: Callable, tmp_path: Path, way: str) -> None:
    (tmp_path / "tasks.txt").write_text("touch ran\n")
    ran = run(*POOL, "--quiet", "--progress", way, "tasks.txt")
    assert ran.code == 2 and not (tmp_path / "ran").exists()
    assert ran.own_err == [f"dwork: --quiet and --progress {way} contradict each other; drop one"]
