"""What programs import, each in a fresh interpreter: what they do without starts quicker and needs less."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.conftest import ROOT


def arrives(*modules: str) -> set[str]:
    """What is in sys.modules of a fresh interpreter that has imported these."""
    code = (
        "import sys, json\nold = set(sys.modules)\n"
        + "".join(f"import {module}\n" for module in modules)
        + "print(json.dumps(sorted(set(sys.modules) - old)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(json.loads(ran.stdout))


def test_what_a_worker_rank_imports_is_light() -> None:
    arrived = arrives(
        "dwork.worker_loop", "dwork.transport.mpi", "dwork.worker.worker", "dwork.host.cores", "dwork.host.gpus"
    )
    heavy = {"click", "rich", "textual", "zmq", "sqlite3", "asyncio", "mpi4py", "dwork.hub", "dwork.record"}
    assert not arrived & heavy


def test_a_pool_brings_a_bar_a_bridge_and_a_record_only_when_it_needs_them() -> None:
    arrived = arrives("dwork.pool.__main__", "dwork.pool.command", "dwork.progress.live")
    assert not arrived & {"rich", "zmq", "sqlite3", "mpi4py"}


def test_only_a_program_that_reads_commands_can_read_them() -> None:
    arrived = arrives("dwork.kworker", "dwork.dhub", "dwork.client.client")
    assert not {name for name in arrived if name.startswith(("dwork.taskfile", "dwork.core.shell_syntax.fault"))}


def test_dquery_does_without_mpi() -> None:
    assert not arrives("dwork.dquery") & {"mpi4py", "sqlite3", "dwork.hub"}


def test_no_command_of_dquery_knows_a_record_before_one_is_given() -> None:
    commands = [
        f"dwork.dquery.{path.stem}" for path in (ROOT / "dwork" / "dquery").glob("*.py") if path.stem != "__main__"
    ]
    late = {
        "mpi4py", "sqlite3", "rich", "textual", "plotly",
        "dwork.record", "dwork.history", "dwork.hub", "dwork.taskfile",
    }  # fmt: skip
    assert not arrives(*commands) & late


def test_the_package_itself_imports_nothing() -> None:
    assert {name for name in arrives("dwork") if name.startswith("dwork")} == {"dwork"}
