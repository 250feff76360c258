"""Names over several files, globs, barriers, joins."""

from __future__ import annotations

import pytest

from dwork.core.errors import TaskFileError
from dwork.core.task import Task
from dwork.taskfile import Source, parse


def graph_of(text: str) -> dict[str, tuple[str, ...]]:
    return {task.name: task.after for task in parse([Source("t.txt", text.encode())])}


def test_a_barrier_is_one_join_of_all_above_it() -> None:
    assert graph_of("a\nb\n#DWORK barrier\nc\nd #DWORK after=c\n#DWORK barrier\n#DWORK barrier\ne") == {
        "a": (),
        "b": (),
        "t.txt:3: barrier": ("a", "b"),
        "c": ("t.txt:3: barrier",),
        "d": ("c", "t.txt:3: barrier"),
        "t.txt:6: barrier": ("t.txt:3: barrier", "c", "d"),
        "e": ("t.txt:6: barrier",),
    }


def test_a_barrier_with_nothing_above_or_below_is_nothing() -> None:
    assert graph_of("#DWORK barrier\na\n#DWORK barrier\n#DWORK barrier\n") == {"a": ()}


def test_a_barrier_acts_within_its_file() -> None:
    tasks = parse([Source("1.txt", b"a\n"), Source("2.txt", b"b\n#DWORK barrier\nc\n"), Source("3.txt", b"d\n")])
    assert [(task.name, task.after) for task in tasks] == [
        ("a", ()),
        ("b", ()),
        ("2.txt:2: barrier", ("b",)),
        ("c", ("2.txt:2: barrier",)),
        ("d", ()),
    ]


def test_a_glob_that_several_use_is_one_join_before_its_first_user() -> None:
    assert graph_of("s1\nr1 #DWORK after=s*\nr2 #DWORK after=s*,r1\ns2\n") == {
        "s1": (),
        "t.txt:2: after=s*": ("s1", "s2"),
        "r1": ("t.txt:2: after=s*",),
        "r2": ("t.txt:2: after=s*", "r1"),
        "s2": (),
    }


def test_a_glob_that_one_uses_or_that_matches_one_needs_no_join() -> None:
    assert graph_of("s1\ns2\nr #DWORK after=s*\nq #DWORK after=?1\np #DWORK after=[s]1") == {
        "s1": (),
        "s2": (),
        "r": ("s1", "s2"),
        "q": ("s1",),
        "p": ("s1",),
    }


def test_a_glob_never_matches_its_own_task() -> None:
    assert graph_of("s1\ns2\ns3 #DWORK after=s*\nr1 #DWORK after=s*\nr2 #DWORK after=s*") == {
        "s1": (),
        "s2": (),
        "s3": ("s1", "s2"),
        "t.txt:4: after=s*": ("s1", "s2", "s3"),
        "r1": ("t.txt:4: after=s*",),
        "r2": ("t.txt:4: after=s*",),
    }


def test_a_name_wins_over_a_glob_and_a_glob_sees_given_and_numbered_names() -> None:
    graph = graph_of("x #DWORK name=a*\na1\nb\nb\nc #DWORK after=a*\nd #DWORK after=b*")
    assert graph["c"] == ("a*",)
    assert graph["d"] == ("b", "b #2")


@pytest.mark.parametrize(
    ("glob", "names"),
    [
        ("*", ["x", "aXb", "ab", "ba", "a[b", "é"]),
        ("a*", ["aXb", "ab", "a[b"]),
        ("*b", ["aXb", "ab", "a[b"]),
        ("a*b", ["aXb", "ab", "a[b"]),
        ("a?b", ["aXb", "a[b"]),
        ("a[[]b", ["a[b"]),
        ("[!a]*", ["x", "ba", "é"]),
        ("a[A-Z]b", ["aXb"]),
        ("?", ["x", "é"]),
    ],
)
def test_a_glob_matches_as_in_a_shell(glob: str, names: list[str]) -> None:
    after = graph_of(f"x\naXb\nab\nba\na[b\né\n-- #DWORK name=zz after='{glob}'")["zz"]
    assert list(after) == names


def test_joins_have_names_that_no_task_has() -> None:
    tasks = parse(
        [Source("t", b"a #DWORK name='t:2: barrier'\n#DWORK barrier\nb")], known=["t:2: barrier #2", "not there"]
    )
    assert [task.name for task in tasks] == ["t:2: barrier", "t:2: barrier #3", "b"]


def test_globs_and_names_reach_into_other_files_of_any_format() -> None:
    tasks = parse(
        [
            Source("a.txt", b"end #DWORK after=mesh-*,z\n"),
            Source("b.dag", b"TASK mesh-1 x\nTASK mesh-2 x\n", "dag"),
            Source("c.csv", b"z,mesh-1\n", "csv"),
        ]
    )
    assert tasks[0] == Task("end", "end", ("mesh-1", "mesh-2", "z"))


def test_unnamed_repeats_are_numbered_over_all_files() -> None:
    tasks = parse([Source("1", b"a\n"), Source("2", b"a\n"), Source("3", b'{"command": "a"}', "jsonl")])
    assert [task.name for task in tasks] == ["a", "a #2", "a #3"]


def test_known_names_may_be_waited_for() -> None:
    source = Source("t", b"a #DWORK after=there\n")
    with pytest.raises(TaskFileError, match="unknown predecessor"):
        parse([source])
    assert parse([source], known=["there"])[0].after == ("there",)
    assert parse([source], known=None)[0].after == ("there",)
    assert parse([Source("t", b"a #DWORK after=x*\n")], known={"x*"})[0].after == ("x*",)
    with pytest.raises(TaskFileError, match="matches no other task"):
        parse([Source("t", b"a #DWORK after=x*\n")], known=None)


def test_fan_out_by_barrier_and_by_glob_costs_no_product_of_edges() -> None:
    n = 1000
    text = "".join(f"a{i}\n" for i in range(n)) + "".join(f"b{i} #DWORK after=a*\n" for i in range(n))
    text += "#DWORK barrier\n" + "".join(f"c{i} #DWORK after=b*,a*\n" for i in range(n))
    assert sum(len(after) for after in graph_of(text).values()) <= 8 * n


def test_many_different_globs_are_matched_without_a_look_at_every_name() -> None:
    n = 1000
    text = "".join(f"a-{i}-b\n" for i in range(n))
    text += "".join(f"c{i} #DWORK after=a-{i}-*\nd{i} #DWORK after=*-{i}-b\n" for i in range(n))
    assert graph_of(text)["d17"] == ("a-17-b",)


def test_a_long_cycle_is_shown_whole() -> None:
    n = 2000
    text = "".join(f"t{i} #DWORK after=t{(i + 1) % n}\n" for i in range(n))
    with pytest.raises(TaskFileError) as refused:
        graph_of(text)
    assert str(refused.value).count(" -> ") == n
