"""Tasks written as text are the same tasks when they are read back."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from dwork.core.errors import TaskFileError
from dwork.core.shell_syntax.fault import fault
from dwork.core.shell_syntax.features import Dialect
from dwork.core.task import PLAIN, Options, Task
from dwork.taskfile import Source, parse, without
from dwork.taskfile.flat import barriers, closed, flat
from dwork.taskfile.writing import Unwritable, as_lines, as_objects


def read(lines: Sequence[str], form: str = "lines") -> list[Task]:
    data = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
    return parse([Source("rest", data, form)])


def written(text: str) -> list[str]:
    """What becomes of a file of lines when it is read and written."""
    return as_lines(read(text.splitlines()), {})


#: What must be done, and what must have ended, as positions of tasks; and what must have happened to joins that must.
Condition = tuple[frozenset[int], frozenset[int], "frozenset[Condition]"]
_MET: Condition = frozenset(), frozenset(), frozenset()


def before(tasks: Sequence[Task], nothing: frozenset[str] = frozenset()) -> list[Condition]:
    """What each task that is no join and not among `nothing` waits for, past the joins and these."""
    by_name = {task.name: task for task in tasks}
    real = [task for task in tasks if task.command is not None and task.name not in nothing]
    position = {task.name: i for i, task in enumerate(real)}
    known: dict[str, Condition] = {}

    def condition(task: Task) -> Condition:
        if task.name not in known:
            needed = {position[name] for name in task.after if name in position}
            ended = {position[name] for name in task.after_any if name in position}
            joins = {condition(by_name[name]) for name in task.after_any if name not in position}
            for name in task.after:
                if name not in position:
                    more_needed, more_ended, more_joins = condition(by_name[name])
                    needed |= more_needed
                    ended |= more_ended
                    joins |= more_joins
            known[task.name] = shortest(needed, ended, joins)
        return known[task.name]

    return [condition(task) for task in real]


def shortest(needed: set[int], ended: set[int], joins: set[Condition]) -> Condition:
    """The condition without what the rest of it implies: who needs a join done need not wait for its end as well."""

    def rest(join: Condition) -> Condition:
        return join[0] - needed, join[1] - needed - ended, frozenset(map(rest, join[2])) - {_MET}

    def without(join: Condition) -> Condition:
        return join[0], join[1], frozenset(map(without, join[2] - left)) - {_MET}

    left = {rest(join) for join in joins}
    return frozenset(needed), frozenset(ended - needed), frozenset(map(without, left)) - {_MET}


def assert_same(tasks: Sequence[Task], again: Sequence[Task], *, is_lines: bool) -> None:
    names = {task.name for task in tasks}
    nothing = frozenset(
        t.name for t in again if t.command == ":" and t.name.startswith("join-") and t.name not in names
    )
    old = [task for task in tasks if task.command is not None]
    new = [task for task in again if task.command is not None and task.name not in nothing]
    assert before(tasks) == before(again, nothing)
    for task, copy in zip(old, new, strict=True):
        command = shlex.join(task.command) if is_lines and isinstance(task.command, tuple) else task.command
        assert copy.command == command
        assert replace(copy.options, timeout=None, env=()) == replace(task.options, timeout=None, env=())
        assert (copy.options.timeout or 0) == pytest.approx(task.options.timeout or 0, abs=1e-9)
        assert dict(copy.options.env) == dict(task.options.env)
        if task.name.isprintable() and "," not in task.name:
            assert copy.name == task.name


def test_an_end_is_not_waited_for_when_the_same_must_be_done() -> None:
    """J must be done for T, by way of K; so its end need not be awaited as well."""
    a, j, k = Task("a", "a"), Task("J", None, ("a",)), Task("K", None, ("J",))
    tasks = [a, j, k, Task("T", "t", ("K",), after_any=("J",))]
    assert_same(tasks, read(as_objects(tasks), "jsonl"), is_lines=False)
    assert before(tasks) == before([a, Task("T", "t", ("a",))])


# -- any graph ------------------------------------------------------------------------------------------------------

TEXT = st.text(st.sampled_from("ab ,'\"#*?[]\\=$&;\t\n\r\x1b:é\udcff"), min_size=1, max_size=6)
WORDS = TEXT | st.sampled_from(["echo a", "x #DWORK y=1", "#DWORK barrier", "a\\", "join-1", "b #2", "#c", " d "])
COMMANDS = WORDS.filter(str.strip) | st.lists(WORDS, min_size=1, max_size=2).map(tuple)
NAMES = WORDS.map(lambda text: text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"))
OPTIONS = st.just(PLAIN) | st.builds(
    Options,
    cores=st.integers(1, 2**31 - 1),
    memory=st.integers(0, 2**63 - 1),
    timeout=st.none() | st.floats(0.001, 1e9),
    retries=st.none() | st.integers(0, 9),
    priority=st.integers(-(2**31), 2**31 - 1),
    cwd=st.none() | TEXT,
    min_time=st.sampled_from([0.0, 90.0]),
    creates=st.sampled_from([(), (), ("x", "y z"), ("a,b",)]),
    env=st.sampled_from([(), (), (("A", "1"), ("B", "x y"), ("A", "2"))]),
)


@st.composite
def graphs(draw: st.DrawFn) -> list[Task]:
    tasks: list[Task] = []
    for name in draw(st.lists(NAMES, unique=True, max_size=8)):
        after = tuple(draw(st.lists(st.sampled_from(tasks), max_size=4, unique=True))) if tasks else ()
        command = draw(st.none() | COMMANDS | st.just(name if name.strip() else "x"))
        command = "x" if fault(command, dialect=Dialect.POSIX) else command  # no file may say that
        options = PLAIN if command is None else draw(OPTIONS)
        n = draw(st.integers(0, len(after)))
        names = [task.name for task in after]
        origin = draw(st.sampled_from(["", "vm"]))
        tasks.append(Task(name, command, tuple(names[n:]), options, origin, tuple(names[:n])))
    return draw(st.permutations(tasks))


@given(graphs())
def test_objects_say_all_of_any_graph(tasks: list[Task]) -> None:
    assert_same(closed(tasks), read(as_objects(tasks), "jsonl"), is_lines=False)


@given(graphs(), st.text(max_size=20))
def test_lines_say_all_of_a_graph_or_refuse(tasks: list[Task], remark: str) -> None:
    try:
        lines = as_lines(tasks, {task.name: remark for task in tasks[::2]})
    except Unwritable as error:
        assert str(error).isprintable()
        return
    assert_same(closed(tasks), read(lines), is_lines=True)


@given(
    st.lists(
        st.sampled_from(
            [
                "#DWORK barrier",
                "echo a,b",
                "echo c",
                "exit 3 #DWORK name=x{}",
                "r #DWORK name=r{} after=x*",
                "s #DWORK name=s{} after-any=x*",
            ]
        )
    ),
    st.data(),
)
def test_what_is_left_of_a_file_with_barriers_is_a_file_with_barriers(rows: list[str], data: st.DataObject) -> None:
    lines = ["first #DWORK name=x", *(row.format(i) for i, row in enumerate(rows))]
    try:
        tasks = read(lines)
    except TaskFileError:  # a glob above a barrier matches a task below
        reject()
    done: set[str] = set()
    for task in tasks:
        if done.issuperset(task.predecessors) and (task.command is None or data.draw(st.booleans())):
            done.add(task.name)
    left = without(tasks, done)
    text = as_lines(left, {})
    assert_same(closed(left), read(text), is_lines=True)
    assert not any(" name=join-" in line for line in text)


# -- examples -------------------------------------------------------------------------------------------------------


def test_a_plain_file_is_written_as_it_was() -> None:
    text = "echo a\nmesh x #DWORK name=mesh cores=2 timeout=90\nsolve #DWORK after=mesh,'echo a' memory=1024B\n"
    assert written(text) == [
        "echo a",
        "mesh x #DWORK name=mesh cores=2 timeout=90",
        "solve #DWORK after='mesh,echo a' memory=1024B",
    ]


def test_barriers_stay_barriers() -> None:
    text = "a,1\na,2\n#DWORK barrier\nb\n#DWORK barrier\nc\nd #DWORK after=c"
    assert written(text) == text.splitlines()


def test_a_barrier_above_which_all_is_done_is_gone() -> None:
    tasks = read(["a", "#DWORK barrier", "b", "#DWORK barrier", "c"])
    assert as_lines(without(tasks, {"a"}), {}) == ["b", "#DWORK barrier", "c"]
    assert as_lines(without(tasks, {"a", "b"}), {}) == ["c"]


def test_a_barrier_is_not_one_when_something_below_does_not_wait_for_it() -> None:
    tasks = [*read(["a", "b", "#DWORK barrier", "c"]), Task("added", "d")]
    assert as_lines(tasks, {}) == ["a", "b", "c #DWORK after=a,b", "d #DWORK name=added"]


def test_a_join_of_many_for_many_is_a_task_that_does_nothing() -> None:
    many = [f"s-{i}" for i in range(60)]
    tasks = read([*(f"echo #DWORK name={name}" for name in many), *(f"r{i} #DWORK after=s-*" for i in range(60)), "z"])
    lines = as_lines(tasks, {})
    assert lines[60] == f": #DWORK name=join-1 after={','.join(many)}"
    assert lines[61] == "r0 #DWORK after=join-1"
    assert_same(tasks, read(lines), is_lines=True)
    assert sum(map(len, lines)) < 5000


def test_a_join_of_ends_becomes_the_tasks_that_must_have_ended() -> None:
    text = "a\nb\nc #DWORK after-any=*\nd #DWORK after-any=a,b"
    assert written(text) == ["a", "b", "c #DWORK after-any=a,b,d", "d #DWORK after-any=a,b"]
    tasks = [Task("a", "a"), Task("b", "b"), Task("j", None, ("a",), after_any=("b",)), Task("c", "c", ("j",))]
    assert as_lines(tasks, {}) == ["a", "b", "c #DWORK after=a after-any=b"]
    assert read(as_objects(tasks), "jsonl")[2] == Task("c", "c", ("a",), after_any=("b",))


def test_a_join_whose_end_is_awaited_is_a_task_that_does_nothing() -> None:
    tasks = [Task("a", "a"), Task("b", "b"), Task("j", None, ("a", "b")), Task("c", "c", after_any=("j",))]
    assert as_lines(tasks, {}) == ["a", "b", ": #DWORK name=join-1 after=a,b", "c #DWORK after-any=join-1"]


def test_a_barrier_that_waits_only_for_ends_is_no_barrier_of_lines() -> None:
    tasks = [Task("a", "a"), Task("j", None, after_any=("a",)), Task("b", "b", ("j",))]
    assert as_lines(tasks, {}) == ["a", "b #DWORK after-any=a"]


def test_joins_of_joins_stay_few() -> None:
    tasks = [Task(f"a{i}", "x") for i in range(100)]
    for level in range(20):
        tasks.append(Task(f"j{level}", None, tuple(t.name for t in tasks[-100:])))
        tasks += [Task(f"{level}-{i}", "x", (f"j{level}",)) for i in range(100)]
    tasks.append(Task("free", "x"))
    lines = as_objects(tasks)
    assert sum(map(len, lines)) < 500_000
    assert_same(tasks, read(lines, "jsonl"), is_lines=False)


def test_a_long_chain_of_joins_is_no_trouble() -> None:
    tasks = [Task("a", "x"), Task("0", None, ("a",))]
    tasks += [Task(str(i), None, (str(i - 1),)) for i in range(1, 5000)]
    assert as_objects([*tasks, Task("b", "y", ("4999",))])[1] == '{"command": "y", "name": "b", "after": ["a"]}'


def test_repeats_of_a_command_keep_their_numbers_or_need_none() -> None:
    tasks = read(["echo a", "echo a", "echo a", "cut -d, x", "cut -d, x"])
    assert as_lines(without(tasks, {"echo a", "cut -d, x"}), {}) == [
        "echo a #DWORK name='echo a #2'",
        "echo a #DWORK name='echo a #3'",
        "cut -d, x",
    ]


def test_a_task_without_a_name_of_its_own_does_not_take_that_of_another() -> None:
    tasks = [Task("a,b", "echo a"), Task("echo a", "echo a")]
    assert [task.name for task in read(as_objects(tasks), "jsonl")] == ["a_b", "echo a"]
    assert [task.name for task in read(as_objects(tasks[::-1]), "jsonl")] == ["echo a", "echo a #2"]


def test_names_that_no_file_may_give_are_changed_where_something_refers_to_them() -> None:
    tasks = [Task("a,\n", "x"), Task("a__", "y"), Task("c", "z", ("a,\n",))]
    assert read(as_objects(tasks), "jsonl") == [
        Task("a__ #2", "x"),
        Task("a__", "y"),
        Task("c", "z", ("a__ #2",)),
    ]


def test_remarks_stand_above_their_task_on_one_line() -> None:
    assert as_lines([Task("a", "a"), Task("b", "b")], {"b": "failed:\n\x1b[2J\\"}) == [
        "a",
        r"# failed:\n\x1b[2J\ ".strip(),
        "b",
    ]


@pytest.mark.parametrize(
    ("tasks", "why"),
    [
        ([Task("a", "x", (), Options(env=(("K", "V"),)))], "cannot set environment variables"),
        ([Task("a", "x\ny")], "more than one line"),
        ([Task("a,b", "a,b"), Task("c", "c", ("a,b",))], "a comma in its name"),
        ([Task("a,b", "a,b"), Task("c", "c", after_any=("a,b",))], "a comma in its name"),
        ([Task("#a", "#a")], "would give a different task"),
        ([Task("x\r", "x\r")], "would give a different task"),
        ([Task("a", " x")], "would give a different task"),
        ([Task("a", "x\\")], "would give a different task"),
    ],
)
def test_what_lines_cannot_say_objects_can(tasks: list[Task], why: str) -> None:
    with pytest.raises(Unwritable, match=why):
        as_lines(tasks, {})
    assert read(as_objects(tasks), "jsonl") == tasks


@pytest.mark.parametrize(
    "task",
    [
        Task("a", " "),
        Task("a", "x" * 200_000),
        Task("a", "x", (), Options(timeout=float("inf"))),
        Task("a", "x", (), Options(timeout=float("nan"))),
        Task("a", "x", (), Options(timeout=0.0)),
        Task("a", "x", (), Options(cores=2**32 - 1)),
        Task("a", "x", (), Options(env=(("", "x"),))),
    ],
)
def test_what_no_file_can_say_is_refused(task: Task) -> None:
    for write in (lambda tasks: as_lines(tasks, {}), as_objects):
        with pytest.raises(Unwritable, match="task 'a' cannot be written"):
            write([task])


def test_only_joins_that_part_above_from_below_are_barriers() -> None:
    def task(name: str, *after: str) -> Task:
        return Task(name, "x", after)

    def join(name: str, *after: str) -> Task:
        return Task(name, None, after)

    assert barriers([task("a"), join("j", "a"), task("b", "j"), join("k", "j", "b"), task("c", "k")]) == {"j", "k"}
    assert barriers([task("a"), join("j", "a"), task("b", "j"), join("k", "j", "b"), task("c", "j")]) == {"j"}
    assert barriers([task("a"), join("j", "a"), task("b"), join("k", "a", "b"), task("c", "k")]) == {"k"}
    assert barriers([task("a"), task("b"), join("j", "a"), task("c", "j")]) == set()
    assert barriers([task("a"), join("j", "a"), join("k", "j"), task("c", "k")]) == {"j", "k"}
    assert barriers([task("a"), join("j", "a"), task("c", "j"), task("d")]) == set()
    assert list(flat([task("a"), join("j", "a"), task("c", "j"), task("d")])) == [task("a"), task("c", "a"), task("d")]
