"""Records to report on, their reports, and a browser to read these with."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dwork.core import events as e
from dwork.core.task import Task
from dwork.dquery import main
from dwork.record.store import Store
from tests.desk import RUN, Desk, ended, given, killed, task
from tests.needs import missing

#: In milliseconds; nothing here takes a second on a machine that is idle.
PATIENCE = 60_000
SCRIPT = "<script>alert('name')</script>"
MARKUP = '<img src=x onerror="alert(1)"> <b>&lt;bold&gt;</b> $x$ %{y}'
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write the report of a record."""
    if importlib.util.find_spec("plotly") is None:
        missing("plotly")

    def write(record: Path) -> Path:
        page = tmp_path_factory.mktemp("report") / "report.html"
        assert main(["report", "-f", str(record), "-o", str(page)]) == 0
        return page

    return write


def few(path: Path) -> Path:
    """A record of three done, one failed after two attempts, one skipped, and a run that took 100 s on two workers."""
    desk = Desk(path)
    desk.resume(
        task("mesh"), task("solve-1", "mesh"), task(SCRIPT, "mesh"), task(MARKUP, "mesh"), task("after", SCRIPT)
    )
    desk.hear(e.Joined(1000.0, "node1:1", 2), e.Joined(1000.0, "node2:1", 1))
    desk.hear(e.Stolen(1000.0, "node1:1", [given(i) for i in range(3)]), e.Stolen(1000.0, "node2:1", [given(3)]))
    desk.hear(e.Finished(1010.0, "node1:1", [ended(0, started=1000.0, seconds=10.0, user=9.0, max_rss=3 << 20)]))
    stderr = b"</script><script>alert('stderr')</script>\n\x1b[31mred\xff"
    desk.hear(e.Retried(1030.0, "node1:1", ended(2, started=1010.0, seconds=20.0, exit_status=3), 1, 0.0))
    desk.hear(e.Stolen(1030.0, "node1:1", [given(2, 2)]))
    desk.hear(e.Failed(1050.0, "node1:1", ended(2, 2, started=1030.0, seconds=20.0, exit_status=3, stderr=stderr)))
    desk.hear(e.Finished(1060.0, "node1:1", [ended(1, started=1010.0, seconds=50.0)]))
    desk.hear(e.Finished(1070.0, "node2:1", [ended(3, started=1010.0, seconds=60.0)]))
    desk.hear(e.Skipped(1070.0, [e.Named(4, "after")], e.Named(2, SCRIPT)))
    desk.store.close(1100.0, "some failed")
    return path


def many(path: Path, n: int = 5000) -> Path:
    """A record of tasks of a second on five workers of two slots, one after the other; every hundredth failed."""
    desk = Desk(path)
    desk.resume(*(task(f"case-{i}") for i in range(n)))
    for worker in range(5):
        name = f"node{worker}:1"
        mine = list(range(worker, n, 5))
        desk.hear(e.Joined(1000.0, name, 2), e.Stolen(1000.0, name, [given(i) for i in mine]))
        begun = {i: 1000.0 + k // 2 for k, i in enumerate(mine)}
        done = [ended(i, started=begun[i], seconds=0.9) for i in mine if i % 100]
        desk.hear(e.Finished(2000.0, name, done))
        for i in mine:
            if i % 100 == 0:
                desk.hear(e.Failed(2000.0, name, ended(i, started=begun[i], seconds=0.9, exit_status=1)))
    desk.store.close(1000.0 + n / 10, "some failed")
    return path


def resumed(path: Path) -> Path:
    """A record of a run that was killed after 100 s, and of one of 100 s, which began 300 s after the first."""
    desk = Desk(path.with_suffix(".first"))
    desk.resume(task("a"), task("b"), task("c"), Task("join", None, ("a",)))
    desk.hear(e.Joined(1000.0, "node1:1", 1), e.Stolen(1000.0, "node1:1", [given(0), given(1)]))
    desk.hear(e.Finished(1100.0, "node1:1", [ended(0, started=1000.0, seconds=100.0)]))
    store = Store(str(killed(desk.path, path)), RUN._replace(started=1300.0), {"a": 0, "b": 1, "c": 2, "join": 3}.get)
    store.resume([task("a"), task("b"), task("c"), Task("join", None, ("a",))], 1300.0)
    store.hear([e.Joined(1300.0, "node1:2", 1), e.Stolen(1300.0, "node1:2", [given(1, 2)])])
    store.hear([e.Finished(1350.0, "node1:2", [ended(1, 2, started=1300.0, seconds=50.0)])])
    store.close(1400.0, "stopped")
    desk.close()
    return path


def empty(path: Path) -> Path:
    """A record of a run without tasks."""
    Desk(path).store.close(1001.0, "done")
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A real browser, without a window. Not for the session: the tests of the runner end all children of theirs."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None or importlib.util.find_spec("playwright") is None:
        missing("chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found)
        yield started
        started.close()


@pytest.fixture
def show(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open a file; at the end, the page must have had nothing to complain of, and asked nobody for anything."""
    complaints: list[str] = []
    contexts = []

    def open_page(path: Path, zone: str = "UTC", **options: Any) -> Any:
        context = browser.new_context(viewport={"width": 1200, "height": 900}, timezone_id=zone, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: complaints.append(request.url) if request.url != path.as_uri() else None)
        page.goto(path.as_uri())
        page.wait_for_selector("body[data-ready]")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints
