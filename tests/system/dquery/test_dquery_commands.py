"""Each command, what it prints for people, for scripts and as JSON, and its exit status."""

from __future__ import annotations

import json
import pkgutil
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import dwork.dquery
from dwork import taskfile
from dwork.core.shell import Shell
from dwork.core.task import EndWarning, Options, State
from dwork.dquery import addfile

COMMANDS = """
    addfile cancel complete completion create doctor drain exit failed graph help hold include-worker list log
    lookup release report rest retry show status steal stop-worker trace transfer watch why
    workers
""".split()
#: Those that can look in a record instead of asking a hub, or must.
LOOK = "failed graph list log report rest show status trace why".split()
MANUAL = Path(__file__).parents[3] / "docs" / "dquery.md"


def lines(text: str) -> list[str]:
    return text.splitlines()


def test_status_says_the_hubs_words_and_then_the_counts(dquery: Any, hub: Any) -> None:
    for name in "abc":
        dquery("create", name, at=hub)
    ran = dquery("status")
    assert lines(ran.out)[:3] == ["dhub: 3 active tasks, 3 ready.", "0 waiting", "3 ready"]
    assert (ran.status, ran.err) == (0, "")
    assert json.loads(dquery("status", "--json").out) == {
        "text": "dhub: 3 active tasks, 3 ready.",
        "active": 3,
        "ready": 3,
        "counts": {"waiting": 0, "ready": 3, "assigned": 0, "done": 0, "failed": 0, "skipped": 0, "cancelled": 0},
    }


def test_create_takes_a_command_and_its_predecessors(dquery: Any, hub: Any) -> None:
    assert dquery("create", "echo hi", at=hub) == (0, "Created echo hi\n", "")
    assert json.loads(dquery("create", "then", "echo hi", "--command", "echo then", "--json").out) == {
        "created": ["then"]
    }
    node = hub.hub.graph.find("then")
    assert (node.task.command, node.task.after, node.task.origin) == ("echo then", ("echo hi",), "vm")


def test_create_takes_tasks_whose_end_is_awaited(dquery: Any, hub: Any) -> None:
    for name in ("a", "b", "c"):
        dquery("create", name, at=hub)
    assert dquery("create", "d", "a", "--after-any", "b", "--after-any", "c").status == 0
    task = hub.hub.graph.find("d").task
    assert (task.after, task.after_any) == (("a",), ("b", "c"))
    ran = dquery("create", "e", "a", "--after-any", "a")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == "dquery: task 'e' has 'a' both in after and in after_any; remove it from one\n"


def test_create_takes_the_options_of_task_files(dquery: Any, hub: Any) -> None:
    text = "--cores 4 --memory 2G --gpus 1 --timeout 1h --retries 2 --priority -3 --cwd /tmp --min-time 90 --env A=1=2"
    text += " --creates out,d/log --shell bash --grace 2m --warn USR1@5m"
    assert dquery("create", "x", *text.split(), "--env", "B=", at=hub).status == 0
    variables = (("A", "1=2"), ("B", ""))
    shell, creates = Shell(("bash",)), ("out", "d/log")
    assert hub.hub.graph.find("x").task.options == Options(
        4, 2 * 2**30, 1, 3600.0, 2, -3, "/tmp", 90.0, variables, shell, creates, 120.0, EndWarning(10, 300.0)
    )


def test_names_like_options_come_after_two_dashes(dquery: Any, hub: Any) -> None:
    assert dquery("create", "--", "-n", at=hub).status == 0
    assert hub.names == ["-n"]


def test_bytes_that_are_no_text_stay_in_the_command_and_are_written_out_in_the_name(dquery: Any, hub: Any) -> None:
    assert dquery("create", "echo \udcff", at=hub) == (0, "Created echo \\\\xff\n".replace("\\\\", "\\"), "")
    task = hub.hub.graph.find("echo \\xff").task
    assert task.command == "echo \udcff"
    assert dquery("lookup", "echo \udcff").status == 0


def test_steal_tells_number_name_and_command(dquery: Any, hub: Any) -> None:
    dquery("create", "a", at=hub)
    dquery("create", "b", "--command", "echo b")
    assert dquery("steal", "-n", "5") == (0, "#0 a\n#1 b: echo b\n", "")
    assert dquery("steal") == (4, "No task is ready.\n", "")
    assert dquery("steal", "-q") == (1, "No task\n", "")
    for name in "ab":
        dquery("complete", name)
    assert dquery("steal") == (3, "All tasks are finished.\n", "")
    assert dquery("steal", "-q") == (1, "No task\n", "")


