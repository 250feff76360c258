"""The shape of a graph: its size, its longest chain, its widest level, its largest requests."""

from __future__ import annotations

from dwork.core.task import Options, Task
from dwork.core.text import UserText
from dwork.taskfile import Source, parse
from dwork.taskfile.shape import Shape, shape


def of(text: str, known: tuple[str, ...] | None = ()) -> Shape:
    return shape(parse([Source(UserText("t"), text.encode())], known=known))


def test_tasks_without_dependencies_are_one_level() -> None:
    assert of("a\nb\nc\n") == Shape(3, 0, 0, 0, 1, 3, {}, {})
    assert of("# nothing\n") == Shape(0, 0, 0, 0, 0, 0, {}, {})


def test_joins_are_no_tasks_and_make_no_chain_longer() -> None:
    found = of("a\nb\n#DWORK barrier\nc\nd\ne\n#DWORK barrier\nf\n")
    assert (found.tasks, found.joins, found.waiting, found.depth, found.width) == (6, 2, 4, 3, 3)
    assert found.edges == 2 + 3 + (1 + 3) + 1


def test_a_chain_counts_its_tasks_wherever_they_are_in_the_file() -> None:
    backwards = of("a #DWORK after=b\nb #DWORK after-any=c\nc\nd\n")
    assert (backwards.edges, backwards.depth, backwards.width) == (2, 3, 2)
    uneven = of("a\nb #DWORK after=a\nc #DWORK after=a,b\nd #DWORK after=a\n")
    assert (uneven.edges, uneven.depth, uneven.width) == (4, 3, 2)


def test_predecessors_elsewhere_do_not_count() -> None:
    found = of("a #DWORK after=elsewhere\nb\n", known=None)
    assert (found.waiting, found.edges, found.depth, found.width) == (1, 0, 1, 2)


def test_the_largest_requests_are_named_by_their_first_task() -> None:
    tasks = [
        Task("a", "a", (), Options(cores=4, memory=5)),
        Task("b", "b", (), Options(cores=4, gpus=1, retries=0)),
        Task("c", "c", (), Options(memory=7, timeout=3.0, retries=2)),
        Task("d", "d", (), Options(timeout=3.0)),
    ]
    found = shape(tasks)
    assert found.largest == {"cores": (4, "a"), "memory": (7, "c"), "gpus": (1, "b")}
    assert found.options == {"timeout": 2, "retries": 1}
