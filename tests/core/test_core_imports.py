"""Who imports what: the core knows nothing of the outside world, and each edge is the only one to know its own."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "dwork"
CORE = [
    "core.task",
    "core.messages",
    "core.events",
    "core.errors",
    "core.toposort",
    "hub.ready_queue",
    "hub.graph",
    "hub.node",
    "core.halt",
    "hub.hub",
    "worker.worker",
    "taskfile",
    "core.argv",
    "core.background",
    "core.text",
    "core.glob",
    "hub.select",
    "hub.retries",
    "hub.orphans",
    "hub.intake",
    "core.resources",
    "hub.workers",
    "hub.reservations",
    "hub.dispatch",
    "core.min_time",
    "history",
    "server.rank_arrivals",
    "server.absence",
    "hub.feasibility",
    "hub.end_waiters",
    "core.byte_tails",
]
OUTSIDE = {
    "mpi4py", "zmq", "google.protobuf", "sqlite3", "click", "rich", "socket", "subprocess", "threading", "logging",
    "asyncio", "select", "signal", "tempfile", "multiprocessing", "random",
}  # fmt: skip
SOURCES = sorted(path for path in PACKAGE.rglob("*.py") if "_pb" not in path.parts)


def sources(module: str) -> list[Path]:
    """The source of a module, or all those of a package."""
    path = PACKAGE.joinpath(*module.split("."))
    return sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]


def arrives(*modules: str) -> set[str]:
    """What is in sys.modules of a fresh interpreter that has imported these."""
    code = (
        "import sys, json\nold = set(sys.modules)\n"
        + "".join(f"import {module}\n" for module in modules)
        + "print(json.dumps(sorted(set(sys.modules) - old)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=PACKAGE.parent, capture_output=True, text=True, check=True)
    return set(json.loads(ran.stdout))


def imports(path: Path) -> set[str]:
    """All modules that a source imports anywhere in it, inside functions too; but not those for type checkers alone."""
    found: set[str] = set()
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: imports are absolute"
            found.add(node.module or "")
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def importers(of: str) -> set[str]:
    return {
        str(path.relative_to(PACKAGE))
        for path in SOURCES
        if any(name == of or name.startswith(of + ".") for name in imports(path))
    }


@pytest.mark.parametrize(
    "module", [*CORE, "doctor.judge", *(f"progress.{name}" for name in "standing pace words lines listener".split())]
)
def test_a_core_module_brings_nothing_of_the_outside_world(module: str) -> None:
    names = [".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in sources(module)]
    assert not arrives(*names) & OUTSIDE


def test_what_a_worker_rank_imports_is_light() -> None:
    arrived = arrives(
        "dwork.worker_loop", "dwork.transport.mpi", "dwork.worker.worker", "dwork.host.cores", "dwork.host.gpus"
    )
    assert not arrived & {"click", "rich", "zmq", "sqlite3", "asyncio", "mpi4py", "dwork.hub.hub", "dwork.hub.graph"}


def test_a_pool_brings_rich_only_for_a_bar() -> None:
    assert "rich" not in arrives("dwork.pool.__main__", "dwork.pool.command", "dwork.progress.live")


def test_dquery_does_without_mpi() -> None:
    assert not arrives("dwork.dquery") & {"mpi4py", "sqlite3", "dwork.hub.hub"}


def test_no_command_of_dquery_knows_a_record_before_one_is_given() -> None:
    commands = [f"dwork.dquery.{path.stem}" for path in (PACKAGE / "dquery").glob("*.py") if path.stem != "__main__"]
    late = {
        "mpi4py",
        "sqlite3",
        "rich",
        "textual",
        "plotly",
        "dwork.record",
        "dwork.history",
        "dwork.hub.hub",
        "dwork.taskfile",
    }
    assert not arrives(*commands) & late


def test_the_package_itself_imports_nothing_but_its_errors() -> None:
    assert {name for name in arrives("dwork") if name.startswith("dwork")} == {
        "dwork", "dwork.core", "dwork.core.errors", "dwork.core.resources", "dwork.core.text", "dwork.core.task",
        "dwork.core.version",
    }  # fmt: skip


def test_each_library_of_the_outside_is_known_to_one_module() -> None:
    assert importers("google") == {"transport/wire.py"}
    assert importers("dwork.transport._pb") == {"transport/wire.py"}
    assert importers("mpi4py") == {"transport/mpi.py"}
    assert importers("zmq") == {"transport/zmq.py"}
    assert importers("plotly") == {"dquery/_picture/plots.py"}
    assert {path.rpartition("/")[0] for path in importers("textual")} == {"dquery/_watch"}


def test_mpi_is_imported_inside_functions_only() -> None:
    tree = ast.parse((PACKAGE / "transport" / "mpi.py").read_text())
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert not any("mpi4py" in ast.dump(node) for node in top)


def test_no_core_module_tells_time_or_throws_dice() -> None:
    for module in CORE:
        for path in sources(module):
            assert not imports(path) & {"time", "datetime", "random", "os.environ", "logging", "threading"}, path


def test_no_core_module_imports_from_above() -> None:
    for module in CORE:
        for path in sources(module):
            ours = {name.split(".")[1] for name in imports(path) if name.startswith("dwork.")}
            assert ours <= {name.split(".")[0] for name in CORE}, path
