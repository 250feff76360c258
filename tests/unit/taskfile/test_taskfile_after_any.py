"""Tasks that wait only for the end of others: names, globs and barriers, in each format."""

from __future__ import annotations

import pytest

from dwork.core.errors import TaskFileError
from dwork.core.task import Task
from dwork.taskfile import Source, parse, without

Kinds = dict[str, tuple[tuple[str, ...], tuple[str, ...]]]


def graph_of(text: str, form: str = "lines") -> Kinds:
    """By name: what must be done, and what must have ended."""
    return {task.name: (task.after, task.after_any) for task in parse([Source("t", text.encode(), form)])}


def refusal(text: str, form: str = "lines") -> str:
    with pytest.raises(TaskFileError) as caught:
        graph_of(text, form)
    return str(caught.value)


def test_a_line_names_tasks_that_must_have_ended() -> None:
    assert graph_of("a\nb\nc #DWORK after-any=a,b\nd #DWORK after=c after-any=a\n") == {
        "a": ((), ()),
        "b": ((), ()),
        "c": ((), ("a", "b")),
        "d": (("c",), ("a",)),
    }


def test_a_default_holds_for_the_lines_below_that_set_none() -> None:
    assert graph_of("a\nb\n#DWORK after-any=a\nc\nd #DWORK after-any=b\ne #DWORK cores=2\n") == {
        "a": ((), ()),
        "b": ((), ()),
        "c": ((), ("a",)),
        "d": ((), ("b",)),
        "e": ((), ("a",)),
    }


def test_an_object_names_tasks_that_must_have_ended() -> None:
    text = '{"command": "a"}\n{"command": "b", "after-any": "a"}\n{"command": "c", "after": ["b"], "after-any": ["a"]}'
    assert graph_of(text, "jsonl") == {"a": ((), ()), "b": ((), ("a",)), "c": (("b",), ("a",))}


def test_a_glob_of_one_user_is_the_names_that_it_matches_without_the_task_itself() -> None:
    assert graph_of("a\nb\nreport #DWORK after-any=*\n") == {
        "a": ((), ()),
        "b": ((), ()),
        "report": ((), ("a", "b")),
    }


def test_a_glob_that_several_use_is_one_join_of_ends() -> None:
    assert graph_of("s1\ns2\nr1 #DWORK after-any=s*\nr2 #DWORK after-any=s* after=r1\nr3 #DWORK after=s*\n") == {
        "s1": ((), ()),
        "s2": ((), ()),
        "t:3: after-any=s*": ((), ("s1", "s2")),
        "r1": (("t:3: after-any=s*",), ()),
        "r2": (("r1", "t:3: after-any=s*"), ()),
        "r3": (("s1", "s2"), ()),
    }


def test_what_must_be_done_need_not_be_in_a_glob_over_ends() -> None:
    assert graph_of("s1\ns2\nr #DWORK after=s1 after-any=s*\n")["r"] == (("s1",), ("s2",))


def test_edges_of_a_glob_grow_with_tasks_and_not_with_their_product() -> None:
    text = "".join(f"s{i}\n" for i in range(300)) + "".join(f"r{i} #DWORK after-any=s*\n" for i in range(300))
    tasks = parse([Source("t", text.encode())])
    assert sum(len(task.predecessors) for task in tasks) == 600


def test_below_a_barrier_it_waits_for_the_barrier_too() -> None:
    assert graph_of("a\n#DWORK barrier\nb\nc #DWORK after-any=b\n")["c"] == (("t:2: barrier",), ("b",))


def test_repeated_lines_keep_it() -> None:
    assert graph_of("a\nb #DWORK after-any=a\nb #DWORK after-any=a\n")["b #2"] == ((), ("a",))


def test_a_name_in_both_is_refused() -> None:
    advice = '"a" is both in after and in after-any; remove it from one'
    assert refusal("a\nb #DWORK after=a after-any=a") == f"t:2: {advice}"
    assert refusal('{"command":"a"}\n{"command":"b","after":"a","after-any":"a"}', "jsonl") == f"t:2: {advice}"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("b #DWORK after-any=aa", 'unknown predecessor "aa"; did you mean "a"?'),
        ("b #DWORK after-any=z*", '"z*" matches no other task; correct the pattern'),
        ("b #DWORK after-any=", "after-any: empty name; write after-any=NAME or after-any=NAME,NAME without"),
        ("b #DWORK afterany=a", 'unknown key "afterany"; did you mean after-any?'),
        ("b #DWORK finally=a", 'unknown key "finally"; did you mean after-any?'),
        ("b #DWORK after-any=b", "these tasks wait for one another: b -> b"),
    ],
)
def test_what_is_wrong_with_it_is_reported_with_the_line(line: str, problem: str) -> None:
    assert refusal(f"a\n{line}\n").startswith(f"t:2: {problem}")


def test_a_cycle_may_be_over_both_kinds_and_globs() -> None:
    assert "a -> b -> a" in refusal("a #DWORK after-any=b\nb #DWORK after=a")
    text = refusal("a #DWORK after-any=x*\nx1 #DWORK after-any=a\nx2\n")
    assert "these tasks wait for one another" in text
    assert "t:1: these tasks wait for one another: x1 -> x2 -> x1" in refusal(
        "x1 #DWORK after-any=x*\nx2 #DWORK after-any=x*\n"
    )


def test_a_disbatch_barrier_waits_for_the_end_and_one_that_checks_for_success() -> None:
    assert graph_of("a\n#DISBATCH BARRIER\nb\n#DISBATCH BARRIER CHECK\nc\n#DISBATCH BARRIER\nd\n", "disbatch") == {
        "a": ((), ()),
        "t:2: barrier": ((), ("a",)),
        "b": (("t:2: barrier",), ()),
        "t:4: barrier": (("t:2: barrier", "b"), ()),
        "c": (("t:4: barrier",), ()),
        "t:6: barrier": (("t:4: barrier",), ("c",)),
        "d": (("t:6: barrier",), ()),
    }


@pytest.mark.parametrize("barriers", ["BARRIER CHECK\n#DISBATCH BARRIER", "BARRIER\n#DISBATCH BARRIER CHECK"])
def test_of_two_disbatch_barriers_in_a_row_the_one_that_checks_counts(barriers: str) -> None:
    tasks = graph_of(f"a\n#DISBATCH {barriers}\nb\n", "disbatch")
    assert tasks["t:2: barrier"] == (("a",), ())


def test_a_format_of_another_system_refuses_it_in_a_comment() -> None:
    assert "#DWORK after-any is not supported in this format" in refusal("#DWORK after-any=a\na\n", "disbatch")


def test_tasks_that_a_rescue_file_lists_have_ended() -> None:
    tasks = [Task("a", "a"), Task("b", "b", ("a",), after_any=("c",)), Task("c", "c"), Task("d", "d", after_any=("a",))]
    assert without(tasks, {"a", "c"}) == [Task("b", "b"), Task("d", "d")]
