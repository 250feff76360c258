"""Who imports what: folders are layers, pure ones know nothing of the outside, and each edge alone knows its own.

The rules are in docs/_ext/layers.py, from which the pictures of the layers are drawn, too.
"""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "dwork"


@pytest.fixture(scope="module")
def layers() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "docs" / "_ext"))
        yield importlib.import_module("layers")


@pytest.fixture(scope="module")
def layout(layers: ModuleType) -> ModuleType:
    return importlib.import_module("layout")


@pytest.fixture(scope="module")
def sources(layers: ModuleType) -> dict[str, str]:
    return layers.sources()


@pytest.fixture
def texts(sources: dict[str, str]) -> dict[str, str]:
    """A copy for each test: some change it."""
    return dict(sources)


def test_every_file_imports_its_own_folder_or_lower_ones_and_pure_files_nothing_of_the_outside(
    layers: ModuleType, texts: dict[str, str]
) -> None:
    assert len(texts) > 200
    assert list(layers.trouble(texts)) == []


def test_the_rules_name_nothing_that_is_not_there(layers: ModuleType, texts: dict[str, str]) -> None:
    assert set(layers.LEVELS) == {layers.folder(path) for path in texts}
    assert layers.LEVELS.keys() >= layers.PURE and layers.PURE_FILES | layers.ALSO.keys() <= texts.keys()


def test_the_top_of_the_package_can_be_read_at_a_glance() -> None:
    assert len([path for path in PACKAGE.iterdir() if path.name != "__pycache__"]) <= 24


@pytest.mark.parametrize(
    ("path", "planted", "found"),
    [
        ("core/errors.py", "from dwork.hub.graph import Graph", "core (level 0) imports hub (level 1)"),
        ("core/errors.py", "from dwork.hub import graph", "core (level 0) imports hub (level 1)"),
        ("core/errors.py", "from dwork import hub", "core (level 0) imports hub (level 1)"),
        ("core/errors.py", "import json, dwork.hub.graph as g", "core (level 0) imports hub (level 1)"),
        ("core/errors.py", "from dwork import Client", "core (level 0) imports __init__ (level 9)"),
        ("transport/zmq.py", "from dwork import dhub", "transport (level 3) imports dhub (level 8)"),
        ("transport/zmq.py", "from dwork.cli import exit_code", "transport (level 3) imports cli (level 6)"),
        ("transport/zmq.py", "from dwork.record import store", "transport (level 3) imports record (level 3)"),
        ("hub/hub.py", "from dwork.worker.worker import Worker", "hub (level 1) imports worker (level 1)"),
        ("hub/hub.py", "import math, socket, time", "socket in a pure file"),
        ("hub/hub.py", "import math, socket, time", "time in a pure file"),
        ("worker/worker.py", "from os import environ", "os in a pure file"),
        ("taskfile/lines.py", "open('x')", "open() in a pure file"),
        ("connection/endpoint.py", "import socket, time", "socket in a pure file"),
        ("progress/words.py", "from dwork.progress import terminal", "dwork/progress/terminal.py in a pure file"),
        ("attic/old.py", "", "attic/old.py: give attic a level"),
    ],
)
def test_what_breaks_a_rule_is_found(
    layers: ModuleType, texts: dict[str, str], path: str, planted: str, found: str
) -> None:
    texts[path] = f"{texts.get(path, '')}\n{planted}\n"
    lines = list(layers.trouble(texts))
    assert any(line.startswith(path) and line.endswith(found) for line in lines), lines


@pytest.mark.parametrize("where", ["def late() -> None:\n    {}", "if TYPE_CHECKING:\n    {}"])
def test_what_breaks_a_rule_inside_a_function_or_for_a_type_checker_is_found_as_well(
    layers: ModuleType, texts: dict[str, str], where: str
) -> None:
    for path, planted in [
        ("core/errors.py", "from dwork.hub.graph import Graph"),
        ("hub/hub.py", "import time"),
        ("worker/worker.py", "open('x')"),
    ]:
        texts[path] += f"\n{where.format(planted)}\n"
    found = {line.partition(":")[0] for line in layers.trouble(texts)}
    assert found >= {"core/errors.py", "hub/hub.py", "worker/worker.py"}


