"""`dquery watch` on pools that run, fail, are killed and come back: its screen is read, and a real terminal is left."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import termios
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from dwork import Client
from dwork.dquery._watch.questions import Questions
from dwork.dquery._watch.scene import Scene
from dwork.dquery._watch.screen import WatchApp
from tests.system.programs.conftest import program
from tests.unit.progress.screen import Pty

WAITS = "while [ ! -e go ]; do sleep 0.02; done"
BAD = r"printf '[red]cannot[/red] open\n\033[2Jgone\n' >&2; exit 3"
TASKS = f"{BAD} #DWORK name=bad\n" + "".join(f"echo said {i}; {WAITS} #DWORK name=case-{i}\n" for i in range(3))


class Seen:
    """The screen of a watch, and its keys."""

    def __init__(self, app: WatchApp, pilot: Any) -> None:
        self.app = app
        self.press = pilot.press
        self._pilot = pilot

    @property
    def text(self) -> str:
        """What stands on it."""
        return "\n".join(strip.text.rstrip() for strip in self.app.screen._compositor.render_strips())

    async def until(self, *parts: str, no: str = "\0", limit: float = 30.0) -> str:
        """Wait until all these can be read, and that cannot."""
        give_up = time.monotonic() + limit
        while not all(part in self.text for part in parts) or no in self.text:
            assert time.monotonic() < give_up, f"{parts} {no!r}\n{self.text}"
            await self._pilot.pause(0.02)
        return self.text

    async def resize(self, columns: int, rows: int) -> None:
        await self._pilot.resize_terminal(columns, rows)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("DWORK_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DWORK_DIR", str(tmp_path / ".dwork"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def pool(start: Callable, wait_until: Callable, home: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start a pool, and wait until it can be found."""

    def begin(tasks: str = TASKS, *options: str) -> subprocess.Popen[str]:
        (home / "tasks.txt").write_text(tasks)
        process = start(*program("pool"), "tasks.txt", "--slots", "4", *options)
        wait_until(lambda: any(json.loads(f.read_text())["pid"] == process.pid for f in home.glob(".dwork/*.json")))
        return process

    return begin


def watch(
    play: Callable[[Seen], Awaitable[None]], size: tuple[int, int] = (80, 24), timeout: float = 1.0, **options: Any
) -> None:
    """Watch the only run that is there, while this is played."""

    async def run() -> None:
        with Client(timeout=10.0, **options) as first:
            row = first.watch()
        with Client(timeout=timeout, **options) as client:
            questions = Questions(client, row, 0.1, lambda news: app.hear(news))
            app = WatchApp(Scene(row, time.monotonic()), questions)
            async with app.run_test(size=size) as pilot:
                await play(Seen(app, pilot))

    asyncio.run(run())


def test_it_shows_what_runs_and_what_failed_with_the_end_of_its_stderr(pool: Callable, home: Path) -> None:
    pool()

    async def play(seen: Seen) -> None:
        text = await seen.until("3 running", "1 failed", "case-2", "gone", "3/4", "Next list", "Help")
        assert re.search(r"^(\S+/)?tasks.txt on \S+, for \d+ s$", text.splitlines()[0])
        assert re.search(r"#0 +\d s exit status 3 +bad", text)
        assert "[red]cannot[/red] open" in text and "\\x1b[2Jgone" in text
        assert re.search(r":\d+ +█+·+ 3/4 +1 ", text), text
        assert all(key in text.splitlines()[-1] for key in ("Open", "Next list", "Quit", "Filter", "Help"))

    watch(play)


def test_it_fits_any_terminal(pool: Callable) -> None:
    pool()

    async def play(seen: Seen) -> None:
        await seen.until("case-2")
        for columns, rows in ((160, 50), (40, 16), (20, 6), (80, 24)):
            await seen.resize(columns, rows)
            text = await seen.until("tasks.txt" if columns > 20 else "\n")
            assert len(text.splitlines()) <= rows and max(map(len, text.splitlines())) <= columns
        await seen.until("case-2", "exit status 3")

    watch(play)


