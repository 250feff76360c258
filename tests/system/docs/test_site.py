"""The site and the pages for man: they are built without a warning, and what they are made of is all there."""

from __future__ import annotations

import importlib.util
import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from google.protobuf.descriptor import Descriptor

import dwork
from dwork import dhub, kworker
from dwork.dquery._group import group
from dwork.pool import check_command
from dwork.pool import command as pool_command
from dwork.transport._pb import dwork_pb2
from tests.conftest import ROOT
from tests.needs import missing

PROGRAMS: dict[str, click.Command] = {
    "dwork-pool": pool_command.command,
    "dwork-check": check_command.command,
    "dhub": dhub.command,
    "kworker": kworker.command,
    "dquery": group,
}
COMMANDS = PROGRAMS | {f"dquery-{name}": group.get_command(None, name) for name in group.list_commands(None)}


def shown(parameters: list[click.Parameter]) -> list[click.Parameter]:
    """Those that help shows: `dwork check` accepts all options of the pool, and shows those that matter for it."""
    return [each for each in parameters if not getattr(each, "hidden", False)]


def _built(builder: str, directory: Path) -> Path:
    if any(importlib.util.find_spec(name) is None for name in ("sphinx", "myst_parser", "furo")):
        missing("docs")
    ran = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", builder, ROOT / "docs", directory],
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    return directory


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _built("html", tmp_path_factory.mktemp("html"))


@pytest.fixture(scope="module")
def manual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _built("man", tmp_path_factory.mktemp("man"))


def test_every_program_and_command_has_a_page_with_its_options(site: Path) -> None:
    for name, command in COMMANDS.items():
        page = (site / "reference" / "commands" / f"{name}.html").read_text()
        told = set(re.findall(r'<span class="sig-name descname"><span class="pre">(-[^<]*)</span>', page))
        parameters = shown(command.get_params(click.Context(command, **command.context_settings)))
        options = {option for parameter in parameters for option in parameter.opts + parameter.secondary_opts}
        assert told == {option for option in options if option.startswith("-")}, name


def test_every_public_name_is_in_the_reference(site: Path) -> None:
    page = (site / "reference" / "python.html").read_text()
    names = {f"dwork.{name}" for name in dwork.__all__}
    methods = {f"dwork.Client.{name}" for name, _ in inspect.getmembers(dwork.Client) if not name.startswith("_")}
    assert [name for name in sorted(names | methods) if f'id="{name}"' not in page] == []


def test_every_message_is_in_the_reference_with_its_fields(site: Path) -> None:
    page = (site / "reference" / "protocol.html").read_text()
    headings = [re.sub("<[^>]*>", "", text) for text in re.findall(r"<h[23]>(.*?)<a", page)]

    def look(message: Descriptor, name: str) -> None:
        section = page[page.index(f">{name}<a") :].partition("<section")[0]
        assert re.findall(r"<td><p>(\d+)</p></td>\s*<td><p>(\w+)</p>", section) == [
            (str(field.number), field.name) for field in message.fields
        ]
        for enum in message.enum_types:
            assert f"{name}.{enum.name}" in headings
            assert all(f"<p>{value}</p>" in page for value in enum.values_by_name)
        for nested in message.nested_types:
            look(nested, f"{name}.{nested.name}")

    for name, message in dwork_pb2.DESCRIPTOR.message_types_by_name.items():
        look(message, name)


def test_a_browser_loads_nothing_from_elsewhere(site: Path) -> None:
    loads = r"<(?:script|img|iframe)[^>]* src=\"(?:https?:)?//[^>]*>|<link[^>]* href=\"(?:https?:)?//[^>]*>"
    for page in site.rglob("*.html"):
        assert re.findall(loads, page.read_text()) == [], page
    for sheet in site.rglob("*.css"):
        assert re.findall(r"(?:@import|url\()[ \"']*(?:https?:)?//[^)]*", sheet.read_text()) == [], sheet


def test_man_has_a_page_for_each_of_them(manual: Path) -> None:
    if shutil.which("man") is None:
        missing("man")
    pages = {path.stem: path for path in manual.rglob("*.[1-8]")}
    assert set(pages) == {*COMMANDS, "dwork", "dwork-tasks"}
    for name, path in pages.items():
        ran = subprocess.run(
            ["man", "-l", "--warnings", path], env={"MANWIDTH": "100", "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
            capture_output=True, text=True,
        )  # fmt: skip
        assert (ran.returncode, ran.stderr) == (0, ""), name
        text = re.sub(".\b", "", ran.stdout)
        assert re.search(rf"^NAME\n +{name} +- +\w", text, re.MULTILINE), name
        assert "<>" not in text and ".md" not in text, name
        for parameter in shown(COMMANDS[name].params) if name in COMMANDS else ():
            if isinstance(parameter, click.Option):
                assert re.search(rf"^ +(.*, )?{parameter.opts[-1]}\b", text, re.MULTILINE), (name, parameter.opts)