def test_steal_prints_bare_names_for_scripts(dquery: Any, hub: Any) -> None:
    for name in ("a", "b c", "\x1b[31m"):
        dquery("create", name, at=hub)
    assert dquery("steal", "-q") == (0, "a\n", "")
    assert dquery("steal", "-q", "-n", "2") == (0, "b c\n\x1b[31m\n", "")


def test_steal_as_json_has_all_of_a_task(dquery: Any, hub: Any) -> None:
    dquery("create", "a\nb", "--command", "echo", "--cores", "2", "--env", "K=V", at=hub)
    ran = dquery("steal", "--json", "w2")
    assert json.loads(ran.out) == {
        "finished": False,
        "tasks": [
            {
                "id": 0,
                "attempt": 1,
                "name": "a\nb",
                "command": "echo",
                "origin": "vm",
                "cores": 2,
                "memory": 0,
                "gpus": 0,
                "timeout": None,
                "grace": None,
                "warn": None,
                "cwd": None,
                "env": {"K": "V"},
                "shell": None,
                "setup": [],
                "creates": [],
            }
        ],
    }
    assert hub.hub.graph.find("a\nb").holder == "w2"
    none = dquery("steal", "--json")
    assert (none.status, json.loads(none.out)) == (4, {"tasks": [], "finished": False})
    dquery("complete", "a\nb", "w2")
    none = dquery("steal", "--json")
    assert (none.status, json.loads(none.out)) == (3, {"tasks": [], "finished": True})


def test_steal_prints_assignments_for_a_shell(dquery: Any, hub: Any) -> None:
    dquery("create", "it's", "--command", "echo $K; pwd", "--env", "K=a 'b'", "--cwd", "/tmp", at=hub)
    ran = dquery("steal", "--sh")
    words = dict(word.split("=", 1) for word in shlex.split(ran.out))
    assert words == {
        "id": "0",
        "attempt": "1",
        "task": "it's",
        "command": "cd -- /tmp || exit\nenv " + shlex.quote("K=a 'b'") + " sh -c 'echo $K; pwd'",
    }
    assert dquery("steal", "--sh") == (4, "", "")


def test_steal_waits_when_it_is_told_to(dquery: Any, hub: Any) -> None:
    assert dquery("steal", "--wait", "0.1", at=hub).status == 4


def test_complete_reports_success_and_failure(dquery: Any, hub: Any) -> None:
    for name in "abc":
        dquery("create", name, at=hub)
    dquery("steal", "-n", "3")
    assert dquery("complete", "a") == (0, "Completed a\n", "")
    assert dquery("complete", "b", "--exit-status", "3") == (0, "Completed b: it failed with exit status 3\n", "")
    ran = dquery("complete", "c", "--exit-status", "4", "--json")
    assert json.loads(ran.out) == {"completed": ["c"], "exit_status": 4}
    assert [hub.state(name) for name in "abc"] == [State.DONE, State.FAILED, State.FAILED]


def test_complete_and_transfer_are_for_the_holder(dquery: Any, hub: Any) -> None:
    dquery("create", "a", at=hub)
    dquery("steal", "w2")
    for command in ("complete", "transfer"):
        ran = dquery(command, "a")
        assert (ran.status, ran.out) == (1, "")
        assert ran.err.startswith("dquery: vm does not hold 'a'")
    assert dquery("transfer", "a", "--host", "w2").status == 0
    dquery("steal", "w2")
    assert dquery("complete", "a", "w2").status == 0


def test_transfer_gives_back_and_may_add_predecessors(dquery: Any, hub: Any) -> None:
    for name in "ab":
        dquery("create", name, at=hub)
    dquery("steal", "-n", "2")
    assert dquery("transfer", "a", "b") == (0, "Gave back a, to run after b\n", "")
    assert json.loads(dquery("transfer", "b", "--json").out) == {"transferred": ["b"], "after": []}
    assert (hub.state("a"), hub.state("b")) == (State.WAITING, State.READY)


def test_exit_frees_what_a_worker_has(dquery: Any, hub: Any) -> None:
    dquery("create", "a", at=hub)
    dquery("steal")
    assert dquery("exit") == (0, "vm is gone; its tasks are ready again\n", "")
    assert hub.state("a") is State.READY
    dquery("steal", "w9")
    assert json.loads(dquery("exit", "w9", "--json").out) == {"host": "w9", "known": True}
    ran = dquery("exit", "w9")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith("dquery: the hub does not know worker 'w9'")


def test_lookup_tells_state_and_holder(dquery: Any, hub: Any) -> None:
    dquery("create", "a", at=hub)
    assert dquery("lookup", "a") == (0, "#0 a: ready\n", "")
    dquery("steal", "w2")
    assert dquery("lookup", "#0") == (0, "#0: assigned (w2)\n", "")
    assert json.loads(dquery("lookup", "a", "--json").out) == {
        "name": "a",
        "state": "assigned",
        "id": 0,
        "location": "w2",
    }
    assert dquery("lookup", "nosuch") == (1, "", "dquery: there is no task 'nosuch'\n")