def test_a_circle_is_found_also_when_only_a_type_checker_would_go_round(
    layers: ModuleType, texts: dict[str, str]
) -> None:
    texts["hub/node.py"] += "\nif TYPE_CHECKING:\n    from dwork.hub.graph import Graph\n"
    assert list(layers.trouble(texts)) == [
        "hub/graph.py, hub/links.py, hub/node.py, hub/ready_queue.py: these import each other"
    ]


def test_a_relative_import_is_an_error(layers: ModuleType, texts: dict[str, str]) -> None:
    texts["hub/node.py"] += "\nfrom . import graph\n"
    with pytest.raises(ValueError, match="imports are absolute"):
        list(layers.trouble(texts))


def test_each_library_of_the_outside_is_known_to_one_module_or_folder(
    layers: ModuleType, texts: dict[str, str]
) -> None:
    users: dict[str, set[str]] = {}
    for path, text in texts.items():
        for one in layers.imports(path, text, texts):
            users.setdefault("_pb" if one.path.startswith("transport/_pb") else one.name.split(".")[0], set()).add(path)
    assert {str(Path(path).parent) for path in users["google"] | users["_pb"]} == {"transport/wire"}
    assert users["mpi4py"] == {"transport/mpi.py"} | {p for p in users["mpi4py"] if _for_types_alone(texts[p])}
    assert users["zmq"] == {"transport/zmq.py"}
    assert users["plotly"] == {"dquery/_picture/plots.py"}
    assert {str(Path(path).parent) for path in users["textual"]} == {"dquery/_watch"}


def _for_types_alone(text: str) -> bool:
    """Whether mpi4py is imported for a type checker and by nothing else."""
    tree = ast.parse(text)
    checked = [
        node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    return ast.dump(tree).count("'mpi4py'") == sum(ast.dump(node).count("'mpi4py'") for node in checked)


def test_mpi_is_imported_inside_functions_only() -> None:
    tree = ast.parse((PACKAGE / "transport" / "mpi.py").read_text())
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert not any("mpi4py" in ast.dump(node) for node in top)


def test_the_table_and_the_picture_of_the_layers_are_as_the_code_is(layout: ModuleType, texts: dict[str, str]) -> None:
    assert [path.name for path in layout.stale(texts)] == [], "run `make layout`"
    texts["hub/hub.py"] += "\nfrom dwork.worker import worker\n"
    texts["hub/new.py"] = ""
    assert [path.name for path in layout.stale(texts)] == ["CONTRIBUTING.md", "layers.svg"]


def test_the_picture_shows_each_folder_once_and_no_arrow_that_others_imply(
    layout: ModuleType, layers: ModuleType, texts: dict[str, str]
) -> None:
    found = list(ElementTree.fromstring(layout.picture(texts)).iter())
    boxes = [one.text for one in found if one.get("text-anchor")]
    assert sorted(boxes) == sorted({layers.folder(path) for path in texts} - {"__init__", "__main__"} | {"dwork"})
    drawn = [one for one in found if one.get("marker-end")]
    assert len(boxes) < len(drawn) < sum(len(others) for others in layers.arrows(texts).values()) / 2


def test_what_the_pure_files_import_reaches_nothing_of_the_outside(layers: ModuleType, texts: dict[str, str]) -> None:
    """In a fresh interpreter, one for all, with all that the imports bring along."""
    pure = [path for path in texts if layers.is_pure(path)]
    modules = [f"dwork/{path}".removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in pure]
    outside = {
        "mpi4py", "zmq", "google.protobuf", "sqlite3", "click", "rich", "socket", "subprocess", "threading", "logging",
        "asyncio", "select", "signal", "tempfile", "multiprocessing", "random",
    }  # fmt: skip
    code = (
        f"import sys\nold = set(sys.modules)\nimport {', '.join(modules)}\nprint(*{outside} & sys.modules.keys() - old)"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []


def test_no_two_classes_have_one_name(layers: ModuleType, texts: dict[str, str]) -> None:
    classes = [(name, path) for path, text in texts.items() for name in layers.contents(path, text).classes]
    counts = Counter(name for name, _ in classes)
    assert [one for one in classes if counts[one[0]] > 1] == []
