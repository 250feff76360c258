"""A hub and a worker that speak different protocols: one line says so, and nothing is run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dwork.core.messages import OURS, PROTOCOL
from tests.system.programs.conftest import Hub, program

OTHER = f"protocol {PROTOCOL + 1} (dwork 0.2.0)"


def versions(hub: Hub, theirs: object, ours: object, who: str = "this worker") -> str:
    return f"the hub at {hub.server} speaks {theirs}, {who} {ours}: use the same dwork on both\n"


def test_a_worker_of_another_protocol_leaves_with_one_line_and_another_one_runs_the_task(
    dhub: Callable, start: Callable, other_dwork: dict[str, str]
) -> None:
    hub = dhub()
    hub.dquery("create", "echo hello")
    stranger = start(*program("kworker"), "-s", hub.server, **other_dwork)
    out, err = stranger.communicate(timeout=20)
    assert (stranger.returncode, out, err) == (2, "", f"kworker: {versions(hub, OURS, OTHER)}")
    assert hub.dquery("workers").out.endswith("\n0 workers\n")
    out, err = hub.kworker().communicate(timeout=20)
    assert (out, err) == ("hello\n", "")


def test_a_worker_leaves_a_hub_of_another_protocol_with_one_line(dhub: Callable, other_dwork: dict[str, str]) -> None:
    hub = dhub(**other_dwork)
    assert hub.dquery("create", "echo hello").code == 0
    worker = hub.kworker()
    out, err = worker.communicate(timeout=20)
    assert (worker.returncode, out, err) == (2, "", f"kworker: {versions(hub, OTHER, OURS)}")
    assert hub.dquery("status").out.startswith("dhub: 1 active tasks, 1 ready.")


@pytest.mark.parametrize("runs", [True, False], ids=["at work", "idle"])
def test_a_hub_that_comes_back_with_another_protocol_ends_its_workers_and_has_their_tasks(
    dhub: Callable, wait_until: Callable, tmp_path: Path, other_dwork: dict[str, str], runs: bool
) -> None:
    hub = dhub("-f", "run.db")
    if runs:
        hub.dquery("create", "touch started; sleep 600")
    worker = hub.kworker()
    wait_until((tmp_path / "started").exists if runs else lambda: "1 worker" in hub.dquery("workers").out)
    hub.process.kill()
    hub.process.wait()
    hub = dhub("-f", "run.db", port=int(hub.server.rpartition(":")[2]), **other_dwork)
    out, err = worker.communicate(timeout=30)
    assert (worker.returncode, out, err) == (2, "", f"kworker: {versions(hub, OTHER, OURS)}")
    wait_until(lambda: hub.dquery("status").out.startswith(f"dhub: {runs:d} active tasks, {runs:d} ready."))


def test_dquery_works_with_a_hub_of_another_protocol_and_says_so_when_it_is_refused(
    dhub: Callable, other_dwork: dict[str, str]
) -> None:
    hub = dhub(**other_dwork)
    assert hub.dquery("create", "echo hello").code == 0
    assert hub.dquery("hold", "echo hello").code == 0
    ran = hub.dquery("hold", "nosuch")
    assert ran.code == 1 and ran.err.count("\n") == 1
    assert ran.err.endswith(f"; {versions(hub, OTHER, OURS, 'this client')}")
