"""What the parts of the hub share."""

from __future__ import annotations

from dwork.core.messages import Welcome
from dwork.hub.end_warnings import EndWarnings
from dwork.hub.graph import Graph
from dwork.hub.intake import Intake
from dwork.hub.orphans import Orphans
from dwork.hub.policy import Policy
from dwork.hub.retries import Retries
from dwork.hub.stop import OPEN, Stop
from dwork.hub.workers import WorkerTable


class HubState:
    """The facts of a hub, each with one owner that changes it.

    graph: state, attempt and failures of each task. workers: what each holds and could take. retries: failures and
    losses that are remembered. orphans: copies of tasks at workers that were declared lost. intake: the output that has
    arrived. end_warnings: which tasks were warned that the job ends. stop: whether, how far and why the hub stops,
    changed by `Shutdown` alone.
    """

    def __init__(self, policy: Policy, welcome: Welcome) -> None:
        self.policy = policy
        self.welcome = welcome
        self.graph = Graph(unknown_is_done=policy.unknown_is_done)
        self.workers = WorkerTable()
        self.retries = Retries(self.graph, policy.delay)
        self.orphans = Orphans()
        self.intake = Intake()
        self.end_warnings = EndWarnings(self.workers, policy.warn)
        self.stop: Stop = OPEN
