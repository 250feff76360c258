"""Records that were cut short, overwritten, never were records, or cannot be written: a right answer or one line."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from dwork.core import events as e
from dwork.core import messages as m
from dwork.core.cause import Cause
from dwork.core.errors import GraphError, StoreError, UsageError
from dwork.core.messages import Native
from dwork.core.task import Result, State, Task
from dwork.dquery._picture.embedded import bars
from dwork.dquery._picture.embedded import tasks as table
from dwork.dquery._picture.events import Trace
from dwork.history.outline import outline
from dwork.history.summary import summary
from dwork.history.timeline import timeline
from dwork.hub.hub import Hub
from dwork.output.joblog import Joblog
from dwork.record import past, schema
from dwork.record.history import begun, graph, sessions, workers
from dwork.record.history import history as whole
from dwork.record.locks import InUse
from dwork.record.opening import open_store
from dwork.record.reading import Archive
from dwork.record.schema import VERSION
from dwork.record.store import Store
from dwork.record.trouble import reading
from dwork.server.hub_loop import HubLoop
from dwork.transport import HUB, wire
from dwork.transport.inproc import Inproc
from tests.conftest import environment
from tests.desk import RUN, Desk, ended, given, killed, look, named, task

PAGE = 4096
#: A write-ahead log has a header, and one before each page.
WAL_HEADER, FRAME_HEADER = 32, 24

TASKS = [
    task("t0"),
    *(task(f"t{i}", f"t{(i - 1) // 4 * 4}", cores=i) for i in range(1, 12)),
    Task("join", None, ("t1",)),
]


def work(desk: Desk) -> Iterator[None]:
    """A run, transaction by transaction."""
    desk.resume(*TASKS)
    yield
    for i in range(12):
        desk.hear(e.Stolen(10.0, f"w:{i % 3}", [given(i)]), e.Joined(1.0, f"w:{i % 3}", 1))
        yield
        if i % 4 == 3:
            desk.hear(e.Failed(11.0, f"w:{i % 3}", ended(i, exit_status=i, stderr=b"trouble" * 100, stdout=b"out")))
        elif i % 4 == 2:
            desk.hear(e.Requeued(11.0, f"w:{i % 3}", [named(i)], Cause.DIED, "it died"))
        else:
            desk.hear(e.Finished(11.0, f"w:{i % 3}", [ended(i, started=10.0, stdout=b"well")]))
        yield
        if i % 5 == 0:
            desk.store.settle()
            yield
    desk.hear(e.Extended(12.0, named(11), ("t0",)), e.Held(12.0, [named(11)]))
    yield


def states(store: Store) -> list[Any]:
    return [(entry.task, entry.state, entry.attempt, entry.holder) for entry in past.recorded(store.connection)]


# -- the write-ahead log, cut and overwritten ------------------------------------------------------------------------


@pytest.fixture
def history(tmp_path: Path) -> tuple[Path, list[tuple[int, list[Any]]]]:
    """A record as a kill has left it, and after each of its transactions the size of the log and what was known."""
    desk = Desk(tmp_path / "run.db", logs=tmp_path / "run.logs")
    log = tmp_path / "run.db-wal"
    known: list[tuple[int, list[Any]]] = [(0, [])]
    for _ in work(desk):
        known.append((log.stat().st_size, reopened_states(killed(desk.path, tmp_path / "look.db"))))
    copy = killed(desk.path, tmp_path / "killed.db")
    desk.close()
    return copy, known


def reopened_states(copy: Path) -> list[Any]:
    store = Store(str(copy), RUN, lambda name: None)
    try:
        return states(store)
    finally:
        store.close(0.0, "looked")


def test_a_log_that_was_cut_anywhere_is_all_transactions_that_were_whole_by_then(
    history: tuple[Path, list[tuple[int, list[Any]]]], tmp_path: Path
) -> None:
    path, known = history
    main, log = path.read_bytes(), Path(f"{path}-wal").read_bytes()
    numbers = random.Random(1)
    at_pages = range(WAL_HEADER, len(log) + 1, PAGE + FRAME_HEADER)
    assert len(log) == at_pages[-1] and len(known) > 25
    for cut in {*at_pages, *(numbers.randrange(len(log)) for _ in range(60)), 0, len(log) - 1}:
        copy = tmp_path / "cut.db"
        copy.write_bytes(main)
        Path(f"{copy}-wal").write_bytes(log[:cut])
        expected = next(states for size, states in reversed(known) if size <= cut)
        assert reopened_states(copy) == expected, f"cut at {cut}"


def test_a_log_that_was_overwritten_anywhere_is_all_transactions_before(
    history: tuple[Path, list[tuple[int, list[Any]]]], tmp_path: Path
) -> None:
    path, known = history
    main, log = path.read_bytes(), Path(f"{path}-wal").read_bytes()
    numbers = random.Random(2)
    for at in [numbers.randrange(WAL_HEADER, len(log)) for _ in range(60)]:
        changed = bytearray(log)
        changed[at] ^= 1 << numbers.randrange(8)
        copy = tmp_path / "changed.db"
        copy.write_bytes(main)
        Path(f"{copy}-wal").write_bytes(changed)
        expected = next(states for size, states in reversed(known) if size <= at)
        assert reopened_states(copy) == expected, f"changed at {at}"


def test_a_log_whose_record_was_deleted_means_nothing(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "run.db")
    desk.resume(task("t0"))
    copy = killed(desk.path, tmp_path / "killed.db")
    desk.close()
    assert Path(f"{copy}-wal").stat().st_size > PAGE
    copy.unlink()
    assert reopened_states(copy) == []


# -- the file itself -------------------------------------------------------------------------------------------------


def draw(archive: Archive) -> None:
    """All that the commands do which draw, before they draw."""
    for most in (0, 1, 5):
        with reading(archive.path):  # a circle: one line, too
            tasks, predecessors, after_any = graph(archive)
            outline(tasks, predecessors, most, after_any)
    found = whole(archive)
    drawn = timeline(found)
    with reading(archive.path):
        summary(found, drawn)
    bars(found, drawn)
    table(found, 0.0)
    json.dumps(list(Trace(sessions(archive), workers(archive)).events(begun(archive))), allow_nan=False)


def use(path: Path) -> None:
    """All that a pool, a dhub and dquery do with a record that is there; raises what they would."""
    with Archive(str(path)) as archive:
        archive.counts()
        for row in list(archive.tasks()):
            for piece in (archive.task(f"#{row['id']}") or {}).get("output", ()):
                with suppress(OSError):  # no such file
                    archive.output(row, piece)
        archive.task("t1")
        draw(archive)
    numbers: dict[str, int] = {}
    store = Store(str(path), RUN, numbers.get)
    try:
        with suppress(GraphError):  # a circle: one line, too
            Hub().restore(store.recover(20.0), 20.0, store.slots())
        store.next_id()
        plan = store.resume([*TASKS, task("new", "t2")], 30.0)
        with suppress(GraphError):
            Hub().restore(plan.entries, 30.0)
        with suppress(StoreError):  # a page that nobody has read before now
            store.hear([e.Stolen(31.0, "w:1", [given(plan.entries[0].id, 77)])])
            store.hear([e.Failed(31.0, "w:1", ended(plan.entries[0].id, 77, exit_status=1))])
            store.hear([e.Printed(31.0, 0, 1, b"x"), e.Joined(31.0, "w:1", 1), e.Held(31.0, [named(1)])])
    finally:
        with suppress(StoreError):
            store.close(32.0, "used")


@pytest.fixture(params=["closed", "killed"])
def sound(tmp_path: Path, request: pytest.FixtureRequest) -> tuple[bytes, bytes]:
    """The bytes of a record that is sound, and of its log, if it was killed when half of all was in that."""
    desk = Desk(tmp_path / "run.db", logs=tmp_path / "run.logs")
    for i, _ in enumerate(work(desk)):
        if i == 15:
            desk.store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    if request.param == "closed":
        desk.close()
    copy = killed(desk.path, tmp_path / "copy.db")
    log = Path(f"{copy}-wal")
    result = (copy.read_bytes(), log.read_bytes() if log.exists() else b"")
    desk.close()
    use(copy)
    assert len(result[0]) > 8 * PAGE and bool(result[1]) == (request.param == "killed")
    return result


def damages(data: bytes) -> Iterator[tuple[str, bytes]]:
    numbers = random.Random(3)
    for size in {*range(0, len(data), PAGE), *(numbers.randrange(len(data)) for _ in range(20))}:
        yield f"cut at {size}", data[:size]
    for start in range(0, len(data), PAGE):
        for name, page in (("zeros", bytes(PAGE)), ("noise", numbers.randbytes(PAGE)), ("ones", b"\xff" * PAGE)):
            yield f"{name} at {start}", data[:start] + page + data[start + PAGE :]
    for _ in range(100):
        start, n = numbers.randrange(len(data)), numbers.choice([1, 1, 2, 8, 100])
        noise = numbers.randbytes(n)
        yield f"noise of {n} at {start}", data[:start] + noise + data[start + n :]
    for start in range(100):
        yield f"the header changed at {start}", data[:start] + bytes([data[start] ^ 0x81]) + data[start + 1 :]


def test_a_file_that_was_cut_or_overwritten_opens_or_is_refused_in_one_line(
    sound: tuple[bytes, bytes], tmp_path: Path
) -> None:
    main, log = sound
    path = tmp_path / "damaged.db"
    refused = 0
    for name, damaged in damages(main):
        path.write_bytes(damaged)
        Path(f"{path}-wal").write_bytes(log)
        try:
            use(path)
        except UsageError as error:
            refused += 1
            assert str(path) in str(error) and str(error).count("\n") == 0, name
        except Exception as error:
            raise AssertionError(name) from error
    assert refused > 50


def test_a_damaged_record_can_be_set_aside(sound: tuple[bytes, bytes], tmp_path: Path) -> None:
    path = tmp_path / "damaged.db"
    for i in range(3):
        damaged = b"no database at all, by its header" + sound[0][i * 100 + 40 :]
        path.write_bytes(damaged)
        with pytest.raises(UsageError, match=r"is damaged or not a record \(file is not a database\); move it away"):
            Store(str(path), RUN, lambda name: None)
        open_store(str(path), "", lambda name: None, 1.0, print, fresh=True).close(1.0, "done")
        assert look(path, "SELECT count(*) FROM runs") == [1]
        assert (tmp_path / "damaged.db.1").read_bytes() == damaged


# -- what is no record, or another one -------------------------------------------------------------------------------


@pytest.fixture(params=["delete", "wal"])
def foreign(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / "foreign.db"
    other = sqlite3.connect(path)
    other.execute(f"PRAGMA journal_mode={request.param}")
    other.execute("CREATE TABLE bookmarks (url TEXT)")
    other.commit()
    other.close()
    return path


def test_a_database_of_another_program_is_refused_and_left_as_it_is(foreign: Path) -> None:
    before = foreign.read_bytes()
    for attempt in (
        lambda: Store(str(foreign), RUN, lambda name: None),
        lambda: open_store(str(foreign), "", lambda name: None, 1.0, print, fresh=True),
        lambda: Archive(str(foreign)),
    ):
        with pytest.raises(UsageError, match="is a database of another program; choose another file with -f"):
            attempt()
    assert foreign.read_bytes() == before
    assert [path.name for path in foreign.parent.iterdir()] == ["foreign.db"]


def test_a_record_of_a_newer_dwork_is_refused_and_may_be_set_aside(desk: Desk) -> None:
    desk.resume(task("t0"))
    desk.store.connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    desk.close()
    for attempt in (lambda: Store(desk.path, RUN, lambda name: None), lambda: Archive(desk.path)):
        with pytest.raises(UsageError, match=rf"by a newer dwork \(format {VERSION + 1}, this one knows {VERSION}\)"):
            attempt()
    open_store(desk.path, "", lambda name: None, 1.0, print, fresh=True).close(1.0, "done")
    assert look(f"{desk.path}.1", "SELECT name FROM tasks") == ["t0"]


def test_an_empty_file_is_a_new_record_and_nothing_to_ask(tmp_path: Path) -> None:
    path = tmp_path / "empty.db"
    path.touch()
    with pytest.raises(UsageError, match="is empty: no pool has used it yet"):
        Archive(str(path))
    assert reopened_states(path) == []


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), os.mkfifo, lambda path: path.symlink_to("/dev/null")])
def test_what_is_no_file_is_refused_and_left_as_it_is(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "there"
    make(path)
    for fresh in (False, True):
        with pytest.raises(
            UsageError, match=r"not a regular file; .* choose another|cannot be opened for writing: Is a directory"
        ):
            open_store(str(path), "", lambda name: None, 1.0, print, fresh=fresh)
    with pytest.raises(UsageError, match="there is no record"):
        Archive(str(path))
    assert os.listdir(tmp_path) == ["there"]


@pytest.mark.parametrize("name", ["a b%20?mode=ro#x.db", "\udcff.db", "ü.db", "'.db"])
def test_a_record_may_have_any_name(tmp_path: Path, name: str) -> None:
    path = str(tmp_path / name)
    for _ in range(2):
        store = open_store(path, f"{path}.logs", {"t0": 0}.get, 1.0, print)
        store.resume([task("t0")], 1.0)
        store.hear([e.Stolen(1.0, "w:1", [given(0)]), e.Failed(2.0, "w:1", ended(0, exit_status=1, stdout=b"text"))])
        store.close(1.0, "done")
    with Archive(path) as archive:
        row = archive.task("t0")
        assert row is not None and archive.output(row, row["output"][0]) == b"text"
    assert sorted(os.listdir(tmp_path)) == sorted([name, f"{name}.logs"])


def test_a_path_with_two_slashes_before_it_is_a_path(tmp_path: Path) -> None:
    Store(f"/{tmp_path}/run.db", RUN, lambda name: None).close(1.0, "done")
    assert (tmp_path / "run.db").exists()


# -- fresh -----------------------------------------------------------------------------------------------------------


def test_fresh_keeps_one_earlier_record_with_its_logs(tmp_path: Path) -> None:
    path, logs = str(tmp_path / "run.db"), str(tmp_path / "run.logs")
    for i in range(3):
        store = open_store(path, f"{logs}/", {"t": 0}.get, float(i), print, fresh=True)
        store.resume([task("t")], float(i))
        store.hear([e.Stolen(1.0, "w:1", [given(0)]), e.Finished(2.0, "w:1", [ended(0, stdout=b"%d" % i)])])
        store.close(1.0, "done")
    assert look(path, "SELECT started FROM runs") == [2.0]
    assert look(f"{path}.1", "SELECT started FROM runs") == [1.0]
    assert sorted(os.listdir(tmp_path)) == ["run.db", "run.db.1", "run.logs", "run.logs.1"]
    assert (tmp_path / "run.logs.1" / "w_1.log").read_text() == "--- #0 stdout ---\n1\n"


def test_fresh_without_a_record_leaves_no_empty_one_and_keeps_an_earlier_one(tmp_path: Path) -> None:
    path = str(tmp_path / "x.db")

    def begin() -> None:
        open_store(path, "", lambda name: None, 1.0, print, fresh=True).close(1.0, "done")

    begin()
    assert sorted(os.listdir(tmp_path)) == ["x.db"]
    begin()
    earlier = (tmp_path / "x.db.1").read_bytes()
    os.unlink(path)
    begin()
    assert (tmp_path / "x.db.1").read_bytes() == earlier
    assert sorted(os.listdir(tmp_path)) == ["x.db", "x.db.1"]


@pytest.mark.parametrize("where", ["run.logs", "run.logs.1"])
def test_fresh_touches_no_directory_that_has_more_than_logs(tmp_path: Path, where: str) -> None:
    path, logs = str(tmp_path / "run.db"), str(tmp_path / "run.logs")
    open_store(path, "", lambda name: None, 1.0, print).close(1.0, "done")
    (tmp_path / "run.logs").mkdir()
    (tmp_path / where).mkdir(exist_ok=True)
    (tmp_path / where / "thesis.tex").touch()
    with pytest.raises(UsageError, match="has more than log files"):
        open_store(path, logs, lambda name: None, 1.0, print, fresh=True)
    assert (tmp_path / where / "thesis.tex").exists() and not (tmp_path / "run.db.1").exists()


# -- where nothing can be written ------------------------------------------------------------------------------------


def test_a_read_only_directory_is_refused_with_advice_and_its_record_can_be_read(
    tmp_path: Path, read_only: Callable[[Path], None]
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    desk = Desk(place / "run.db")
    desk.resume(task("t0"))
    desk.hear(e.Finished(1.0, "w:1", [ended(0)]))
    copy = killed(desk.path, place / "killed.db")
    desk.close()
    read_only(place)
    complaint = "cannot be opened for writing|cannot move .* aside: (Read-only file system|Permission denied)"
    for name in ("run.db", "killed.db", "new.db"):
        for fresh in (False, True):
            with pytest.raises(UsageError, match=complaint):
                open_store(str(place / name), "", lambda name: None, 1.0, print, fresh=fresh)
    with pytest.raises(UsageError, match=r"cannot create log files in .*/new.logs; choose another directory with"):
        open_store(str(tmp_path / "x.db"), str(place / "new.logs"), lambda name: None, 1.0, print)
    for path in (Path(desk.path), copy):
        with Archive(str(path)) as archive:
            assert archive.counts() == {"done": 1}
    assert sorted(os.listdir(place)) == ["killed.db", "killed.db-wal", "run.db"]


class World:
    """A hub with a store, and a worker that speaks for itself, each at its end of a transport in this process."""

    def __init__(self, path: Path) -> None:
        self.hub = Hub()
        self.store = open_store(str(path), "", self.hub.graph.number, 1.0, print)
        self.ends = Inproc(), Inproc()
        self.ends[1].connect(self.ends[0], "w:1")
        self.loop = HubLoop(self.hub, [self.ends[0]], [self.store])
        self.loop.carry_out(self.hub.restore(self.store.recover(1.0), 1.0))

    def ask(self, message: m.Message) -> list[m.Message]:
        self.ends[1].send(HUB, wire.encode(message))
        self.loop.turn()
        return self.answers()

    def answers(self) -> list[m.Message]:
        return [wire.decode_reply(frame) for _, frame in self.ends[1].receive()]


def native(n: int) -> Native:
    return Native(2, 0.0, n, hello=True)


@pytest.mark.parametrize("step", ["create", "steal", "complete", "fail", "log"])
def test_on_a_full_disk_nothing_is_promised_and_later_it_goes_on(
    small_disk: Callable[[str], Any], tmp_path: Path, step: str
) -> None:
    disk = small_disk("1M")
    world = World(disk.path / "run.db")
    text = "x" * 5000  # more than fits into what is left of a page
    assert world.ask(m.Create((Task("a", "a"), Task("b", "b")))) == [m.OK()]
    message: m.Message = m.Create((Task("c", text),))
    results: tuple[Result, ...] = ()
    if step != "create":
        message = m.Steal("w:1", 2, native(1))
    if step in ("complete", "fail", "log"):
        assert len(world.ask(message)) == 2
        status = int(step == "fail")
        results = tuple(Result(id, 1, status, stderr=text.encode() * status) for id in (0, 1))
        message = m.Complete("w:1", results, 0, native(2))
    before = states(world.store)
    disk.fill()
    with pytest.raises(StoreError, match=r"run\.db cannot be written: the disk is full; fix that, then run the same"):
        world.ask(message)
    assert world.answers() == []
    world.loop.abandon()
    assert not any(isinstance(answer, m.OK | m.Transfer) for answer in world.answers())
    with suppress(StoreError):  # the same, once more
        world.store.close(2.0, "the disk is full")
    disk.free()

    again = World(disk.path / "run.db")
    assert states(again.store) == before
    answers = again.ask(message) if step == "create" else again.ask(m.Create((Task("c", text),)))
    assert answers == [m.OK()]
    again.store.close(3.0, "done")


def test_a_record_on_a_full_disk_can_be_read(small_disk: Callable[[str], Any], tmp_path: Path) -> None:
    disk = small_disk("1M")
    desk = Desk(disk.path / "run.db")
    desk.resume(*(task(f"t{i}") for i in range(500)))
    desk.hear(e.Finished(1.0, "w:1", [ended(i) for i in range(500)]))
    copy = killed(desk.path, disk.path / "killed.db")
    desk.close()
    disk.fill()
    with Archive(str(copy)) as archive:
        assert archive.counts() == {"done": 500}
    with pytest.raises(StoreError, match="the disk is full"):
        open_store(str(disk.path / "new.db"), "", lambda name: None, 1.0, print)


def test_log_files_on_a_full_disk_stop_the_run_and_the_record_agrees(
    small_disk: Callable[[str], Any], tmp_path: Path
) -> None:
    disk = small_disk("64k")
    desk = Desk(tmp_path / "run.db", logs=disk.path / "logs")
    desk.resume(task("t0"), task("t1"))
    desk.hear(e.Stolen(1.0, "w:1", [given(0), given(1)]), e.Finished(2.0, "w:1", [ended(0, stdout=b"text")]))
    disk.fill()
    with pytest.raises(StoreError, match=r"logs/w_1.log cannot be written: No space left on device; run the same"):
        desk.hear(e.Finished(2.0, "w:1", [ended(1, stdout=b"text" * 10_000)]))
    assert desk.ask("SELECT state FROM tasks ORDER BY id") == ["done", "waiting"]
    desk.close()
    assert look(desk.path, "SELECT outcome FROM runs") == ["done"]


class Refusing:
    """A connection whose next commits fail."""

    def __init__(self, connection: sqlite3.Connection, error: str) -> None:
        self._connection = connection
        self._error = error

    def execute(self, query: str, *values: Any) -> Any:
        if query == "COMMIT":
            raise sqlite3.OperationalError(self._error)
        return self._connection.execute(query, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        ("disk I/O error", "the disk is failing, or the quota is used up"),
        ("database or disk is full", "the disk is full"),
        ("database is locked", "database is locked"),
        ("attempt to write a readonly database", "attempt to write a readonly database"),
    ],
)
def test_a_commit_that_fails_is_a_store_error_and_leaves_nothing_behind(desk: Desk, error: str, says: str) -> None:
    desk.resume(task("t0"), task("t1"))
    connection = desk.store.connection
    desk.store.connection = Refusing(connection, error)  # type: ignore[assignment]
    with pytest.raises(StoreError, match=rf"run\.db cannot be written: {says}.*; fix that, then run the same"):
        desk.hear(e.Finished(2.0, "w:1", [ended(0)]))
    with pytest.raises(StoreError, match=says):
        desk.store.idle() or desk.hear(e.Cancelled(2.0, [named(1)], "on request"))
    desk.store.connection = connection
    assert desk.ask("SELECT state FROM tasks") == ["waiting", "waiting"]


# -- others ----------------------------------------------------------------------------------------------------------

HOLDER = """
import sys
from dwork.record.reading import Archive
from dwork.record.store import Store
from dwork.record.trouble import reading
from tests.desk import RUN, task
store = Store(sys.argv[1], RUN, lambda name: None)
store.resume([task("t0")], 1.0)
if sys.argv[2:]:
    store.close(2.0, "done")
    archive = Archive(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


def holder_of(path: Path, *more: str) -> subprocess.Popen[str]:
    """Another process that has the record, or only looks into it."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, path, *more], text=True, env=environment(), stdin=-1, stdout=-1, cwd=path.parent
    )
    assert holder.stdout is not None and holder.stdout.readline() == "open\n"
    return holder


@pytest.fixture
def held(tmp_path: Path) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    """A record that another process has."""
    path = tmp_path / "run.db"
    holder = holder_of(path)
    yield path, holder
    holder.kill()
    holder.communicate()


def test_a_record_that_another_process_has_is_refused_and_the_process_named(
    held: tuple[Path, subprocess.Popen[str]], tmp_path: Path, read_only: Callable[[Path], None]
) -> None:
    path, holder = held
    attempts: list[Callable[[], object]] = [
        lambda: Store(str(path), RUN, lambda name: None),
        lambda: open_store(str(path), "", lambda name: None, 1.0, print, fresh=True),
        lambda: Archive(str(path)),
    ]
    for attempt in attempts:
        with pytest.raises(InUse, match=rf"run\.db is in use by process {holder.pid}; wait for it, or choose another"):
            attempt()
    read_only(tmp_path)
    with pytest.raises(InUse, match=rf"run\.db is in use by process {holder.pid};"):
        Archive(str(path))


def test_a_record_of_a_process_that_was_killed_is_free(held: tuple[Path, subprocess.Popen[str]]) -> None:
    path, holder = held
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert [row[0].name for row in reopened_states(path)] == ["t0"]


def test_many_may_look_into_a_record_and_a_pool_waits_for_them(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    looker = holder_of(path, "looks")
    with Archive(str(path)) as archive:
        assert archive.counts() == {"waiting": 1}
    with pytest.raises(InUse, match=rf"run\.db is in use by process {looker.pid}; wait for it"):
        Store(str(path), RUN, lambda name: None)
    looker.communicate("")
    assert [row[0].name for row in reopened_states(path)] == ["t0"]
    assert os.listdir(tmp_path) == ["run.db"]


# -- migrations ------------------------------------------------------------------------------------------------------


def test_tables_are_made_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.db"
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS[:-1], schema.MIGRATIONS[-1] + "CREATE TABLE oops (;"))
        with pytest.raises(UsageError):
            Store(str(path), RUN, lambda name: None)
    assert look(path, "SELECT count(*) FROM sqlite_master") == [0]
    assert look(path, "PRAGMA user_version") == [0]
    assert reopened_states(path) == []


def test_a_record_is_brought_up_to_date_whole_or_not_at_all(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.resume(task("t0"))
    desk.close()
    before = look(desk.path, "SELECT sql FROM sqlite_master")

    def migrate(script: str) -> None:
        monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS[:VERSION], script))
        monkeypatch.setattr(schema, "VERSION", VERSION + 1)
        Store(desk.path, RUN, lambda name: None).close(1.0, "done")

    with pytest.raises(UsageError, match=r"run\.db is damaged or not a record"):
        migrate("ALTER TABLE tasks ADD COLUMN colour TEXT;\nCREATE INDEX oops ON nowhere(x);")
    assert look(desk.path, "SELECT sql FROM sqlite_master") == before
    assert look(desk.path, "PRAGMA user_version") == [VERSION]
    migrate("ALTER TABLE tasks ADD COLUMN colour TEXT DEFAULT 'blue';")
    assert look(desk.path, "SELECT name, colour FROM tasks") == [("t0", "blue")]
    assert look(desk.path, "PRAGMA user_version") == [VERSION + 1]


def test_the_newest_version_is_the_number_of_migrations() -> None:
    assert len(schema.MIGRATIONS) == VERSION
    connection = sqlite3.connect(":memory:", isolation_level=None)
    schema.prepare(connection, "memory")
    assert schema.version_of(connection, "memory") == VERSION
    assert State("done") is State.DONE


def test_a_full_disk_is_a_store_error_once(small_disk: Callable[[str], Any]) -> None:
    disk = small_disk("64k")
    log = Joblog(str(disk.path / "log"), lambda id: "x" * 5000)
    disk.fill()
    with pytest.raises(StoreError, match=r"--joblog .*/log cannot be written: No space left on device; run the same"):
        log.hear([e.Finished(1.0, "w:1", [ended(0)])])
    log.close()
