"""Which tasks come before which: resolves the names of predecessors, and refuses what cannot be. Changes no state."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from dwork.core.errors import GraphError
from dwork.core.task import State, Task
from dwork.core.toposort import topological
from dwork.hub.node import AnyNode, Node


def fresh_nodes(tasks: Sequence[Task], names: Mapping[str, Node]) -> dict[str, Node]:
    """Return new nodes for the tasks that do not exist yet, by name; GraphError for another definition of one."""
    fresh: dict[str, Node] = {}
    for task in tasks:
        name = task.name
        node = names.get(name) or fresh.get(name)
        if node is None:
            fresh[name] = (AnyNode if task.after_any else Node)(task)
        elif node.task != task and node.task._replace(origin="") != task._replace(origin=""):
            raise GraphError(f"task {name!r} already exists with another definition; choose another name")
    return fresh


def resolve(
    fresh: Collection[Node], ids: Iterable[int], names: Mapping[str, Node], *, unknown_is_done: bool
) -> Collection[Node]:
    """Set the ids and predecessors of new nodes; return them sorted, each after its predecessors."""
    forward = False
    for id, node in zip(ids, fresh, strict=True):
        task = node.task
        after_any = task.after_any
        after = task.predecessors if after_any else task.after
        if after:
            found = []
            for wanted in after if len(after) == 1 else dict.fromkeys(after):
                predecessor = names.get(wanted)
                if predecessor is not None:
                    found.append(predecessor)
                    if predecessor.id < 0:  # it comes later in this loop
                        forward = True
                elif not unknown_is_done:
                    raise GraphError(
                        f"task {task.name!r} depends on {wanted!r}, which does not exist; "
                        "create that task first, or in the same message"
                    )
            node.predecessors = tuple(found)
            if after_any:
                _set_after_any(node)
        node.id = id
    return _sorted(list(fresh)) if forward else fresh


def _set_after_any(node: Node) -> None:
    assert isinstance(node, AnyNode)
    twice = node.task.named_twice
    if twice is not None:
        raise GraphError(f"task {node.name!r} has {twice!r} both in after and in after_any; remove it from one")
    names = frozenset(node.task.after_any)
    node.after_any = frozenset([p for p in node.predecessors if p.name in names])


def added_predecessors(
    node: Node, after: Sequence[str], names: Mapping[str, Node], *, unknown_is_done: bool
) -> list[Node]:
    """Return the nodes named in `after` that are not yet predecessors of node; GraphError when that is illegal."""
    if not node.state.is_active:
        raise GraphError(f"task {node.name!r} is already {node.state.value}; it cannot wait for further tasks")
    wanted: list[Node] = []
    present = set(node.predecessors)
    for name in dict.fromkeys(after):
        predecessor = names.get(name)
        if predecessor is None:
            if not unknown_is_done:
                raise GraphError(f"task {node.name!r} cannot depend on {name!r}, which does not exist")
        elif predecessor in node.after_any:
            raise GraphError(f"task {node.name!r} already waits for the end of {name!r}, well or not (after_any)")
        elif predecessor not in present:
            wanted.append(predecessor)
    return wanted


def refuse_cycle(node: Node, added: Mapping[Node, Sequence[Node]]) -> None:
    """Raise GraphError when the added predecessors would close a cycle through node.

    Walks backward over predecessors, which is short in the usual case of new subtasks. Done tasks end a path, but
    lost tasks do not, since they may be revived.
    """
    came_from: dict[Node, Node] = dict.fromkeys(added[node], node)
    stack = list(came_from)
    while stack:
        at = stack.pop()
        if at is node:
            path = [node.name]
            while (at := came_from[at]) is not node:
                path.append(at.name)
            raise GraphError("these tasks would wait for one another: " + " -> ".join([*path, node.name]))
        for p in (*at.predecessors, *added.get(at, ())) if at.state is not State.DONE else ():
            if p.state is not State.DONE and p not in came_from:
                came_from[p] = at
                stack.append(p)


def _sorted(nodes: list[Node]) -> list[Node]:
    """Return the new nodes in topological order; GraphError when there is a cycle."""
    position = {node.id: i for i, node in enumerate(nodes)}
    order, cycle = topological([[position[p.id] for p in n.predecessors if p.id in position] for n in nodes])
    if cycle:
        names = [nodes[i].task.name for i in (*cycle, cycle[0])]
        raise GraphError("these tasks wait for one another: " + " -> ".join(names))
    return [nodes[i] for i in order]
