"""The formats of others: csv, jsonl, dag and rescue files."""

from __future__ import annotations

import json

import pytest

from dwork.core.errors import TaskFileError
from dwork.core.task import EndWarning, Options, Task
from dwork.taskfile import Problems, Rescue, Source, parse, without
from dwork.taskfile.foreign.dag import split


def csv_of(text: str | bytes) -> list[Task]:
    return parse([Source("t.csv", text.encode() if isinstance(text, str) else text, "csv")])


def jsonl_of(*objects: object) -> list[Task]:
    return parse([Source("t.jsonl", "\n".join(map(json.dumps, objects)).encode(), "jsonl")])


def dag_of(text: str | bytes) -> list[Task]:
    return parse([Source("t.dag", text.encode() if isinstance(text, str) else text, "dag")])


def pmc(task: str, memory: str, cpus: str) -> tuple[tuple[str, str], ...]:
    return ("PMC_TASK", task), ("PMC_MEMORY", memory), ("PMC_CPUS", cpus)


def test_a_csv_row_is_a_command_and_its_predecessors() -> None:
    assert csv_of("a\n\nb , a,\n,,\nc, a,b,a,,\r\n") == [
        Task("a", "a"),
        Task("b", "b", ("a",)),
        Task("c", "c", ("a", "b")),
    ]


def test_a_quoted_csv_field_may_have_commas_quotes_and_line_ends() -> None:
    first, second = csv_of('"echo ""a, b"";\r\necho c"\r\nd, "echo ""a, b"";\necho c"')
    assert first == Task('echo "a, b";\necho c', 'echo "a, b";\necho c')
    assert second.after == (first.name,)
    assert first.name is first.command


def test_csv_names_are_literal_and_may_come_later() -> None:
    assert [task.after for task in csv_of("a,b*\nb*\n")] == [("b*",), ()]
    with pytest.raises(TaskFileError, match=r'^t\.csv:1: unknown predecessor "b\*"'):
        csv_of("a,b*\nbc\n")


def test_csv_commands_keep_bytes_that_are_not_utf8() -> None:
    first, second = csv_of(b"a\xff\nb,a\xff\n")
    assert (first.name, first.command, second.after) == ("a\\xff", "a\udcff", ("a\\xff",))


def test_a_json_object_says_all_that_a_line_can_and_env() -> None:
    env = (("K", "V"), ("L", ""))
    asked = Options(2, 2**31, 1, 90.0, 0, -3, "/tmp", 3600.0, env, grace=120.0, warn=EndWarning(10, 300.0))
    assert jsonl_of(
        {"command": "first", "name": "one"},
        {
            "command": ["solve", "a b", ""],
            "after": ["one"],
            "cores": 2,
            "memory": "2G",
            "gpus": 1,
            "timeout": 90,
            "retries": 0,
            "priority": -3,
            "cwd": "/tmp",
            "min-time": "1h",
            "grace": "2m",
            "warn": "SIGUSR1@5m",
            "env": {"K": "V", "L": ""},
        },
        {"command": "last", "after": "one", "memory": 1.5, "timeout": 0.5},
        {"command": "last"},
    ) == [
        Task("one", "first"),
        Task(
            "solve 'a b' ''",
            ("solve", "a b", ""),
            ("one",),
            asked,
        ),
        Task("last", "last", ("one",), Options(memory=2, timeout=0.5)),
        Task("last #2", "last"),
    ]


def test_json_texts_are_taken_exactly_and_after_is_never_split() -> None:
    first, second = jsonl_of({"command": " a, b\n"}, {"command": "c", "after": " a, b\n"})
    assert first == Task(" a, b\n", " a, b\n")
    assert second.after == (first.name,)


def test_json_after_takes_globs() -> None:
    assert jsonl_of({"command": "a"}, {"command": "aa"}, {"command": "b", "after": ["a*"]})[2].after == ("a", "aa")


def test_json_escapes_of_undecodable_bytes_are_these_bytes() -> None:
    (task,) = parse([Source("t.jsonl", b'{"command": "a\\udcff\xfe"}', "jsonl")])
    assert (task.name, task.command) == ("a\\xff\\xfe", "a\udcff\udcfe")


def test_a_dag_is_read_as_pegasus_mpi_cluster_reads_it() -> None:
    tasks = dag_of(
        "# comment\n#@ 1 diamond::preprocess:4.0 ID01\nEDGE a c\n"
        "  TASK a\t/bin/echo  hello 'big world'  \r\n"
        "TASK b -m 1.5 -c 1.2 -t 3 -p -4 sleep -t 1\n"
        "TASK c --request-memory 0 --request-cpus 0 --tries 1 --priority +2 true\n\n"
        "EDGE b c\nEDGE a c\n"
    )
    assert tasks == [
        Task("a", ("/bin/echo", "hello", "big world"), (), Options(env=pmc("a", "0", "1"))),
        Task(
            "b", ("sleep", "-t", "1"), (),
            Options(cores=2, memory=2 * 2**20, retries=2, priority=-4, env=pmc("b", "2", "2")),
        ),
        Task("c", ("true",), ("a", "b"), Options(retries=0, priority=2, env=pmc("c", "0", "0"))),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("a b", ["a", "b"]),
        ("a \t\v b", ["a", "b"]),
        ("'a b' c", ["a b", "c"]),
        ('a"b"c', ["ab", "c"]),
        ('a "" b', ["a", "", "b"]),
        ("\"it's\"b'", ["it", "sb"]),
        ("a\\ b \\' \\\\", ["a b", "'", "\\"]),
        ("'a\\'b'", ["a'b"]),
        ("a\\", ["a\\"]),
        ("$HOME *", ["$HOME", "*"]),
    ],
)
def test_dag_quotes_are_toggles_that_end_an_argument(text: str, arguments: list[str]) -> None:
    assert split(text) == arguments


def test_a_rescue_file_says_what_is_done() -> None:
    rescue = Rescue("r", b"\nDONE a\n\nDONE b\r\n# note\n\nDONE  a\nDONE\tc")
    assert rescue.done == {"a": 2, "b": 4, "c": 8}
    assert not Rescue("r", b"").done


def test_a_rescue_file_of_another_dag_is_refused() -> None:
    rescue = Rescue("r", b"DONE a\nDONE b\nDONE c\n")
    rescue.check(dag_of("TASK a x\nTASK b x\nTASK c x\nTASK d x\n"), Problems())
    with pytest.raises(TaskFileError, match=r'^r:2: no TASK "b" in the dag; delete this line, or the file'):
        rescue.check(dag_of("TASK a x\nTASK d x\n"), Problems())


@pytest.mark.parametrize("line", ["DON", "DONE", "DONE a b", "done a", "DONEa"])
def test_other_text_in_a_rescue_file_is_refused(line: str) -> None:
    with pytest.raises(TaskFileError, match=rf'^r:2: "{line}" is not "DONE id"; correct or delete this line$'):
        Rescue("r", f"DONE x\n{line}\n".encode())


def test_a_graph_without_what_is_done_does_not_refer_to_it() -> None:
    tasks = dag_of("TASK a x\nTASK b x\nTASK c x\nEDGE a b\nEDGE b c\nEDGE a c\n")
    left = without(tasks, ["a"])
    assert [(task.name, task.after) for task in left] == [("b", ()), ("c", ("b",))]
    assert without(tasks, []) == tasks