def test_a_filter_leaves_what_fits_and_escape_shows_all_again(pool: Callable) -> None:
    pool()

    async def play(seen: Seen) -> None:
        await seen.until("case-2", "exit status 3")
        await seen.press("slash", *"se-1")
        await seen.until("case-1", "(only se-1)", no="case-2")
        assert "exit status 3" not in seen.text
        await seen.press("enter")
        await seen.until("case-1", no="case-2")
        await seen.press("escape")
        await seen.until("case-1", "case-2", "exit status 3")

    watch(play)


def test_enter_on_a_worker_shows_its_tasks_alone(pool: Callable) -> None:
    pool()

    async def play(seen: Seen) -> None:
        await seen.until("case-2")
        await seen.press("shift+tab", "enter")
        await seen.until("(only ", "case-1", "1 worker")

    watch(play)


def test_a_task_is_opened_with_its_story_and_the_end_of_its_log(pool: Callable) -> None:
    pool()

    async def play(seen: Seen) -> None:
        await seen.until("case-2", "exit status 3")
        await seen.press("enter")
        await seen.until("#1 case-0", "state     running for ", "stdout of attempt 1:", "said 0")
        await seen.press("escape")
        await seen.until("case-2", "exit status 3")
        await seen.press("tab", "enter")
        await seen.until("#0 bad", "state     failed: exit status 3", "stderr of attempt 1:", "[red]cannot[/red]")
        assert "\\x1b[2Jgone" in seen.text
        await seen.press("escape", "question_mark")
        await seen.until("dquery watch", "the run continues")
        await seen.press("escape")
        await seen.until("case-2")

    watch(play)


def test_without_a_record_an_opened_task_tells_what_is_known(pool: Callable) -> None:
    pool(TASKS, "--no-record")

    async def play(seen: Seen) -> None:
        await seen.until("case-2", "exit status 3")
        await seen.press("tab", "enter")
        await seen.until("keeps no record", "bad on ", "exit status 3", "[red]cannot[/red] open")

    watch(play)


def test_the_end_is_told_with_the_verdict_and_stays_and_tasks_can_still_be_opened(pool: Callable, home: Path) -> None:
    process = pool(TASKS + f"{WAITS}; echo last >&2; exit 5 #DWORK name=last\n")

    async def play(seen: Seen) -> None:
        await seen.until("case-2", "exit status 3")
        (home / "go").touch()
        await seen.until("ended: some tasks failed or were skipped", "3/5", "2 failed", "exit status 5", "last")
        process.communicate(timeout=30)
        await seen.until("ended: some tasks failed or were skipped", no="no answer since")
        await seen.press("tab")
        await seen.press("enter")
        await seen.until("state     failed: exit status ", "stderr of attempt 1:")

    watch(play)
    assert process.returncode == 1


def test_a_hub_that_is_killed_leaves_its_last_state_and_the_run_that_comes_after_it_is_shown(
    pool: Callable, home: Path
) -> None:
    process = pool()

    async def play(seen: Seen) -> None:
        await seen.until("case-2", "exit status 3")
        process.kill()
        process.communicate()
        await seen.until("no answer since ", "Its process is gone", "case-2")
        other = pool()
        await seen.until("case-2", "3 running", no="no answer since")
        (home / "go").touch()
        await seen.until("ended: some tasks failed or were skipped")
        other.communicate(timeout=30)

    watch(play)


def test_a_dhub_that_comes_back_is_asked_again(dhub: Callable, home: Path) -> None:
    hub = dhub("-f", "run.db")
    port = int(hub.server.rpartition(":")[2])
    hub.dquery("create", "first")

    async def play(seen: Seen) -> None:
        await seen.until("1 ready", "no worker has connected yet")
        hub.process.kill()
        hub.process.communicate()
        await seen.until("no answer since ")
        again = await asyncio.to_thread(dhub, "-f", "run.db", port=port)
        await asyncio.to_thread(again.dquery, "create", "second")
        await seen.until("2 ready", no="no answer since")

    watch(play)


def test_keys_work_while_the_hub_does_not_answer(pool: Callable, home: Path) -> None:
    process = pool()

    async def play(seen: Seen) -> None:
        await seen.until("case-2", "exit status 3")
        process.send_signal(signal.SIGSTOP)
        try:
            await seen.until("no answer since ")
            await seen.press("enter")
            await seen.until("querying the hub ...")
            await seen.press("escape", "slash", *"se-1", "enter")
            await seen.until("case-1", no="case-2")
        finally:
            process.send_signal(signal.SIGCONT)
        await seen.until("case-1", no="no answer since")

    watch(play)


