"""The commands that look: at a hub that runs, and at the record of a run that has ended."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dwork import Client, taskfile
from dwork.core.cause import Cause
from dwork.core.events import Failed, Stolen
from dwork.core.messages import Output
from dwork.core.task import Task
from dwork.hub.policy import Policy
from dwork.transport import HUB, wire
from tests import desk

ROOT = Path(__file__).parents[3]
TASKS = """\
echo one; echo two >&2 #DWORK name=a
echo hi; seq 20 >&2; printf '\\033[31mred\\377' >&2; exit 3 #DWORK name=bad retries=1 timeout=1h
echo never #DWORK name=never after=bad
kill -9 $$ #DWORK name=killed
#DWORK barrier
echo e,f
echo last #DWORK name=last
"""


def _on_one_core() -> None:
    """So that the order of all is known."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory in which a pool has run to its end."""
    directory = tmp_path_factory.mktemp("ended")
    (directory / "tasks.txt").write_text(TASKS)
    pool = [sys.executable, "-m", "dwork.pool", "tasks.txt", "--no-bridge", "--retry-delay", "0", "-q"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(pool, cwd=directory, env=environment, capture_output=True, preexec_fn=_on_one_core, timeout=60)
    assert ran.returncode == 1, ran.stderr
    return directory


@pytest.fixture
def look(dquery: Any, ended: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run dquery where the pool has run, on its record."""
    monkeypatch.chdir(ended)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    return lambda *arguments: dquery(*arguments, "-f", "tasks.txt.db")


@pytest.fixture
def client(kept: Any) -> Iterator[Client]:
    with Client(kept.address, timeout=60, location="node1:3") as client:
        yield client


def lines(ran: Any) -> list[str]:
    assert ran.err == ""
    return list(ran.out.splitlines())


def words(ran: Any) -> list[list[str]]:
    return [line.split() for line in lines(ran)]


# -- list -----------------------------------------------------------------------------------------------------------


def test_list_has_a_line_for_each_task(look: Any) -> None:
    found = words(look("list"))
    assert [row[:4] + row[6:] for row in found] == [
        ["#0", "done", "1", "0", "a"],
        ["#1", "failed", "2", "3", "bad"],
        ["#2", "skipped", "-", "-", "never"],
        ["#3", "failed", "1", "SIGKILL", "killed"],
        ["#5", "skipped", "-", "-", "echo", "e,f"],
        ["#6", "skipped", "-", "-", "last"],
    ]
    assert float(found[0][4]) < 10 and ":" in found[0][5]


def test_list_chooses_by_state_and_name(look: Any) -> None:
    assert [row[0] for row in words(look("list", "--state", "failed", "--state", "done"))] == ["#0", "#1", "#3"]
    assert [row[0] for row in words(look("list", "--name", "[bn]*", "--state", "skipped"))] == ["#2"]
    assert look("list", "--state", "held") == (0, "", "")
    assert look("list", "--name", "z*") == (0, "", "")


def test_list_as_json_is_an_object_a_line(look: Any) -> None:
    found = [json.loads(line) for line in lines(look("list", "--json"))]
    assert [row["name"] for row in found] == ["a", "bad", "never", "killed", "echo e,f", "last"]
    assert (found[3]["exit_status"], found[3]["signal"]) == (137, 9)
    assert found[2]["reason"] == "after bad"


def test_list_tells_of_a_running_hub_what_is_held_and_who_has_what(dquery: Any, kept: Any, client: Client) -> None:
    client.create_all([Task(name, "x") for name in ("a", "b", "c")])
    client.hold("b")
    client.steal()
    first, *others = words(dquery("list", at=kept))
    age = first.pop(4)
    assert first == ["#0", "running", "1", "-", "node1:3", "a"] and 0 <= float(age) < 60
    assert others == [["#1", "held", "-", "-", "-", "-", "b"], ["#2", "ready", "-", "-", "-", "-", "c"]]
    assert [row[0] for row in words(dquery("list", "--state", "held"))] == ["#1"]
    assert [row[0] for row in words(dquery("list", "--state", "waiting"))] == ["#1"]
    assert [row[0] for row in words(dquery("list", "--state", "held", "--state", "running"))] == ["#0", "#1"]


def test_list_has_headings_on_a_terminal_and_lines_that_fit(start: Any, kept: Any, client: Client) -> None:
    client.create("x" * 500)
    mine, its = os.openpty()
    process = start("list", at=kept, stdout=its)
    os.close(its)
    assert process.wait(timeout=20) == 0
    heading, row = os.read(mine, 10_000).decode().splitlines()
    os.close(mine)
    assert heading.split() == ["ID", "STATE", "TRY", "EXIT", "SECONDS", "WORKER", "NAME"]
    assert len(row) == 80 and "..." in row


def test_list_may_be_cut_off(start: Any, kept: Any, client: Client) -> None:
    client.create_all([Task(str(i), "x") for i in range(5000)])
    process = start("list", at=kept)
    assert process.stdout.readline().split()[0] == "#0"
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(timeout=20) == 1


# -- show -----------------------------------------------------------------------------------------------------------


def test_show_tells_the_story(look: Any) -> None:
    found = lines(look("show", "bad"))
    assert found[:4] == [
        "#1 bad",
        "  state     failed: exit status 3",
        r"  command   echo hi; seq 20 >&2; printf '\033[31mred\377' >&2; exit 3",
        "  options   timeout=1:00:00 retries=1",
    ]
    story = [line[22:].partition(" after ")[0].partition(" (")[0] for line in found if line.startswith("  2")]
    worker = story[1].removeprefix("given to ")
    attempt = [f"given to {worker}", "started", "failed: exit status 3"]
    assert story == ["queued", *attempt, *attempt]
    assert "(attempt 2)" in found[8] and found[7].endswith("; to be retried")
    assert "24 B" not in found[-1]
    assert [line.split()[:5] for line in found if line.startswith("  std")] == [
        ["stdout", "3", "B", "of", "attempt"],
        ["stderr", "60", "B", "of", "attempt"],
    ] * 2
    assert found[-11:] == ["    ...", *(f"    {n}" for n in range(12, 21)), r"    \x1b[31mred\xff"]


def test_show_tells_what_it_comes_after_and_why_it_did_not_run(look: Any) -> None:
    found = lines(look("show", "never"))
    assert found[1:4] == ["  state     skipped after bad", "  command   echo never", "  after     #1 bad (failed)"]
    assert "  after     #4 tasks.txt:5: barrier" in lines(look("show", "last"))
    assert look("show", "last").out.count("stolen") == 0
    assert "none: it is done as soon as" in look("show", "#4").out
    assert json.loads(look("show", "--json", "#2").out)["reason"] == "after bad"


def test_show_at_a_running_hub(dquery: Any, kept: Any, client: Client) -> None:
    client.create("a", ["echo", "x y"], memory=2**31, env={"K": "V W"}, min_time=90, cwd="/tmp")
    client.create("b", after=["a"])
    (task,) = client.steal()
    client._exchange._dealers[0].send(HUB, wire.encode(Output("node1:3", task.id, 1, b"x" * 2000)))
    found = lines(dquery("show", "#0", at=kept))
    assert re.fullmatch(r"  state     running for \d+\.\d\d s", found.pop(1))
    assert found[:4] == [
        "#0 a",
        "  arguments 'echo' 'x y'",
        "  options   memory=2.0 GiB cwd=/tmp min-time=1:30 env=K=V W",
        "  before    1 other task",
    ]
    assert found[4].endswith("queued by vm")
    assert found[5].endswith("given to node1:3 (attempt 1), which holds it now")
    assert found[6].startswith("  stdout    2.0 KiB of attempt 1 in ")
    client.cancel("a")
    assert dquery("show", "a").out.splitlines()[1] == "  state     cancelled: on request"


def test_show_of_a_lost_attempt_and_strange_clocks(dquery: Any, keep: Any) -> None:
    kept = keep(policy=Policy(retries=1, delay=0.0))
    with Client(kept.address) as client:
        client.create("a")
        client.steal()
        client.exit_worker()
        client.complete(client.steal()[0], -9, started=1e300, seconds=-5)
        client.complete(client.steal()[0], started=1e9, seconds=3700)
    out = dquery("show", "a", at=kept).out
    assert "interrupted: it signed off; to be retried" in out
    assert "1e+300 s after 1970" in out
    assert "done after 1:01:40" in out


# -- failed ---------------------------------------------------------------------------------------------------------


def test_failed_tells_how_and_the_end_of_stderr(look: Any) -> None:
    ran = look("failed", "-n", "2")
    assert ran.status == 1
    found = lines(ran)
    assert found[0].startswith("#1 bad: exit status 3 after 0.0") and found[0].endswith(", attempt 2")
    assert found[1:4] == ["    ...", "    20", r"    \x1b[31mred\xff"]
    assert found[4].startswith("#3 killed: SIGKILL after ")
    assert found[5] == "2 failed, 3 skipped: 2 after killed, 1 after bad"
    assert len(lines(look("failed", "-n", "0"))) == 3
    assert len(lines(look("failed"))) == 14


def test_of_a_progress_bar_only_the_last_state_is_shown_and_log_has_every_byte(
    dquery: Any, kept: Any, client: Client
) -> None:
    client.create("bar", "x")
    printed = b" 10%\r 50%\r 90%\r\ntrouble\r\n"
    client.complete(client.steal()[0], 1, stderr=printed)
    shown = dquery("failed", at=kept).out.splitlines()
    assert shown[1:-1] == ["     90%", "    trouble"]
    assert dquery("show", "bar").out.splitlines()[-2:] == ["     90%", "    trouble"]
    assert json.loads(dquery("failed", "--json").out)["stderr"] == printed.decode()


def test_failed_as_json_is_an_object_for_each_failed_task(look: Any) -> None:
    ran = look("failed", "--json")
    first, second = map(json.loads, lines(ran))
    assert [(row["name"], row["skipped"]) for row in (first, second)] == [("bad", 1), ("killed", 2)]
    assert first["stderr"].endswith("20\n\x1b[31mred\\xff")


def test_failed_without_failures_is_0(dquery: Any, kept: Any, client: Client) -> None:
    assert dquery("failed", at=kept) == (0, "0 failed, 0 skipped\n", "")
    client.create_all([Task("a,b", "x"), *(Task(str(i), "x", ("a,b",)) for i in range(3))])
    client.cancel("a,b")
    assert dquery("failed") == (0, "0 failed, 3 skipped: 3 after a,b\n", "")
    assert dquery("failed", "--json") == (0, "", "")


def test_the_seconds_of_what_timed_out_are_told_once(dquery: Any, tmp_path: Path) -> None:
    pool = desk.Desk(tmp_path / "tasks.txt.db")
    pool.resume(desk.task("a"))
    late = desk.ended(0, started=1000.0, seconds=1.0, exit_status=143, cause=Cause.TIMEOUT, error="timed out after 1 s")
    pool.hear(Failed(1001.0, "node1:3", late))
    pool.close()
    assert lines(dquery("failed", "-f", pool.path))[0] == "#0 a: timed out after 1 s on node1:3"
    assert lines(dquery("show", "a", "-f", pool.path))[-1].endswith(" failed: timed out after 1 s")


def test_failed_names_some_culprits(dquery: Any, kept: Any, client: Client) -> None:
    client.create_all([Task(f"c{i}", "x") for i in range(7)])
    client.create_all([Task(f"{i}-{k}", "x", (f"c{i}",)) for i in range(7) for k in range(i + 1)])
    for task in client.steal(7):
        client.complete(task, 1, error="timed out after 1 s")
    found = lines(dquery("failed", at=kept))
    assert found[0].startswith("#0 c0: timed out after 1 s")
    assert found[-1] == (
        "7 failed, 28 skipped: 7 after c6, 6 after c5, 5 after c4, 4 after c3, 3 after c2, and after 2 others"
    )


# -- why ------------------------------------------------------------------------------------------------------------


def test_why_of_an_ended_run(look: Any) -> None:
    bad = "#1 bad failed: exit status 3 (attempt 2); the next run retries it"
    assert lines(look("why", "bad")) == [bad]
    assert lines(look("why", "last")) == [
        "#6 last is skipped. What keeps it from running:",
        "  #3 killed failed: SIGKILL (attempt 1); the next run retries it",
        f"  {bad}",
    ]
    assert lines(look("why", "a"))[0].startswith("#0 a is done (ended 2")
    assert json.loads(look("why", "never", "--json").out) == {
        "id": 2,
        "name": "never",
        "state": "skipped",
        "causes": [{"id": 1, "name": "bad", "state": "failed", "why": bad[7:], "via": []}],
        "more": False,
    }


def test_why_a_large_task_waits(dquery: Any, kept: Any, client: Client) -> None:
    client.create("l", "x", cores=4)
    client.create("k", "x", cores=3)
    assert [task.name for task in client.steal()] == ["l"]
    assert lines(dquery("why", "k", at=kept)) == ["#1 k is ready: no worker has 3 cores free"]


def test_why_at_a_running_hub(dquery: Any, kept: Any, client: Client) -> None:
    def why(task: str) -> list[str]:
        return lines(dquery("why", task, at=kept))

    client.create_all(
        [
            *(
                Task(name, "x", (), taskfile.parse([taskfile.Source("", b"x #DWORK retries=1")])[0].options)
                for name in "abc"
            ),
            Task("join", None, ("a", "b")),
            Task("d", "x", ("join", "c")),
            Task("e", "x", ("d",)),
            Task("f", "x", ("e", "a")),
        ]
    )
    assert why("a") == ["#0 a is ready, but no task is running: no worker has asked for one"]
    client.hold("b")
    client.steal()
    assert why("c") == ["#2 c is ready: all workers are busy (1 running, 1 ready)"]
    assert why("#1") == ["#1 b is held; dquery release '#1' lets it start"]
    found = why("f")
    assert found[0] == "#6 f waits. What keeps it from running:"
    assert found[1] == "  #1 b is held; dquery release '#1' lets it start (before #4 d, #5 e)"
    assert found[2] == "  #2 c is ready: all workers are busy (1 running, 1 ready) (before #4 d, #5 e)"
    assert found[3].startswith("  #0 a is running or about to start on node1:3 (since 2")
    client.complete("a", 3)
    assert why("a") == ["#0 a will be retried shortly: exit status 3 in attempt 1"]
    client.cancel("c")
    assert why("e") == [
        "#5 e is skipped. What keeps it from running:",
        "  #2 c was cancelled; dquery retry '#2' runs it again",
    ]
    assert why("#2") == ["#2 c was cancelled; dquery retry '#2' runs it again"]


def test_why_of_a_join_is_about_what_comes_before_it(dquery: Any, kept: Any, client: Client) -> None:
    client.create_all([Task("a", "x"), Task("join", None, ("a",))])
    found = lines(dquery("why", "join", at=kept))
    assert found == [
        "#1 join waits. What keeps it from running:",
        "  #0 a is ready, but no task is running: no worker has asked for one",
    ]
    client.complete(client.steal()[0])
    assert lines(dquery("why", "join")) == ["#1 join is done; nothing keeps it from running any more"]


def test_why_walks_to_the_end_of_a_long_chain(dquery: Any, kept: Any, client: Client) -> None:
    client.create_all([Task("0", "x"), *(Task(str(i), "x", (str(i - 1),)) for i in range(1, 2000))])
    assert lines(dquery("why", "500", at=kept))[1].endswith("(before #1 1, #2 2, #3 3 and 496 more)")
    assert lines(dquery("why", "1999"))[1:] == ["  and perhaps others"]


def test_why_tells_of_many_causes_some(dquery: Any, kept: Any, client: Client) -> None:
    client.create_all([*(Task(str(i), "x") for i in range(500)), Task("last", "x", tuple(map(str, range(500))))])
    found = lines(dquery("why", "last", at=kept))
    assert len(found) == 12 and found[-1] == "  and perhaps others"
    assert json.loads(dquery("why", "last", "--json").out)["more"] is True


# -- log ------------------------------------------------------------------------------------------------------------


def test_log_prints_each_stream_where_it_belongs(look: Any) -> None:
    assert look("log", "a") == (0, "one\n", "two\n")
    assert look("log", "a", "--stdout") == (0, "one\n", "")
    assert look("log", "a", "--stderr") == (0, "two\n", "")
    assert json.loads(look("log", "a", "--json").out) == {
        "id": 0,
        "name": "a",
        "attempt": 1,
        "stdout": "one\n",
        "stderr": "two\n",
    }
    assert json.loads(look("log", "bad", "--json", "--stderr").out)["stderr"].endswith("\x1b[31mred\udcff")


def test_log_prints_bytes_as_they_are(start: Any, ended: Path) -> None:
    process = start("log", "bad", "--attempt", "1", "--stderr", "-f", str(ended / "tasks.txt.db"), text=False)
    out, err = process.communicate(timeout=20)
    assert out == b"".join(b"%d\n" % n for n in range(1, 21)) + b"\x1b[31mred\xff"
    assert (process.returncode, err) == (0, b"")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["bad", "--attempt", "3"], "task 'bad' is failed: it has had 2 attempts"),
        (["last"], "task 'last' is skipped: it has not run"),
        (["nosuch"], "there is no task 'nosuch'; dquery list shows all tasks"),
        (["12"], "there is no task '12'; write a number as '#12'"),
    ],
)
def test_log_of_what_is_not_there_is_one_line(look: Any, arguments: list[str], text: str) -> None:
    assert look("log", *arguments) == (1, "", f"dquery: {text}\n")


def test_log_says_when_nothing_is_kept(look: Any) -> None:
    assert look("log", "killed") == (0, "", "No output is stored for attempt 1 of #3 killed.\n")


def test_log_says_when_its_file_is_gone_or_cut(dquery: Any, ended: Path, tmp_path: Path) -> None:
    shutil.copytree(ended, tmp_path / "copy")
    (log,) = (tmp_path / "copy" / "tasks.txt.logs").iterdir()
    record = str(tmp_path / "copy" / "tasks.txt.db")
    os.truncate(log, 20)
    ran = dquery("log", "a", "-f", record)
    assert (ran.status, ran.out) == (1, "")
    assert "the output of #0 a is incomplete: " in ran.err
    log.unlink()
    ran = dquery("log", "a", "-f", record)
    assert (ran.status, ran.out) == (1, "")
    assert f"tasks.txt.logs/{log.name} no longer exists" in ran.err


def test_log_follows_until_the_task_has_ended(start: Any, keep: Any) -> None:
    kept = keep(policy=Policy(retries=1, delay=0.0))
    with Client(kept.address, location="node1:3") as client:
        client.create("a")
        (task,) = client.steal()

        def prints(stream: int, data: bytes) -> None:
            client._exchange._dealers[0].send(HUB, wire.encode(Output("node1:3", task.id, stream, data)))

        prints(1, b"one\n")
        process = start("log", "a", "--follow", at=kept)
        assert process.stdout.readline() == "one\n"
        prints(2, b"two\n")
        assert process.stderr.readline() == "two\n"
        client.complete(task, 1, stdout=b"three\n")
        assert process.stdout.readline() == "three\n"
        (task,) = client.steal()
        client.complete(task, stdout=b"four\n")
        assert process.communicate(timeout=20) == ("four\n", "")
        assert process.returncode == 0
        again = start("log", "a", "--follow", "--attempt", "1", "--stdout", at=kept)
        assert again.communicate(timeout=20) == ("one\nthree\n", "")


def test_log_that_follows_says_when_the_hub_has_gone(start: Any, keep: Any) -> None:
    kept = keep()
    with Client(kept.address, location="w") as client:
        client.create("a")
        client.steal()
        client._exchange._dealers[0].send(HUB, wire.encode(Output("w", 0, 1, b"one\n")))
        process = start("--timeout", "0.5", "log", "a", "--follow", at=kept)
        assert process.stdout.readline() == "one\n"
        kept.stop()
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out) == (1, "")
        assert err.startswith("dquery: the hub is gone;")


# -- rest -----------------------------------------------------------------------------------------------------------


def test_rest_is_a_task_file_with_the_reasons(look: Any) -> None:
    assert lines(look("rest")) == [
        "# 5 tasks left of tasks.txt.db: 2 failed, 3 skipped",
        "# failed: exit status 3 (attempt 2)",
        TASKS.splitlines()[1].replace("retries=1 timeout=1h", "timeout=3600 retries=1"),
        "# skipped after bad",
        "echo never #DWORK name=never after=bad",
        "# failed: SIGKILL (attempt 1)",
        "kill -9 $$ #DWORK name=killed",
        "#DWORK barrier",
        "# skipped after killed",
        "echo e,f",
        "# skipped after killed",
        "echo last #DWORK name=last",
    ]
    assert look("rest", "--json") == look("rest", "--format", "jsonl")
    assert json.loads(lines(look("rest", "--json"))[0])["name"] == "bad"


def test_rest_of_a_killed_run_says_what_workers_had(dquery: Any, here: Path) -> None:
    pool = desk.Desk(here / "tasks.txt.db")
    pool.resume(desk.task("a"), desk.task("b"))
    pool.hear(Stolen(1000.0, "node1:3", [desk.given(0)]))
    desk.killed(pool.path, here / "killed.db")
    pool.close()
    assert lines(dquery("rest", "-f", "killed.db")) == [
        "# 2 tasks left of killed.db: 2 waiting",
        "# attempt 1 was held by node1:3 when the run was killed",
        "a",
        "b",
    ]


def test_rest_of_a_running_hub_is_the_same_graph(dquery: Any, kept: Any, client: Client) -> None:
    many = [f"s{i}" for i in range(1200)]
    tasks = [
        *(Task(name, "x") for name in many),
        Task("j", None, tuple(many)),
        Task("k", None, ("j",)),
        Task("r1", ("echo", "x y"), ("k",)),
        Task("r2", "y", ("k", "r1")),
    ]
    client.create_all(tasks)
    for task in client.steal(2):
        client.complete(task, 0 if task.name == "s0" else 3)
    client.retry("s1")
    client.steal()
    client.hold("s3")
    found = lines(dquery("rest", at=kept))
    assert found[0].startswith("# 1,201 tasks left: 1,200 waiting") or "1 running" in found[0]
    assert found[-4:] == [
        "x #DWORK name=s1199",
        "#DWORK barrier",
        "echo 'x y' #DWORK name=r1",
        "y #DWORK name=r2 after=r1",
    ]
    assert "# held" in found and sum(line.startswith("# running: attempt") for line in found) == 1


def test_rest_says_when_lines_cannot_tell(dquery: Any, kept: Any, client: Client) -> None:
    assert dquery("rest", at=kept) == (0, "# nothing is left\n", "")
    client.create("a", "x\ny")
    ran = dquery("rest")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == "dquery: task 'a' cannot be written: its command has more than one line; use --format jsonl\n"
    assert dquery("rest", "--format", "jsonl").out == '{"command": "x\\ny", "name": "a"}\n'
    assert dquery("rest", "--json", "--format", "lines").status == 2


# -- status ---------------------------------------------------------------------------------------------------------


def test_status_of_an_ended_run(look: Any) -> None:
    assert lines(look("status")) == [
        "tasks.txt.db: 0 tasks of 6 not ended.",
        *("0 waiting", "0 ready", "0 running", "1 done", "2 failed", "3 skipped", "0 cancelled"),
    ]
    found = json.loads(look("status", "--json").out)
    assert (found["active"], found["ready"], found["counts"]["skipped"]) == (0, 0, 3)


# -- strange names --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["list", "show", "failed", "why"])
def test_nothing_of_a_task_can_move_the_cursor(dquery: Any, kept: Any, client: Client, command: str) -> None:
    name = "a\x1b[2J\r\n\u202eb"
    client.create(name, "echo \x1b[2J\udcff\\")
    client.create("c" + name, after=[name])
    client.complete(client.steal()[0], 1, stderr=b"\x1b[2J\xff\r\n", error="\x1b[2J\n")
    arguments = {"show": [name], "why": ["c" + name]}.get(command, [])
    out = dquery(command, *arguments, at=kept).out
    assert "\\x1b[2J" in out and out.replace("\n", "").isprintable()
