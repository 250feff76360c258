"""What Python programs may rely on: the names of `dwork` itself, with their types, in what is installed."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import dwork
from tests.conftest import ROOT
from tests.needs import missing

SCRIPT = """\
import dwork
from dwork import Client, Options, State, Task

with Client(timeout=5.0) as hub:
    n = hub.create_all([Task("a", ("echo", "hello"), (), Options(cores=2))])
    reveal_type(n)
    reveal_type(hub)
    reveal_type(hub.connection)
    reveal_type(hub.status())
    reveal_type(hub.lookup("a"))
    reveal_type(hub.wait())
    for row in hub.tasks():
        reveal_type(row["exit_status"])
    reveal_type(hub.workers()[0]["location"])
    reveal_type(list(State))
    reveal_type(dwork.Result("a").exit_status)
    reveal_type(dwork.__version__)
    try:
        task, *_ = hub.steal(1)
        reveal_type(task.name)
    except (dwork.AllDone, dwork.NotHeld) as error:
        reveal_type(error)
"""
TYPES = [
    "int",
    "dwork.client.client.Client",
    "dwork.connection.file.Connection",
    "dwork.client.status.Status",
    "dwork.client.status.Found | None",
    "dwork.client.status.End | None",
    "int | None",
    "str",
    "list[dwork.core.task.State]",
    "int",
    "str",
    "str",
    "dwork.core.errors.AllDone | dwork.core.errors.NotHeld",
]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that has the wheel, and nothing else."""
    if importlib.util.find_spec("hatchling") is None:
        missing("hatchling")
    place = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", place], cwd=ROOT, check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place / "venv"], check=True)
    (wheel,) = place.glob("*.whl")
    (packages,) = place.glob("venv/lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    return place / "venv" / "bin" / "python"


def _imported(python: Path | str, code: str) -> str:
    ran = subprocess.run([python, "-c", code], cwd="/", env={}, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_every_public_name_is_there_and_listed_and_no_other() -> None:
    assert sorted(dwork.__all__) == dwork.__all__ == dir(dwork)
    assert all(getattr(dwork, name) is not None for name in dwork.__all__)
    assert {getattr(dwork, name).__name__ for name in dwork.__all__ if name != "__version__"} <= set(dwork.__all__)
    with pytest.raises(AttributeError, match="module 'dwork' has no attribute 'Clint'"):
        dwork.Clint  # type: ignore[attr-defined]  # noqa: B018


def test_errors_that_a_client_raises_are_public() -> None:
    texts = [path.read_text() for path in Path(dwork.__file__).parent.glob("client/*.py")]
    raised = set(re.findall(r"raise (\w+Error|\w+Held|AllDone)\b", "".join(texts)))
    assert raised <= set(dwork.__all__)


def test_a_script_of_a_user_sees_real_types(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    mypy = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--python-executable", installed]
    ran = subprocess.run([*mypy, "script.py"], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout
    assert re.findall(r'Revealed type is "(.*)"', ran.stdout.replace("builtins.", "")) == TYPES
    wrong = "dwork.Client(timeout='5').create('a', cores='2')\ndwork.Client().workers()[0]['locaton']\ndwork.Graph\n"
    (tmp_path / "script.py").write_text(f"import dwork\n{wrong}")
    ran = subprocess.run([*mypy, "script.py"], cwd=tmp_path, capture_output=True, text=True)
    assert ran.stdout.count("incompatible type") == 2 and 'has no attribute "Graph"' in ran.stdout
    assert 'has no key "locaton"' in ran.stdout


def test_the_wheel_alone_has_tasks_and_errors_and_the_version_for_who_needs_no_hub(installed: Path) -> None:
    code = "import dwork, sys; print(dwork.Task('a', 'b').name, dwork.State.DONE.value, dwork.__version__)"
    assert _imported(installed, code) == f"a done {dwork.__version__}\n"


def test_the_documentation_names_nothing_else() -> None:
    pages = [path for kind in ("md", "py") for path in ROOT.glob(f"examples/**/*.{kind}")]
    pages += [path for path in ROOT.glob("docs/**/*.md") if "_build" not in path.parts]
    for page in [ROOT / "README.md", *pages]:
        text = page.read_text()
        assert re.findall(r"(?:from|import) dwork\.\w+", text) == [], page
        named = set(re.findall(r"\bdwork\.([A-Z]\w*)|auto\w+:: dwork\.(\S+)", text))
        imported = {name.strip() for names in re.findall(r"from dwork import (.*)", text) for name in names.split(",")}
        assert {"".join(pair) for pair in named} | imported <= set(dwork.__all__), page