# -- a real terminal ------------------------------------------------------------------------------------------------


@pytest.fixture
def terminal(pty: Pty) -> Pty:
    pty.resize(80)
    return pty


@pytest.fixture
def dquery(on: Callable, home: Path) -> Callable[..., subprocess.Popen[bytes]]:
    """Start `dquery watch` on the terminal, which controls it."""

    def begin(*options: str, **more: str) -> subprocess.Popen[bytes]:
        place = str(home / ".dwork")
        return on(*program("dquery"), *options, "watch", controls=True, keeps=True, DWORK_DIR=place, **more)

    return begin


@pytest.mark.parametrize(("key", "kind"), [(b"q", "xterm-256color"), (b"\x03", "screen")])
def test_it_leaves_the_terminal_as_it_was(
    pool: Callable, dquery: Callable, terminal: Pty, wait_until: Callable, key: bytes, kind: str
) -> None:
    pool()
    before = termios.tcgetattr(terminal.inner)
    process = dquery(TERM=kind)
    wait_until(lambda: "case-2" in terminal.text, 40)
    assert "\x1b[?1049h" in terminal.text and termios.tcgetattr(terminal.inner) != before
    terminal.type(key)
    wait_until(lambda: terminal.read() and process.poll() is not None)
    assert process.returncode == 0
    terminal.read(0.1)
    assert termios.tcgetattr(terminal.inner) == before
    assert terminal.text.rindex("\x1b[?1049l") > terminal.text.rindex("case-2")
    assert terminal.text.rindex("\x1b[?25h") > terminal.text.rindex("\x1b[?25l")
    assert "Traceback" not in terminal.text


def test_it_quits_at_once_while_the_hub_does_not_answer(
    pool: Callable, dquery: Callable, terminal: Pty, wait_until: Callable
) -> None:
    hub = pool()
    process = dquery("--timeout", "600")
    wait_until(lambda: "case-2" in terminal.text, 40)
    hub.send_signal(signal.SIGSTOP)
    try:
        for _ in range(3):  # it is drawn each second, and asks as often
            drawn = len(terminal.sent)
            wait_until(lambda drawn=drawn: terminal.read() and len(terminal.sent) > drawn)
        terminal.type(b"q")
        wait_until(lambda: terminal.read() and process.poll() is not None)
    finally:
        hub.send_signal(signal.SIGCONT)
    assert process.returncode == 0


NO_TERMINAL = "dquery: watch needs a terminal; use dquery status, also with --json and --wait\n"


def test_where_there_is_no_terminal_it_says_what_to_use(run: Callable) -> None:
    ran = run(*program("dquery"), "watch")
    assert (ran.code, ran.out, ran.err) == (2, "", NO_TERMINAL)


def test_nor_does_it_draw_on_a_terminal_that_only_prints(dquery: Callable, terminal: Pty, wait_until: Callable) -> None:
    process = dquery(TERM="dumb")
    wait_until(lambda: terminal.read() and process.poll() is not None)
    terminal.read(0.1)
    assert (process.returncode, terminal.text.replace("\r", "")) == (2, NO_TERMINAL)


def test_where_there_is_no_run_it_waits_for_one(
    pool: Callable, dquery: Callable, terminal: Pty, wait_until: Callable
) -> None:
    process = dquery()
    wait_until(lambda: terminal.read() and "waiting for one, Ctrl-C quits" in terminal.text)
    assert terminal.text.startswith("dquery: no run is known in ") and terminal.text.count("\n") == 1
    pool()
    wait_until(lambda: "case-2" in terminal.text, 40)
    terminal.type(b"q")
    wait_until(lambda: terminal.read() and process.poll() is not None)
    assert process.returncode == 0


def test_ctrl_c_ends_the_wait_for_a_run(dquery: Callable, terminal: Pty, wait_until: Callable) -> None:
    process = dquery()
    wait_until(lambda: terminal.read() and "waiting for one" in terminal.text)
    terminal.type(b"\x03")
    wait_until(lambda: terminal.read() and process.poll() is not None)
    assert process.returncode == 130 and "Traceback" not in terminal.text