def test_names_cannot_play_with_a_terminal(dquery: Any, hub: Any) -> None:
    name = "a\x1b[2J\r\nb\u202e"
    escaped = "a\\x1b[2J\\r\\nb\\u202e"
    assert dquery("create", name, at=hub).out == f"Created {escaped}\n"
    assert dquery("lookup", name).out == f"#0 {escaped}: ready\n"
    assert dquery("steal").out == f"#0 {escaped}\n"
    for command in ("transfer", "steal", "complete"):
        assert "\x1b" not in dquery(command, name).out
    ran = dquery("lookup", name + "\x9b")
    assert (ran.status, len(lines(ran.err))) == (1, 1)
    assert ran.err.isprintable() or ran.err[:-1].isprintable()


# -- files ----------------------------------------------------------------------------------------------------------


def test_addfile_takes_csv_as_the_original_does_in_any_order(dquery: Any, hub: Any, tmp_path: Any) -> None:
    file = tmp_path / "tasks"
    file.write_text("b,a\na\n\n  c , a,b\n")
    assert dquery("addfile", str(file), at=hub) == (0, "Created 3 tasks\n", "")
    assert hub.hub.graph.find("c").task.after == ("a", "b")
    assert json.loads(dquery("addfile", str(file), "--json").out) == {"created": 3}
    assert sorted(hub.names) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("name", "text", "arguments"),
    [
        ("x.txt", "echo a #DWORK name=a\n#DWORK barrier\necho b #DWORK name=b", []),
        ("x.jsonl", '{"command": "echo a", "name": "a"}\n{"command": "echo b", "name": "b", "after": ["a"]}\n', []),
        ("x.dag", "TASK a echo a\nTASK b echo b\nEDGE a b\n", []),
        ("x", "a\nb,a", []),
        ("x.csv", "echo a #DWORK name=a\necho b #DWORK name=b after=a", ["--format", "lines"]),
        ("x", "a\n#DISBATCH BARRIER CHECK\nb\n", ["--format", "disbatch"]),
        ("x", "a\n[# 1 #] b\n", ["--format", "greasy"]),
    ],
)
def test_addfile_takes_every_format(
    dquery: Any, hub: Any, tmp_path: Any, name: str, text: str, arguments: list[str]
) -> None:
    (tmp_path / name).write_text(text)
    assert dquery("addfile", str(tmp_path / name), *arguments, at=hub) == (0, "Created 2 tasks\n", "")
    assert (hub.state("a"), hub.state("b")) == (State.READY, State.WAITING)


def test_addfile_takes_jobs_of_hyperqueue_and_the_launcher(dquery: Any, hub: Any, here: Path) -> None:
    (here / "job.toml").write_text('[[task]]\ncommand = ["a"]\npin = "omp"\n[[task]]\ncommand = ["b"]\ndeps = [1]\n')
    ran = dquery("addfile", "job.toml", at=hub)
    assert (ran.status, ran.out) == (0, "Created 2 tasks\n")
    assert ran.err.startswith("dquery: job.toml:1: pin is ignored")
    assert (hub.state("task-1"), hub.state("task-2")) == (State.READY, State.WAITING)
    assert dquery("addfile", "-", "--format", "launcher", stdin=b"c\n\nd").out == "Created 2 tasks\n"


def test_addfile_reads_standard_input(dquery: Any, hub: Any) -> None:
    assert dquery("addfile", "-", at=hub, stdin=b"a\nb,a") == (0, "Created 2 tasks\n", "")
    assert dquery("addfile", "-", "--format", "lines", stdin=b"echo c").out == "Created 1 task\n"


def test_addfile_may_name_tasks_that_the_hub_has(dquery: Any, hub: Any) -> None:
    dquery("create", "a", at=hub)
    assert dquery("addfile", "-", stdin=b"b,a").status == 0
    ran = dquery("addfile", "-", stdin=b"c,nosuch")
    assert (ran.status, ran.out) == (1, "")
    assert "'nosuch'" in ran.err


def test_addfile_knows_the_formats_that_there_are() -> None:
    assert addfile.FORMATS == taskfile.FORMATS


# -- what people do to tasks ----------------------------------------------------------------------------------------


