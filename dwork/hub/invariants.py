"""The invariants of the task graph, checked after each step in tests, and after a bug while the hub runs."""

from __future__ import annotations

from dwork.core.task import ACTIVE, State
from dwork.hub.graph import CULPRITS, RECORDED, Graph, lost_predecessors

WAITING, READY, ASSIGNED, DONE = State.WAITING, State.READY, State.ASSIGNED, State.DONE
FAILED, SKIPPED = State.FAILED, State.SKIPPED


def check_graph(graph: Graph) -> None:
    """Raise AssertionError unless all invariants hold; linear in tasks plus edges."""
    counts = dict.fromkeys(State, 0)
    nodes = [node for node in graph.nodes if node is not None]
    edges = {(p.id, s.id) for p in nodes for s in p.successors or ()}
    queued = {node.id for node in graph.upcoming(len(graph))}
    assert len(graph.names) == len(nodes), "names are unique"
    for i, node in enumerate(graph.nodes):
        if node is None:
            continue
        assert node.id == i and graph.names[node.name] is node, "ids and names lead to their node"
        if not node.is_join:
            counts[node.state] += 1
        unfinished = sum(map(node.waits_for, node.predecessors)) + graph.suspended.get(node, 0)
        assert node.waiting == unfinished, f"{node} counts the predecessors that it waits for"
        assert all((p.id, i) in edges for p in node.predecessors if p.state is not DONE), f"{node} is linked"
        assert node.after_any <= set(node.predecessors), f"{node} has all its predecessors"
        if node.state in ACTIVE:
            assert not lost_predecessors(node), f"{node} is skipped with its predecessor"
            assert (node.state is WAITING) == (unfinished > 0), f"{node} waits if and only if it must"
        assert node.state is not DONE or not unfinished, f"{node} did not run before its predecessors"
        assert node.state is not SKIPPED or lost_predecessors(node), f"{node} is skipped for a predecessor"
        assert (node.state is READY) == (i in queued), f"{node} is queued exactly when it is ready"
        assert not node.is_join or node.state not in (READY, ASSIGNED, FAILED), f"{node} never runs"
        assert (node.state is SKIPPED) == (node.culprit is not None), f"{node} has a culprit exactly when skipped"
        assert node.culprit is None or node.culprit.state in CULPRITS, f"{node}'s culprit failed or was cancelled"
        assert node.state is not ASSIGNED or node.holder is not None, f"{node} has a holder"
        assert node.state in RECORDED or node.holder is None, f"{node} has no holder"
    assert all(n > 0 for n in graph.suspended.values()), "suspensions are removed at zero"
    assert counts == graph.counts, "the counts are right"
