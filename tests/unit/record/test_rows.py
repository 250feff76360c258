"""Tasks, numbers and texts as rows: they come back as they were."""

from __future__ import annotations

import math

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from dwork.core import events as e
from dwork.core.cause import Cause
from dwork.core.messages import Complete
from dwork.core.task import PLAIN, Options, Result, Task
from dwork.record import past
from dwork.record.rows import task_of, task_row
from dwork.transport import wire
from tests.desk import Desk, given, task

HUGE = Result(
    0, 2**32 - 1, 0, 2**32 - 1, math.inf, -math.inf, math.nan, 1e308, 2**64 - 1, Cause.OTHER, "", b"", b""
)  # whatever fits into a frame
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
BYTES = st.binary(max_size=20).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
COMMANDS = st.one_of(st.none(), TEXT, BYTES, st.lists(st.one_of(TEXT, BYTES), min_size=1, max_size=3).map(tuple))
OPTIONS = st.builds(
    Options,
    cores=st.integers(0, 2**32),
    memory=st.integers(0, 2**64),
    timeout=st.none() | st.floats(0, 1e9),
    retries=st.none() | st.integers(0, 9),
    priority=st.integers(-9, 9),
    cwd=st.none() | BYTES,
    env=st.lists(st.tuples(TEXT, BYTES), max_size=2).map(tuple),
)
TASKS = st.builds(
    Task,
    TEXT.filter(bool),
    COMMANDS,
    st.lists(TEXT.filter(bool), max_size=3).map(tuple),
    st.just(PLAIN) | OPTIONS,
    TEXT,
)


@for_all(TASKS)
def test_a_task_comes_back_as_it_was(given_task: Task) -> None:
    desk = Desk(":memory:")
    desk.numbers[given_task.name] = 0
    desk.hear(e.Added(1.0, 0, [given_task]))
    ((_, found, *_),) = past.recorded(desk.store.connection)
    assert found == given_task._replace(origin=given_task.origin or "?")
    assert found.options is PLAIN or given_task.options != PLAIN
    desk.close()


def test_a_command_that_is_not_utf_8_is_kept_byte_by_byte(desk: Desk) -> None:
    desk.resume(Task("a", "echo \udcff"), Task("b", ("echo", "\udcff x")), Task("c", "échO"))
    assert desk.ask("SELECT CAST(command AS BLOB) FROM tasks") == [b"echo \xff", b"echo '\xff x'", "échO".encode()]
    assert [entry.task.command for entry in past.recorded(desk.store.connection)] == [
        "echo \udcff", ("echo", "\udcff x"), "échO",
    ]  # fmt: skip


def test_equal_options_come_back_as_one_object(desk: Desk) -> None:
    desk.resume(*(task(f"t{i}", cores=3) for i in range(3)))
    assert len({id(entry.task.options) for entry in past.recorded(desk.store.connection)}) == 1
    assert task_row(task("a"), lambda shell: 1)[3] is None
    assert task_of("a", "a", None, None, None, (), (), {}, {}).options is PLAIN


@pytest.mark.parametrize("status", [0, 1, 2**32 - 1])
def test_numbers_that_nobody_would_believe_are_kept_as_well_as_can_be(three: Desk, status: int) -> None:
    """Any peer can send them, and the pool must not end for it."""
    decoded = wire.decode_request(wire.encode(Complete("w:1", (HUGE._replace(exit_status=status),))))
    assert isinstance(decoded, Complete)
    (result,) = decoded.results
    three.hear(e.Joined(1.0, "w:1", 2**32 - 1), e.Stolen(1.0, "w:1", [given(0, 2**32 - 1)]))
    end = e.Ended(0, "t0", result)
    three.hear(e.Failed(2.0, "w:1", end) if status else e.Finished(2.0, "w:1", [end]))
    assert three.ask("SELECT attempt, max_rss > 0 FROM attempts") == [(2**32 - 1, 1)]
    assert past.recorded(three.store.connection)[0].attempt == 2**32 - 1


def test_texts_with_anything_in_them_are_kept(desk: Desk) -> None:
    odd = "a\0b\n\t\x1b[31m'\"; DROP TABLE tasks; --\U0001f600"
    desk.numbers[odd] = 0
    desk.hear(e.Added(1.0, 0, [Task(odd, odd, (), PLAIN, odd)]), e.Joined(1.0, odd, 1))
    desk.hear(e.Stolen(1.0, odd, [given(0)]))
    desk.hear(e.Failed(2.0, odd, e.Ended(0, odd, Result(0, 1, 1, error=odd, stderr=odd.encode()))))
    assert desk.ask("SELECT name, command, origin, reason FROM tasks") == [(odd,) * 4]
    assert desk.ask("SELECT worker, reason, stderr FROM attempts") == [(odd, odd, odd.encode())]