def test_tasks_are_held_released_cancelled_and_retried(dquery: Any, hub: Any) -> None:
    for task in ("a", "b", "c"):
        dquery("create", task, at=hub)
    dquery("create", "after", "a")
    assert dquery("hold", "a", "#1") == (0, "Held 2 tasks\n", "")
    assert dquery("release", "?") == (0, "Released 2 tasks\n", "")
    assert dquery("cancel", "a") == (0, "Cancelled 1 task\n", "")
    assert hub.state("after") is State.SKIPPED
    assert dquery("retry", "*") == (0, "Retried 1 task\n", "")
    assert dquery("retry", "*") == (0, "Retried 0 tasks\n", "")
    assert json.loads(dquery("cancel", "--json", "*").out) == {"cancelled": 4}
    assert json.loads(dquery("retry", "--json", "a", "b").out) == {"retried": 2}
    assert json.loads(dquery("hold", "--json", "a").out) == {"held": 1}
    assert json.loads(dquery("release", "--json", "a").out) == {"released": 1}


# -- help -----------------------------------------------------------------------------------------------------------


def test_every_module_is_a_command_with_help(dquery: Any) -> None:
    names = [
        m.name.replace("_", "-") for m in pkgutil.iter_modules(dwork.dquery.__path__) if not m.name.startswith("_")
    ]
    assert names == COMMANDS
    listed = dquery("-h")
    assert listed.status == 0
    for name in names:
        first = __import__(f"dwork.dquery.{name.replace('-', '_')}", fromlist=["x"]).__doc__.splitlines()[0]
        assert f"  {name} " in listed.out
        for arguments in (["-h", name], [name, "-h"], [name, "--help"], ["help", name], ["--help", name, "rest", "-x"]):
            ran = dquery(*arguments)
            assert (ran.status, ran.err) == (0, "")
            assert first in " ".join(ran.out.split())
            assert ran.out.startswith(f"Usage: dquery {name} ")
    assert dquery("help") == listed


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_every_command_has_an_example(dquery: Any, name: str) -> None:
    assert re.search(rf"^  Examples:\n    .*\bdquery {name}\b", dquery(name, "-h").out, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_manual_with_an_example(name: str) -> None:
    text = MANUAL.read_text()
    assert f"`{name}" in text
    assert re.search(rf"^(\$ )?dquery {name}\b", text, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_those_that_look_do_so_in_a_record_too(dquery: Any, name: str) -> None:
    assert ("-f FILE" in dquery(name, "-h").out) == (name in LOOK)


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ("completion", "help", "watch")])
def test_every_command_has_json(dquery: Any, name: str) -> None:
    assert "--json" in dquery(name, "-h").out


def test_the_version_is_told(dquery: Any) -> None:
    assert dquery("--version") == (0, f"dquery {dwork.__version__}\n", "")


def test_verbose_tells_how_long_it_took_beside_the_output(dquery: Any, hub: Any) -> None:
    ran = dquery("-v", "status", "--json", at=hub)
    assert json.loads(ran.out)["active"] == 0
    assert ran.err.startswith("query time (us) = ") and int(ran.err.split()[-1]) > 0


# -- the original hub -----------------------------------------------------------------------------------------------

STATUS = "08061a1e646875623a203020616374697665207461736b732c20302072656164792e2000"
TRANSFER = "080312140a01611202766d320b080110a7a585d5f29f9803"


@pytest.mark.parametrize(
    ("arguments", "request_", "reply", "ran"),
    [
        (["status"], "0806", STATUS, (0, "dhub: 0 active tasks, 0 ready.\n")),
        (["steal"], "08013202766d", TRANSFER, (0, "a\n")),
        (["steal", "-q"], "08013202766d", TRANSFER, (0, "a\n")),
        (["steal", "-n", "3"], "080120033202766d", "0805", (4, "No task is ready.\n")),
        (["steal", "-n", "3", "w9"], "0801200332027739", "0807", (3, "All tasks are finished.\n")),
        (["create", "a"], "080012070a01611202766d", "0806", (0, "Created a\n")),
        (["create", "c", "a", "b"], "080012110a01631202766d22030a016122030a0162", "0806", (0, "Created c\n")),
        (["complete", "a"], "080212070a01611202766d3202766d", "0806", (0, "Completed a\n")),
        (["exit"], "08073202766d", "0806", (0, "vm is gone; its tasks are ready again\n")),
        (["exit", "w9"], "080732027739", "0805", (1, "")),
        (["lookup", "a"], "08041a0161", "0808", (1, "")),
        (["create", "a"], "080012070a01611202766d", "0808", (1, "")),
    ],
)
def test_with_the_original_hub_the_bytes_are_those_of_the_original_dquery(
    dquery: Callable[..., Any], puppet: Any, arguments: list[str], request_: str, reply: str, ran: tuple[int, str]
) -> None:
    served = puppet(reply)
    status, out, err = dquery(*arguments, at=served)
    assert (status, out) == ran
    assert bool(err) == (status == 1)
    assert served.next() == request_
    assert served.frames.empty()
