"""Properties of task files that hold whatever is in them."""

from __future__ import annotations

from fnmatch import fnmatchcase

from hypothesis import example, given
from hypothesis import strategies as st

from dwork.core.errors import TaskFileError
from dwork.core.task import Task
from dwork.core.toposort import topological
from dwork.taskfile import FORMATS, Rescue, Source, parse

SNIPPETS = [
    b"a", b"b", b" ", b"\t", b"\n", b"\r\n", b"\\", b"'", b'"', b",", b"#", b" #DWORK ", b"#DWORK barrier\n", b"name=",
    b"after=", b"cores=2", b"timeout=", b"*", b"?", b"[", b"=", b"-", b"1", b"TASK ", b"EDGE ", b"a b\n", b"-m ", b"{",
    b"}", b'"command":', b'"after":', b'"env":{', b"[", b"]", b":", b"\xff", b"\xc3\xa9", b"\0", b"\xef\xbb\xbf",
    b"NaN", b"\\ud800", b"DONE a\n", b"TASK a x\n", b'{"command":"a"}\n', b'{"command":"b","after":"a"}\n',
    b"a #DWORK after=*\n", b"#DISBATCH ", b"PREFIX ", b"REPEAT 3 ", b"BARRIER\n", b"start 1 ", b"[#", b"#]", b"1-2",
    b"-1", b"[@ d @]", b"$LAUNCHER_JID", b"\n[[task]]\n", b"\n[array]\n", b'command = ["x"]\n', b"id = 1\n",
    b"deps = [2]\n", b'ids = "1-3"\n', b'entries = ["a"]\n', b'cwd = "%{TASK_ID}"\n', b'stdout = "o"\n',
    b"5,a\n", b"PYL_ID", b"$PMC_RANK",
    b"[[task.request]]\n", b'resources = { cpus = "4 x" }\n', b'time_limit = "1h"\n', b"'''", b'"""', b"inf",
]  # fmt: skip
FILES = st.one_of(st.binary(max_size=60), st.lists(st.sampled_from(SNIPPETS), max_size=25).map(b"".join))


def check(tasks: list[Task]) -> None:
    """Names are unique and proper, every predecessor exists, and nothing waits for itself."""
    position = {task.name: i for i, task in enumerate(tasks)}
    assert len(position) == len(tasks)
    for task in tasks:
        task.name.encode()
        assert len(set(task.after)) == len(task.after)
    assert not topological([[position[name] for name in task.after] for task in tasks])[1]


@given(st.lists(st.tuples(FILES, st.sampled_from(FORMATS)), min_size=1, max_size=2))
def test_any_bytes_are_a_graph_or_a_one_line_error(files: list[tuple[bytes, str]]) -> None:
    try:
        check(parse([Source("t", data, form) for data, form in files]))
    except TaskFileError as error:
        assert str(error).startswith("t:")
        assert str(error).isprintable()


@given(FILES)
def test_any_bytes_are_a_rescue_file_or_a_one_line_error(data: bytes) -> None:
    try:
        Rescue("r", data)
    except TaskFileError as error:
        assert str(error).startswith("r:")


NAMES = ["a", "a1", "a2", "b", "b1", "c"]
ITEMS = st.sampled_from([*NAMES, "a*", "b*", "*1", "?", "[ab]*", "c*"])
LINE = st.one_of(st.none(), st.lists(ITEMS, max_size=2, unique=True))


def expected(names: list[str | None], items: dict[str, list[str]]) -> dict[str, set[str]] | None:
    """Explicit edges of every task to all it waits for; None when an item stands for nothing."""
    tasks = [name for name in names if name is not None]
    edges: dict[str, set[str]] = {}
    above: set[str] = set()
    for k, name in enumerate(names):
        if name is None:
            above = {other for other in names[:k] if other is not None}
            continue
        edges[name] = set(above)
        for item in items[name]:
            found = {item} if item in tasks else {n for n in tasks if n != name and fnmatchcase(n, item)}
            if not found:
                return None
            edges[name] |= found
    return edges


def closed(edges: dict[str, set[str]]) -> dict[str, set[str]]:
    """What each waits for, near and far."""
    far = {name: set(near) for name, near in edges.items()}
    for middle in far:
        for name in far:
            if middle in far[name]:
                far[name] |= far[middle]
    return far


@given(st.permutations(NAMES), st.lists(LINE, max_size=9))
@example(["a", "a1", "b", "b1", "c", "a2"], [[], [], None, ["a*"], ["a*"], ["b*"]])
def test_joins_keep_the_order_that_explicit_edges_give(order: list[str], lines: list[list[str] | None]) -> None:
    free = iter(order)
    pairs = [(None, None) if line is None else (next(free, None), line) for line in lines]
    names = [name for name, _ in pairs]
    items = {name: line for name, line in pairs if name is not None and line is not None}
    text = "\n".join(
        "#DWORK barrier" if name is None else f"x #DWORK name={name}" + (f" after={','.join(line)}" if line else "")
        for name, line in pairs
    )
    edges = expected(names, items)
    far = None if edges is None else closed(edges)
    try:
        tasks = parse([Source("t", text.encode())])
    except TaskFileError as error:
        in_circle = far is not None and any(name in before for name, before in far.items())
        assert far is None or (in_circle and "wait for one another" in str(error))
        return
    check(tasks)
    assert far is not None
    real = {task.name for task in tasks if task.command is not None}
    assert {
        name: before & real for name, before in closed({t.name: set(t.after) for t in tasks}).items() if name in real
    } == far
