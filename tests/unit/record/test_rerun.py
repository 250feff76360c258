"""Why each task of a plan would run."""

from __future__ import annotations

from collections.abc import Sequence

from dwork.core.shell import Shell
from dwork.core.task import Options, State, Task
from dwork.record.rerun import Reason, grouped, reasons
from dwork.record.resume import Recorded, plan


def task(name: str, *after: str, command: str = "", **options: object) -> Task:
    return Task(name, command or f"run {name}", after, Options(**options))  # type: ignore[arg-type]


def recorded(*tasks: Task, state: State = State.DONE, losses: int = 0) -> list[Recorded]:
    return [Recorded(id, each, state, 1, "w:1", losses=losses) for id, each in enumerate(tasks)]


def why(
    tasks: Sequence[Task], before: Sequence[Recorded], missing: tuple[str, ...] = (), conditions: tuple[str, ...] = ()
) -> dict[str, Reason]:
    """The reasons, of which there is one for each task that the plan would run, and none for another."""

    def first_missing(options: Options) -> str | None:
        return next((name for name in options.creates if name in missing), None)

    made = plan(tasks, before, first_missing, conditions)
    found = reasons(made, before, first_missing)
    assert set(found) == {
        entry.task.name for entry in made.entries if entry.state is not State.DONE and entry.task.command is not None
    }
    return found


def test_without_a_record_all_is_new_and_what_is_done_has_no_reason() -> None:
    tasks = [task("a"), task("b", "a")]
    assert why(tasks, []) == {"a": Reason.NEW, "b": Reason.NEW}
    assert why(tasks, recorded(*tasks)) == {}
    assert why([*tasks, task("c")], recorded(*tasks)) == {"c": Reason.NEW}


def test_what_was_not_done_has_the_reason_of_its_state() -> None:
    for state, reason in [
        (State.WAITING, Reason.WAITING),
        (State.ASSIGNED, Reason.RUNNING),
        (State.FAILED, Reason.FAILED),
        (State.SKIPPED, Reason.SKIPPED),
        (State.CANCELLED, Reason.CANCELLED),
    ]:
        assert why([task("a")], recorded(task("a"), state=state)) == {"a": reason}
    assert why([task("a")], recorded(task("a"), state=State.WAITING, losses=1)) == {"a": Reason.LOST}
    assert why([task("a", command="x")], recorded(task("a"), state=State.FAILED)) == {"a": Reason.FAILED}


def test_what_has_changed_is_named_and_what_comes_after_it() -> None:
    for now, reason in [
        (task("a", command="other"), Reason.COMMAND),
        (task("a", shell=Shell(("/bin/bash",))), Reason.SHELL),
        (task("a", cwd="d"), Reason.DIRECTORY),
        (task("a", env=(("A", "1"),)), Reason.VARIABLES),
    ]:
        after = [task("b", "a"), task("c", "b"), task("d")]
        assert why([now, *after], recorded(task("a"), *after)) == {"a": reason, "b": Reason.AFTER, "c": Reason.AFTER}
    assert why([task("a", cores=2)], recorded(task("a"))) == {}


def test_a_successor_through_a_join_runs_after_its_tasks() -> None:
    rest = [Task("t:2: barrier", None, ("a",)), task("b", "t:2: barrier")]
    found = why([task("a", command="other"), *rest], recorded(task("a"), *rest))
    assert found == {"a": Reason.COMMAND, "b": Reason.AFTER}


def test_files_options_for_the_environment_and_repeats_have_reasons_of_their_own() -> None:
    tasks = [task("a", creates=("x",)), task("b", creates=("y",))]
    assert why(tasks, recorded(*tasks), missing=("x",)) == {"a": Reason.GONE}
    assert why(tasks, recorded(*tasks), conditions=("--env A",)) == {"a": Reason.CONDITIONS, "b": Reason.CONDITIONS}
    lines = [task("run", command="run"), task("run #2", command="run")]
    before = [Recorded(0, lines[0], State.DONE, 1, "w:1"), Recorded(1, lines[1], State.WAITING)]
    assert why(lines[:1], before) == {"run": Reason.REPEATS}


def test_reasons_are_grouped_in_the_order_in_which_they_are_read() -> None:
    found = {"a": Reason.AFTER, "b": Reason.NEW, "c": Reason.AFTER, "d": Reason.AFTER}
    assert grouped(found, 2) == [(Reason.NEW, 1, ["b"]), (Reason.AFTER, 3, ["a", "c"])]
