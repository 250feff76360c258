"""A report in a real browser: what it shows, and that zooming, searching and colours do what they should."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dwork.dquery._words import moment
from tests.system.report.conftest import MARKUP, SCRIPT, empty, few, many, resumed

#: What Plotly draws in the uppermost plot, and its axis.
DRAWN = """() => {
    const { data, _fullLayout } = document.getElementById("time");
    const bars = data.filter((trace) => trace.meta === "bars" && trace.visible);
    return {
        bars: Object.fromEntries(bars.map((trace) => [trace.name, trace.x.length])),
        texts: bars.flatMap((trace) => trace.hovertext),
        busy: data.filter((trace) => trace.meta === "busy" && trace.visible !== false).map((trace) => trace.z),
        rows: _fullLayout.yaxis.ticktext,
        type: _fullLayout.xaxis.type,
        range: _fullLayout.xaxis.range.map((x) => _fullLayout.xaxis.r2l(x) / 1e3),
    };
}"""


@pytest.fixture(scope="module")
def page_of_few(report: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report(few(tmp_path_factory.mktemp("few") / "run.db"))


@pytest.fixture(scope="module")
def page_of_many(report: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report(many(tmp_path_factory.mktemp("many") / "run.db"))


def cells(page: Any, column: int) -> list[str]:
    return list(page.locator(f"#found tr td:nth-child({column})").all_text_contents())


def test_it_shows_the_numbers_of_the_run_and_each_attempt_of_a_few(show: Any, page_of_few: Path) -> None:
    page = show(page_of_few)
    tiles = page.locator(".tile").all_inner_texts()
    assert [tile.split("\n")[0] for tile in tiles[:3]] == ["3", "1", "1"]
    assert (
        "1 min 40 s\nwall time" in tiles and "1 min 10 s\ncritical path" in tiles and "53%\nof slot time busy" in tiles
    )
    drawn = page.evaluate(DRAWN)
    assert drawn["bars"] == {"done": 3, "failed": 2} and drawn["busy"] == []
    assert (drawn["rows"], drawn["type"], drawn["range"]) == (["node1:1", "node2:1"], "date", [999.0, 1101.0])
    assert page.locator("#showing").inner_text() == "5 single attempts in sight."
    assert page.locator("#time .bars .point").count() == 5


ZONES = ("UTC", "Europe/Berlin", "America/New_York")
#: Where a plot puts things in time, in milliseconds, and what its axis says.
PLACED = """() => {
    const { calcdata, data, layout, _fullLayout } = document.getElementById("time");
    const axis = _fullLayout.xaxis, isShown = ({ meta, visible }, wanted) => meta === wanted && visible !== false;
    const at = (meta) => calcdata.filter((_, i) => isShown(data[i], meta));
    return {
        bars: at("bars").flatMap((cd) => cd.map(({ b }) => b)),
        busy: at("busy").map(([{ x }]) => [x[0], x[x.length - 1]]),
        marks: at("bad").map((cd) => [cd[0].x, cd[cd.length - 1].x]),
        lines: at("line").map((cd) => cd[0].x),
        gaps: (layout.shapes ?? []).map(({ x0, x1 }) => [axis.r2l(x0), axis.r2l(x1)]),
        notes: (layout.annotations ?? []).map(({ x }) => axis.r2l(x)),
        range: axis.range.map((x) => axis.r2l(x)),
        ticks: [...document.querySelectorAll("#time .xtick text")].map((text) => text.textContent),
    };
}"""


@pytest.fixture(params=ZONES)
def here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The time zone of whoever writes the report."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("zone", ZONES)
def test_wherever_it_is_read_it_shows_the_clock_of_where_it_was_written(
    show: Any, report: Any, tmp_path: Path, here: str, zone: str, wait_until: Any
) -> None:
    page = show(report(resumed(tmp_path / "run.db")), zone)
    assert page.locator("#showing").inner_text() == "2 single attempts in sight."
    offset = time.localtime(1000.0).tm_gmtoff
    placed = page.evaluate(PLACED)
    assert placed["bars"] == [1e3 * (moment + offset) for moment in (1000, 1300)]
    assert placed["gaps"] == [[1e3 * (1100 + offset), 1e3 * (1300 + offset)]]
    assert placed["notes"] == [1e3 * (1200 + offset)]
    assert placed["range"] == [1e3 * (996 + offset), 1e3 * (1404 + offset)]
    assert set(placed["lines"]) == {1e3 * (1000 + offset)}
    assert placed["ticks"][0].startswith(moment(1020.0)[11:16]), "what dquery prints"
    page.click("text=run 2")
    wait_until(lambda: page.locator("#showing").inner_text().startswith("1 single attempt"))
    page.locator("#found tr", has_text="node1:2").click()
    wait_until(lambda: page.evaluate(PLACED)["range"] == [1e3 * (1250 + offset), 1e3 * (1400 + offset)])


def test_how_busy_workers_were_and_what_failed_is_at_the_same_time_in_each_zone(show: Any, page_of_many: Path) -> None:
    for zone in ZONES:
        placed = show(page_of_many, zone).evaluate(PLACED)
        assert placed["busy"] == [pytest.approx([1000e3, 1500e3], abs=2e3)], zone
        assert placed["marks"] == [pytest.approx([1000e3, 1490e3], abs=10e3)], zone


def test_text_from_the_run_is_shown_as_it_is_and_never_run(show: Any, page_of_few: Path, wait_until: Any) -> None:
    page = show(page_of_few)
    assert cells(page, 2) == ["mesh", "solve-1", SCRIPT, MARKUP, "after"]
    assert f"#2 {SCRIPT}" in page.locator("#failed").inner_text()
    assert page.locator("#failed pre").inner_text().startswith("</script><script>alert('stderr')")
    for bar, name in (2, MARKUP), (4, SCRIPT):  # those done come first
        page.locator("#time .bars .point path").nth(bar).hover(force=True)
        wait_until(lambda name=name: name in page.locator("#time .hoverlayer").text_content())
    assert page.locator("script").count() == 3 and page.locator("img").count() == 0


def test_of_many_it_shows_how_busy_workers_were_until_somebody_zooms_in(show: Any, page_of_many: Path) -> None:
    page = show(page_of_many)
    drawn = page.evaluate(DRAWN)
    assert drawn["bars"] == {} and len(drawn["busy"]) == 1 and len(drawn["busy"][0]) == 5
    assert {round(share, -1) for row in drawn["busy"][0] for share in row} == {90}
    assert len(drawn["busy"][0][0]) <= 500 and "too many" in page.locator("#showing").inner_text()
    assert page.locator("#time .scatterlayer .point").count() == 50  # those that failed

    plot = page.locator("#time .nsewdrag").first.bounding_box()
    page.mouse.move(plot["x"] + plot["width"] * 0.50, plot["y"] + 20)
    page.mouse.down()
    page.mouse.move(plot["x"] + plot["width"] * 0.51, plot["y"] + 20, steps=4)
    page.mouse.move(plot["x"] + plot["width"] * 0.52, plot["y"] + 20, steps=4)
    page.mouse.up()
    page.wait_for_selector("body[data-mode=bars]")
    drawn = page.evaluate(DRAWN)
    assert 90 <= sum(drawn["bars"].values()) <= 150 and drawn["busy"] == []
    assert 8 < drawn["range"][1] - drawn["range"][0] < 13 and drawn["type"] == "date"
    assert "attempts in sight" in page.locator("#showing").inner_text()

    page.mouse.dblclick(plot["x"] + plot["width"] / 2, plot["y"] + 20)
    page.wait_for_selector("body[data-mode=busy]")
    assert page.evaluate(DRAWN)["range"] == pytest.approx([995.0, 1505.0])


def test_tasks_are_searched_by_name_number_and_state_and_sorted(show: Any, page_of_many: Path) -> None:
    page = show(page_of_many)
    count = page.locator("#count")
    assert count.inner_text() == "5,000 of 5,000, the first 200 are shown"
    page.fill("#search", "CASE-123")
    assert count.inner_text() == "11 of 5,000"
    assert cells(page, 2) == ["case-123", *(f"case-123{i}" for i in range(10))]
    page.fill("#search", "#77")
    assert cells(page, 2) == ["case-77"]
    page.fill("#search", "")
    page.select_option("#state", "failed")
    assert count.inner_text() == "50 of 5,000" and set(cells(page, 7)) == {"exit status 1"}
    page.click("#tasks th:nth-child(2) button")
    assert cells(page, 1)[:3] == ["#0", "#100", "#1000"]
    page.click("#tasks th:nth-child(2) button")
    assert cells(page, 1)[:2] == ["#900", "#800"]


def test_a_task_that_is_clicked_is_shown_above(show: Any, page_of_many: Path) -> None:
    page = show(page_of_many)
    page.fill("#search", "#2001")
    page.locator("#found tr").click()
    page.wait_for_selector("body[data-mode=bars]")
    drawn = page.evaluate(DRAWN)
    assert drawn["range"] == pytest.approx([1199.1, 1201.8], abs=1e-3)
    assert any("#2001 case-2001" in text for text in drawn["texts"])


def test_it_follows_the_colours_that_the_reader_likes(show: Any, page_of_many: Path, wait_until: Any) -> None:
    page = show(page_of_many, color_scheme="dark")
    colours = """() => [getComputedStyle(document.body).backgroundColor,
        document.getElementById("time")._fullLayout.font.color,
        document.getElementById("run-times")._fullLayout.font.color]"""
    assert page.evaluate(colours) == ["rgb(20, 24, 30)", "#e3e8ef", "#e3e8ef"]
    page.emulate_media(color_scheme="light")
    wait_until(lambda: page.evaluate(colours) == ["rgb(255, 255, 255)", "#1c2430", "#1c2430"])


def test_the_time_between_two_runs_is_grey_and_each_can_be_looked_at(
    show: Any, report: Any, tmp_path: Path, wait_until: Any
) -> None:
    page = show(report(resumed(tmp_path / "run.db")))
    layout = page.evaluate(
        "(({ shapes, annotations }) => [shapes, annotations])(document.getElementById('time').layout)"
    )
    assert [(shape["x0"], shape["x1"]) for shape in layout[0]] == [
        ("1970-01-01 00:18:20.0000", "1970-01-01 00:21:40.0000")
    ]
    assert [note["text"] for note in layout[1]] == ["no run for 3 min 20 s"]
    assert page.evaluate(DRAWN)["bars"] == {"done": 2}
    page.click("text=run 2")
    wait_until(lambda: page.locator("#showing").inner_text().startswith("1 "))
    assert page.evaluate(DRAWN)["range"] == [1300.0, 1400.0]


def test_a_run_without_tasks_has_a_report(show: Any, report: Any, tmp_path: Path) -> None:
    page = show(report(empty(tmp_path / "run.db")))
    assert page.locator(".tile").first.inner_text() == "0\ndone of 0 tasks"
    assert page.locator("#failed").inner_text() == "Failed tasks\n\nNothing failed."
