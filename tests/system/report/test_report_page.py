"""What is in the file of a report, before a browser reads it."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from dwork.dquery import main
from dwork.dquery._picture import embedded
from dwork.dquery._picture.words import took
from tests.system.report.conftest import MARKUP, SCRIPT, few, many, resumed


class Page(HTMLParser):
    """The elements of a page: how many there are of each kind, and the text of its scripts."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.counts: dict[str, int] = {}
        self.scripts: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.words: list[str] = []
        self._is_script = False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.attributes += [(tag, *pair) for pair in attrs]
        self._is_script = tag == "script"
        if self._is_script:
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._is_script = False

    def handle_data(self, data: str) -> None:
        if self._is_script:
            self.scripts[-1] += data
        else:
            self.words.append(data.strip())

    @property
    def data(self) -> Any:
        return json.loads(self.scripts[0])


@pytest.fixture(scope="module")
def page(report: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Page:
    return Page(report(few(tmp_path_factory.mktemp("few") / "run.db")))


def test_names_and_output_are_text_and_make_no_elements(page: Page) -> None:
    assert page.counts["script"] == 3 and "img" not in page.counts
    assert page.counts["b"] == 7  # one for each number at the top
    assert f"#2 {SCRIPT}" in page.words and any(MARKUP[:30] in words for words in page.words)
    assert "</script><script>alert('stderr')</script>\n\\x1b[31mred\\xff" in page.words
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert all("://" not in (value or "") for _, name, value in page.attributes if name in ("src", "href"))


def test_only_its_own_scripts_may_run_and_nothing_may_be_loaded(page: Page) -> None:
    (policy,) = (
        value for tag, name, value in page.attributes if tag == "meta" and name == "content" and "src" in value
    )
    assert policy is not None and policy.startswith("default-src 'none';")
    allowed = set(re.findall(r"'sha256-([^']+)'", policy))
    assert allowed == {b64encode(sha256(script.encode()).digest()).decode() for script in page.scripts[1:]}


def test_the_columns_of_attempts_can_be_read_back(page: Page) -> None:
    data = page.data
    assert data["rows"] == ["node1:1", "node2:1"] and data["lanes"] == [2, 1]
    assert [row[:4] for row in data["tasks"]] == [
        [0, "mesh", "done", 1],
        [1, "solve-1", "done", 1],
        [2, SCRIPT, "failed", 2],
        [3, MARKUP, "done", 1],
        [4, "after", "skipped", 0],
    ]
    assert data["tasks"][0][4:] == [10.0, "node1:1", "", 3 << 20, 9.0, 0.0]
    assert data["tasks"][4][6] == f"after {SCRIPT}"


def test_of_very_many_those_done_in_a_short_time_are_left_out_and_the_page_says_so(
    report: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "TASKS", 10)
    monkeypatch.setattr(embedded, "BARS", 20)
    found = Page(report(many(tmp_path / "run.db", 1000)))
    assert [row[2] for row in found.data["tasks"]] == ["failed"] * 10
    assert len(found.data["bars"]["outcome"]) == 28  # base64 of 20 bytes
    assert "980 attempts left out where single attempts are shown: short ones that were done" in found.words
    assert "990 tasks left out of the table at the end: short ones that were done" in found.words


def test_what_is_not_known_of_a_killed_run_is_said(report: Callable[..., Path], tmp_path: Path) -> None:
    found = Page(report(resumed(tmp_path / "run.db")))
    assert "1 run killed or crashed: drawn up to the last known event" in found.words
    assert "1 attempt lost with a worker: it is unknown when" in found.words
    assert {"was killed", "stopped", "all runs", "run 1", "run 2"} < set(found.words)


def test_a_report_may_go_to_standard_output(
    report: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = few(tmp_path / "run.db")
    assert main(["report", "-f", str(record), "-o", "-"]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == (report(record).read_text(encoding="utf-8"), "")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0 µs"),
        (0.000412, "412 µs"),
        (0.0123, "12.3 ms"),
        (0.99949, "999 ms"),
        (0.9996, "1.00 s"),
        (9.876, "9.88 s"),
        (42.0, "42.0 s"),
        (59.96, "1 min 0 s"),
        (92.0, "1 min 32 s"),
        (7380.0, "2 h 3 min"),
        (273600.0, "3 d 4 h"),
    ],
)
def test_durations_are_told_in_units_that_fit(seconds: float, words: str) -> None:
    assert took(seconds) == words
