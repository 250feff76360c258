"""What of a recorded run need not be run again: the plan, without any file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwork.core.errors import GraphError, UsageError
from dwork.core.task import Options, State, Task
from dwork.hub.graph import Graph
from dwork.hub.invariants import check_graph
from dwork.record.resume import Plan, Recorded, plan

DONE, FAILED, WAITING, ASSIGNED = State.DONE, State.FAILED, State.WAITING, State.ASSIGNED


def task(name: str, *after: str, command: Any = "", origin: str = "", **options: Any) -> Task:
    return Task(name, f"run {name}" if command == "" else command, after, Options(**options), origin)


def join(name: str, *after: str) -> Task:
    return Task(name, None, after)


def recorded(*tasks: Task, state: State = DONE, **others: State) -> list[Recorded]:
    """These tasks as a record has them; others: those in another state, by name."""
    return [Recorded(id, t, others.get(t.name, state), 1, "w:1") for id, t in enumerate(tasks)]


def states(result: Plan) -> dict[str, State]:
    """The graph that the plan makes, which must be one."""
    graph = Graph()
    graph.restore(result.entries)
    check_graph(graph)
    return {entry.task.name: entry.state for entry in result.entries}


def runs(result: Plan) -> set[str]:
    return {name for name, state in states(result).items() if state is not DONE} - {
        entry.task.name for entry in result.entries if entry.task.command is None
    }


CHAIN = [task("a"), task("b", "a"), task("c", "b")]


def test_without_a_record_all_is_new_and_numbered_in_order() -> None:
    result = plan(CHAIN)
    assert [(entry.id, entry.task.name) for entry in result.new] == [(0, "a"), (1, "b"), (2, "c")]
    assert result.entries == result.new
    assert (result.known, result.done, result.failed, result.again, result.removed) == (False, 0, 0, [], [])
    assert result.next_id == 3


def test_what_is_done_stays_done_and_nothing_changes() -> None:
    result = plan(CHAIN, recorded(*CHAIN))
    assert runs(result) == set()
    assert (result.known, result.done, result.failed) == (True, 3, 0)
    assert not (result.new or result.changed or result.again or result.removed)
    assert [entry.holder for entry in result.entries] == ["w:1"] * 3


@pytest.mark.parametrize("state", [s for s in State if s is not DONE])
def test_whatever_is_not_done_runs(state: State) -> None:
    result = plan(CHAIN, recorded(*CHAIN, c=state))
    assert runs(result) == {"c"}
    assert result.done == 2
    assert result.failed == (state is FAILED)
    assert result.again == ([] if state is WAITING else [2])
    assert [entry.last for entry in result.entries] == [0, 0, state in (FAILED, ASSIGNED)]


@pytest.mark.parametrize(
    "changed",
    [
        task("a", command="another"),
        task("a", command=("run", "a")),
        task("a", cwd="/elsewhere"),
        task("a", env=(("X", "1"),)),
    ],
)
def test_what_runs_otherwise_runs_again_and_so_does_all_that_follows(changed: Task) -> None:
    before = [task("a"), task("b", "a"), task("c", "b"), task("d")]
    result = plan([changed, *before[1:]], recorded(*before))
    assert runs(result) == {"a", "b", "c"}
    assert result.again == [0, 1, 2]
    assert [entry.task for entry in result.changed] == [changed]
    assert result.done == 1


@pytest.mark.parametrize(
    "changed",
    [
        task("a", priority=3),
        task("a", retries=2),
        task("a", timeout=9.0),
        task("a", cores=4, memory=10),
        task("a", gpus=1),
    ],
)
def test_how_it_is_scheduled_may_change_without_a_rerun(changed: Task) -> None:
    result = plan([changed, *CHAIN[1:]], recorded(*CHAIN))
    assert runs(result) == set()
    assert [entry.task for entry in result.changed] == [changed]


def test_a_done_task_without_its_file_runs_again_and_so_does_all_that_follows() -> None:
    tasks = [task("a", creates=("x", "y")), task("b", "a", creates=("z",)), task("c", creates=("w",)), task("d")]
    asked: list[tuple[str, ...]] = []

    def first_missing(options: Options) -> str | None:
        asked.append(options.creates)
        return "y" if "y" in options.creates else None

    result = plan(tasks, recorded(*tasks), first_missing)
    assert runs(result) == {"a", "b"}
    assert (result.missing, result.done, result.again) == (["y"], 2, [0, 1])
    assert asked == [("x", "y"), ("w",)], "what runs again in any case is not looked for"


def test_files_of_tasks_that_are_not_done_are_not_looked_for() -> None:
    tasks = [task("a", creates=("x",)), task("b", creates=("x",))]
    result = plan(tasks, recorded(*tasks, a=FAILED, b=WAITING), lambda options: "x")
    assert result.missing == []


def test_what_a_task_creates_may_change_without_a_rerun() -> None:
    before = [task("a"), task("b", creates=("x",))]
    now = [task("a", creates=("x",)), task("b")]
    result = plan(now, recorded(*before), lambda options: None)
    assert runs(result) == set()
    assert [entry.task for entry in result.changed] == now


def test_a_change_spreads_through_joins() -> None:
    tasks = [task("a"), task("x"), join("all", "a", "x"), join("both", "all"), task("b", "both"), task("c", "x")]
    before = recorded(*tasks, all=WAITING, both=WAITING)
    assert runs(plan(tasks, before)) == set()
    result = plan([task("a", command="another"), *tasks[1:]], before)
    assert runs(result) == {"a", "b"}
    assert result.again == [0, 4]


def any_of(name: str, *after_any: str, after: tuple[str, ...] = (), origin: str = "") -> Task:
    return Task(name, f"run {name}", after, origin=origin, after_any=after_any)


@pytest.mark.parametrize("state", [s for s in State if s is not DONE])
def test_what_has_run_after_the_end_of_a_task_that_runs_again_runs_again(state: State) -> None:
    tasks = [task("a"), any_of("report", "a"), task("mail", "report"), any_of("other", "b"), task("b")]
    assert runs(plan(tasks, recorded(*tasks))) == set()
    assert runs(plan(tasks, recorded(*tasks, a=state))) == {"a", "report", "mail"}


def test_a_task_that_need_only_have_ended_from_now_on_does_not_run_again() -> None:
    before = [task("a"), task("b", "a")]
    now = [task("a"), any_of("b", "a")]
    result = plan(now, recorded(*before))
    assert runs(result) == set()
    assert [entry.task for entry in result.changed] == [now[1]]


def test_a_task_that_was_added_for_the_end_of_one_that_is_gone_needs_that_end() -> None:
    added = any_of("report", "gone", origin="vm")
    gone = task("gone")
    for state in (FAILED, State.SKIPPED, State.CANCELLED, DONE):
        result = plan([task("a")], recorded(task("a"), gone, added, gone=state, report=WAITING))
        assert runs(result) == {"report"}
    with pytest.raises(UsageError, match="task 'report' was made to wait for 'gone', which was not done"):
        plan([task("a")], recorded(task("a"), gone, added, gone=WAITING, report=WAITING))


def test_a_task_that_was_made_to_wait_until_another_is_done_waits_for_no_less() -> None:
    was = Recorded(1, task("b", "a"), WAITING, extended=("a",))
    result = plan([task("a"), any_of("b", "a")], [*recorded(task("a"), state=WAITING), was])
    assert states(result) == {"a": State.WAITING, "b": State.WAITING}
    assert (result.entries[1].task.after, result.entries[1].task.after_any) == (("a",), ())


def test_a_change_spreads_to_what_stands_before_it_in_the_file() -> None:
    tasks = [task("last", "middle"), task("middle", "first"), task("first")]
    assert runs(plan(tasks, recorded(*tasks))) == set()
    result = plan([*tasks[:2], task("first", command="another")], recorded(*tasks))
    assert runs(result) == {"first", "middle", "last"}


def test_new_lines_join_with_new_numbers_and_what_comes_after_them_runs_again() -> None:
    tasks = [task("new"), task("a"), task("b", "a", "new"), task("c", "b")]
    result = plan(tasks, recorded(*CHAIN))
    assert runs(result) == {"new", "b", "c"}
    assert {entry.task.name: entry.id for entry in result.entries} == {"new": 3, "a": 0, "b": 1, "c": 2}
    assert [entry.task.name for entry in result.new] == ["new"]
    assert [entry.task.name for entry in result.changed] == ["b"]
    assert result.next_id == 4


def test_a_predecessor_less_does_not_make_it_run_again() -> None:
    result = plan([task("a"), task("b"), task("c", "b")], recorded(*CHAIN))
    assert runs(result) == set()
    assert [entry.task for entry in result.changed] == [task("b")]


def test_lines_that_are_gone_do_not_run_and_keep_their_numbers() -> None:
    result = plan([task("a")], recorded(*CHAIN, c=FAILED))
    assert set(states(result)) == {"a"}
    assert (result.removed, result.again, result.done, result.failed) == ([1, 2], [], 1, 0)
    assert result.next_id == 3


def test_a_line_that_comes_back_is_what_it_was() -> None:
    gone = [entry._replace(removed=entry.task.name != "a") for entry in recorded(*CHAIN, c=FAILED)]
    result = plan(CHAIN, gone)
    assert runs(result) == {"c"}
    assert [entry.id for entry in result.changed] == [1, 2]
    assert (result.removed, result.again, result.failed) == ([], [2], 1)


def test_a_line_that_was_gone_while_what_it_follows_ran_again_is_not_done_when_it_comes_back() -> None:
    result = plan([task("a", command="another")], recorded(*CHAIN))
    assert result.removed == [1, 2]
    assert result.again == [0, 1, 2]


def test_a_line_that_was_gone_while_something_else_ran_again_is_still_done() -> None:
    result = plan([task("d", command="another")], recorded(*CHAIN, task("d")))
    assert result.again == [3]


def test_numbers_are_never_given_twice() -> None:
    gone = [entry._replace(removed=True) for entry in recorded(*CHAIN)]
    result = plan([task("x"), task("y")], gone)
    assert [entry.id for entry in result.new] == [3, 4]
    assert result.next_id == 5


def test_the_order_of_lines_may_change() -> None:
    result = plan(CHAIN[::-1], recorded(*CHAIN))
    assert [(entry.id, entry.state) for entry in result.entries] == [(2, DONE), (1, DONE), (0, DONE)]
    assert not result.changed


def test_tasks_that_were_added_while_the_pool_ran_go_on_though_they_are_in_no_file() -> None:
    before = recorded(*CHAIN, task("added", "b", origin="vm"), task("more", "added", origin="vm"), more=WAITING)
    result = plan(CHAIN, before)
    assert states(result)["added"] is DONE and states(result)["more"] is WAITING
    assert (result.done, result.removed, result.changed) == (4, [], [])


def test_what_was_added_runs_again_after_what_has_changed() -> None:
    before = recorded(*CHAIN, task("added", "b", origin="vm"))
    result = plan([task("a", command="another"), *CHAIN[1:]], before)
    assert runs(result) == {"a", "b", "c", "added"}


def test_what_was_added_and_stands_in_the_file_now_is_the_file_s() -> None:
    before = recorded(task("a"), task("b", "a", origin="vm"))
    result = plan([task("a"), task("b", "a")], before)
    assert runs(result) == set()
    assert [entry.task for entry in result.changed] == [task("b", "a")]


def test_what_was_added_after_a_line_that_is_gone_goes_on_if_that_was_done() -> None:
    before = recorded(*CHAIN, task("added", "c", "x", origin="vm"), task("x", origin="vm"), added=WAITING)
    result = plan(CHAIN[:2], before)
    assert runs(result) == {"added"}
    assert [entry.task for entry in result.changed] == [task("added", "x", origin="vm")]


def test_what_was_added_after_a_line_that_is_gone_undone_is_refused() -> None:
    before = recorded(*CHAIN, task("added", "c", origin="vm"), c=FAILED, added=WAITING)
    with pytest.raises(UsageError, match=r"task 'added' was made to wait for 'c'.*put it back"):
        plan(CHAIN[:2], before)


def extended(entry: Recorded, *names: str) -> Recorded:
    return entry._replace(task=entry.task._replace(after=(*entry.task.after, *names)), extended=names)


def test_predecessors_that_came_while_the_pool_ran_are_kept() -> None:
    a, b, c, part = recorded(*CHAIN, task("part", origin="vm"), b=WAITING, c=WAITING, part=WAITING)
    result = plan(CHAIN, [a, extended(b, "part"), c, part])
    assert {entry.task.name: entry.task.after for entry in result.entries}["b"] == ("a", "part")
    assert not result.changed
    assert runs(result) == {"part", "b", "c"}


def test_predecessors_that_came_while_the_pool_ran_make_it_run_again_when_they_do() -> None:
    a, b, c, part = recorded(*CHAIN, task("part"))
    result = plan([*CHAIN, task("part", command="another")], [a, extended(b, "part"), c, part])
    assert runs(result) == {"part", "b", "c"}


def test_a_predecessor_that_came_later_and_is_gone_from_the_files_was_done_or_is_missed() -> None:
    a, b, c, x = recorded(*CHAIN, task("x"), b=WAITING, c=WAITING)
    result = plan(CHAIN, [a, extended(b, "x"), c, x])
    assert runs(result) == {"b", "c"}
    assert [entry.task for entry in result.changed] == [task("b", "a")]
    with pytest.raises(UsageError, match="'b' was made to wait for 'x'"):
        plan(CHAIN, [a, extended(b, "x"), c, x._replace(state=FAILED)])


def test_a_predecessor_that_came_later_and_was_unknown_even_then_counts_as_done() -> None:
    a, b, c = recorded(*CHAIN, b=WAITING, c=WAITING)
    assert runs(plan(CHAIN, [a, extended(b, "nobody"), c])) == {"b", "c"}


def test_a_file_that_makes_a_circle_with_what_came_later_is_refused_and_the_circle_named() -> None:
    a, b = recorded(task("a"), task("b"))
    with pytest.raises(UsageError, match=r"(a -> b -> a|b -> a -> b), because some were made to wait"):
        plan([task("a", "b"), task("b")], [a, extended(b, "a")])


@pytest.mark.parametrize("state", [WAITING, FAILED, State.CANCELLED, State.SKIPPED])
def test_what_is_held_stays_held(state: State) -> None:
    (entry,) = recorded(task("a"), state=state)
    (again,) = plan([task("a")], [entry._replace(held=True)]).entries
    assert again.suspended


def test_a_held_task_that_has_become_a_join_holds_nothing_up() -> None:
    (entry,) = recorded(task("a"), state=WAITING)
    result = plan([join("a"), task("b", "a")], [entry._replace(held=True)])
    assert not result.entries[0].suspended


def test_attempts_are_counted_on() -> None:
    entries = [entry._replace(attempt=entry.id + 3) for entry in recorded(*CHAIN, b=FAILED, c=ASSIGNED)]
    assert [entry.attempt for entry in plan(CHAIN, entries).entries] == [3, 4, 5]


def test_joins_are_not_counted() -> None:
    tasks = [task("a"), join("j", "a"), task("b", "j")]
    result = plan(tasks, recorded(*tasks, j=WAITING))
    assert (result.done, result.failed) == (2, 0)


# -- against a model -------------------------------------------------------------------------------------------------

NAMES = st.sampled_from("abcdefgh")
DEFINITIONS = st.builds(
    lambda name, after, command: Task(name, command, tuple(after)),
    NAMES,
    st.lists(NAMES, max_size=3, unique=True),
    st.sampled_from(["x", "x", "x", "y", None]),
)


def graph_of(tasks: Iterable[Task]) -> list[Task]:
    """As much of it as makes a graph: no name twice, no unknown predecessor, no circle."""
    known: dict[str, Task] = {}
    for each in tasks:
        if each.name not in known:
            known[each.name] = each
    kept = [t._replace(after=tuple(n for n in t.after if n in known and n != t.name)) for t in known.values()]
    try:
        Graph().add(kept)
    except GraphError:
        return [t._replace(after=tuple(n for n in t.after if n < t.name)) for t in kept]
    return kept


@given(st.data())
def test_a_task_stays_done_exactly_when_it_and_all_before_it_are_done_and_unchanged(data: st.DataObject) -> None:
    before = graph_of(data.draw(st.lists(DEFINITIONS, max_size=8)))
    after = graph_of(data.draw(st.lists(DEFINITIONS, max_size=8)) if data.draw(st.booleans()) else before)
    entries = [
        Recorded(id, t, data.draw(st.sampled_from([DONE, DONE, WAITING, FAILED, ASSIGNED])), 1, "w")
        for id, t in enumerate(before)
    ]
    result = plan(after, entries)
    found = states(result)

    definitions = {t.name: t for t in after}
    known = {entry.task.name: entry for entry in entries}

    def stays(name: str) -> bool:
        now = definitions[name]
        itself = now.command is None or (
            name in known and known[name].state is DONE and known[name].task.command == now.command
        )
        return itself and all(stays(p) for p in now.after)

    for name, definition in definitions.items():
        assert definition.command is None or (found[name] is DONE) == stays(name)
    assert {entry.task.name: entry.id for entry in result.entries if entry.task.name in known} == {
        name: known[name].id for name in definitions if name in known
    }
    assert len({entry.id for entry in result.entries}) == len(after)
    assert all(entry.id < result.next_id for entry in [*result.entries, *entries])
    if entries:
        assert set(result.removed) == {entry.id for entry in entries if entry.task.name not in definitions}
        assert result.done == sum(stays(n) for n, t in definitions.items() if t.command is not None)


def test_what_was_lost_goes_last_and_what_began_last_or_was_lost_more_often_behind_that() -> None:
    tasks = [task(name) for name in "abcdef"]
    a, b, c, d, *rest = recorded(*tasks, state=ASSIGNED, e=FAILED, f=WAITING)
    first = [a._replace(since=9.5), b._replace(since=9.1), c._replace(since=3.0), d._replace(losses=1, since=1.0)]
    result = plan(tasks, first + rest)
    assert [(e.losses, e.last) for e in result.entries] == [(1, 4), (1, 3), (1, 2), (2, 5), (0, 1), (0, 0)]
    assert (result.lost, result.failed) == (4, 1)


def test_a_task_with_another_command_is_not_to_blame_for_what_it_was() -> None:
    known = [entry._replace(losses=4) for entry in recorded(task("a"), state=WAITING)]
    (entry,) = plan([task("a", command="another")], known).entries
    assert (entry.losses, entry.last) == (0, 0)


def test_a_task_that_has_failed_since_it_was_lost_too_often_is_spared_once() -> None:
    known = [entry._replace(losses=5) for entry in recorded(task("a"), state=FAILED)]
    result = plan([task("a")], known)
    assert [(e.losses, e.spared) for e in result.entries] == [(5, True)]
    assert (result.lost, result.failed) == (0, 1)


@given(st.lists(DEFINITIONS, max_size=8), st.data())
def test_a_second_look_at_the_same_files_changes_nothing(tasks: list[Task], data: st.DataObject) -> None:
    """What resume has written makes the plan of the next run the same."""
    before = graph_of(data.draw(st.lists(DEFINITIONS, max_size=8)))
    tasks = graph_of(tasks)
    first = plan(
        tasks, [Recorded(id, t, data.draw(st.sampled_from([DONE, WAITING, FAILED]))) for id, t in enumerate(before)]
    )
    written = [Recorded(e.id, e.task, e.state, e.attempt, e.holder) for e in sorted(first.entries)]
    second = plan(tasks, written)
    # What had failed goes last this time, and only then.
    entries = [entry._replace(last=0, spared=False, holder=None) for entry in first.entries if entry.task.command]
    assert [entry._replace(holder=None) for entry in second.entries if entry.task.command] == entries
    assert not (second.new or second.changed or second.removed)
    assert not second.again


def lines(*commands: str) -> list[Task]:
    """Unnamed lines of a file, of which repeats are numbered."""
    seen: dict[str, int] = {}
    tasks = []
    for command in commands:
        n = seen[command] = seen.get(command, 0) + 1
        tasks.append(Task(command if n == 1 else f"{command} #{n}", command))
    return tasks


@pytest.mark.parametrize(
    ("before", "done", "now", "again"),
    [
        (["d"] * 3, ["d"], ["d"] * 2, {"d", "d #2"}),  # the done one was removed, for all that is known
        (["d"] * 3, ["d #3"], ["d"] * 2, {"d", "d #2"}),
        (["d"] * 3, ["d", "d #2"], ["d"] * 2, {"d #2"}),
        (["d"] * 3, ["d", "d #2", "d #3"], ["d"] * 2, set()),
        (["d"] * 3, ["d"], ["d"] * 3, {"d #2", "d #3"}),
        (["d"] * 3, ["d"], ["d"] * 4, {"d #2", "d #3", "d #4"}),
        (["d", "e", "d"], ["d", "e"], ["d", "e"], {"d"}),
        (["d", "e"], ["d", "e"], ["d"], set()),
    ],
)
def test_of_repeated_lines_no_fewer_run_than_are_left_when_one_is_removed(
    before: list[str], done: list[str], now: list[str], again: set[str]
) -> None:
    states_before = dict.fromkeys(done, DONE)
    result = plan(lines(*now), recorded(*lines(*before), state=WAITING, **states_before))
    assert runs(result) == again
    assert result.repeats == len(again & set(done))


def test_a_line_that_was_removed_long_ago_makes_no_other_run_again() -> None:
    gone = Recorded(2, Task("d #3", "d"), WAITING, removed=True)
    result = plan(lines("d", "d"), [*recorded(*lines("d", "d")), gone])
    assert runs(result) == set() and result.repeats == 0


def test_all_run_again_when_the_conditions_of_all_have_changed() -> None:
    result = plan(CHAIN, recorded(*CHAIN), conditions=["--env CASE"])
    assert runs(result) == {"a", "b", "c"} and sorted(result.again) == [0, 1, 2] and not result.changed
    assert (result.conditions, result.done) == (["--env CASE"], 0)
