"""Job files of HyperQueue."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from dwork.core.task import Options, Task
from dwork.core.text import UserText
from dwork.taskfile import Invocation, Source, format_of, parse

ONE_CPU = (("OMP_NUM_THREADS", "1"), ("HQ_RESOURCE_REQUEST_cpus", "1 compact"))


def read_with_remarks(text: str) -> tuple[list[Task], list[str]]:
    reported: list[str] = []
    return parse([Source("job.toml", text.encode(), "hq")], tell=reported.append), reported


def tasks_of(text: str) -> list[Task]:
    return read_with_remarks(text)[0]


def options_of(text: str) -> Options:
    (task,) = tasks_of(f'[[task]]\ncommand = ["x"]\n{text}\n')
    return task.options


def env_of(task: Task) -> dict[str, str]:
    return dict(task.options.env)


def test_a_file_that_ends_in_toml_is_one() -> None:
    assert format_of("job.toml") == "hyperqueue"


def test_the_smallest_file_is_one_task() -> None:
    assert tasks_of('[[task]]\ncommand = ["sleep", "1"]\n') == [
        Task("task-1", ("sleep", "1"), (), Options(env=(*ONE_CPU, ("HQ_JOB_ID", "1"), ("HQ_TASK_ID", "1"))))
    ]


def test_tasks_without_a_number_get_those_above_the_highest() -> None:
    text = "\n".join(f'[[task]]\n{id}\ncommand = ["x"]' for id in ("", "id = 12", "id = 3", "", ""))
    tasks = tasks_of(text)
    assert [task.name for task in tasks] == ["task-13", "task-12", "task-3", "task-14", "task-15"]
    assert [env_of(task)["HQ_TASK_ID"] for task in tasks] == ["13", "12", "3", "14", "15"]


def test_a_job_has_a_name_and_its_tasks_come_after_one_another() -> None:
    tasks = tasks_of(
        'name = "sim"\n[[task]]\nid = 5\ncommand = ["c"]\ndeps = [1, 3, 1]\n'
        '[[task]]\nid = 1\ncommand = ["a"]\n[[task]]\nid = 3\ncommand = ["b", ""]\n'
    )
    assert [(task.name, task.command, task.after) for task in tasks] == [
        ("sim-5", ("c",), ("sim-1", "sim-3")),
        ("sim-1", ("a",), ()),
        ("sim-3", ("b", ""), ()),
    ]


def test_a_task_asks_for_what_it_would_ask_hyperqueue() -> None:
    assert options_of(
        'time_limit = "1m 10s"\npriority = -1\n[[task.request]]\n'
        'resources = { cpus = "4", "gpus/nvidia" = 2, mem = 1.5 }\ntime_request = "1h 30min"\nn_nodes = 0\n'
    ) == Options(
        4, 3 * 2**19, 2, 70.0, None, -1, None, 5400.0,
        (
            ("OMP_NUM_THREADS", "4"), ("HQ_RESOURCE_REQUEST_cpus", "4 compact"),
            ("HQ_RESOURCE_REQUEST_gpus_nvidia", "2 compact"), ("CUDA_DEVICE_ORDER", "PCI_BUS_ID"),
            ("HQ_RESOURCE_REQUEST_mem", "1.5 compact"),
            ("HQ_JOB_ID", "1"), ("HQ_TASK_ID", "1"),
        ),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10s", 10), ("2h37min", 9420), ("15days 2min 2s", 1296122), ("500ms", 0.5), ("1week", 604800), (" 1 h ", 3600)],
)
def test_times_are_read_as_hyperqueue_reads_them(text: str, seconds: float) -> None:
    assert options_of(f'time_limit = "{text}"').timeout == seconds


def test_a_part_of_a_core_is_a_core() -> None:
    tasks, (reported,) = read_with_remarks('[[task]]\ncommand = ["x"]\nrequest = [{ resources = { cpus = 0.5 } }]')
    assert tasks[0].options.cores == 1
    assert "OMP_NUM_THREADS" not in env_of(tasks[0])
    assert reported.startswith("job.toml:1: cpus: a fraction is rounded up")


def test_of_several_requests_the_first_counts_and_that_is_reported() -> None:
    tasks, (reported,) = read_with_remarks(
        '[[task]]\ncommand = ["x"]\n[[task.request]]\nresources = { cpus = 8 }\n'
        "[[task.request]]\nresources = { cpus = 1 }\n"
    )
    assert tasks[0].options.cores == 8
    assert env_of(tasks[0])["HQ_RESOURCE_VARIANT"] == "0"
    assert "only the first of several requests is used" in reported


def test_variables_of_the_file_win_over_those_for_its_cores() -> None:
    (task,) = tasks_of('[[task]]\ncommand = ["x"]\n[task.env]\nOMP_NUM_THREADS = "7"\nA = "b c"\n')
    assert env_of(task) == {
        "OMP_NUM_THREADS": "7",
        "HQ_RESOURCE_REQUEST_cpus": "1 compact",
        "A": "b c",
        "HQ_JOB_ID": "1",
        "HQ_TASK_ID": "1",
    }


@pytest.mark.parametrize(
    ("ids", "numbers"),
    [("2, 10-12, 120", [2, 10, 11, 12, 120]), ("0-10:5", [0, 5, 10]), ("7-7", [7]), ("1_000-1_001", [1000, 1001])],
)
def test_an_array_has_a_task_for_each_number(ids: str, numbers: list[int]) -> None:
    tasks = tasks_of(f'name = "a"\n[array]\nids = "{ids}"\ncommand = ["x"]\n')
    assert [task.name for task in tasks] == [f"a-{n}" for n in numbers]
    assert [env_of(task)["HQ_TASK_ID"] for task in tasks] == list(map(str, numbers))
    assert "HQ_ENTRY" not in env_of(tasks[0])


@pytest.mark.parametrize(("ids", "numbers"), [("", ["0", "1"]), ('ids = "2,10"', ["2", "10"])])
def test_an_array_may_have_entries(ids: str, numbers: list[str]) -> None:
    tasks = tasks_of(f'[[array]]\n{ids}\nentries = ["a", "b c"]\ncommand = ["x"]\n')
    assert [(env_of(task)["HQ_TASK_ID"], env_of(task)["HQ_ENTRY"]) for task in tasks] == [
        (numbers[0], "a"),
        (numbers[1], "b c"),
    ]


def test_what_is_ignored_is_reported_with_what_to_do() -> None:
    tasks, reported = read_with_remarks(
        'max_fails = 11\nstream = "s"\n\n[[task]]\ncommand = ["x"]\npin = "omp"\ncrash_limit = 12\n'
        '[[task.request]]\nresources = { cpus = "4 compact!" }\nweight = 2.0\n'
    )
    assert tasks[0].options.cores == 4
    assert sorted(text.split(";")[0] for text in reported) == [
        "job.toml:1: max_fails is ignored",
        "job.toml:2: stream is ignored: the output of tasks is kept in logs",
        "job.toml:4: compact! is ignored: a task gets neighbouring CPUs where possible",
        "job.toml:4: crash_limit is ignored",
        "job.toml:4: pin is ignored: a worker with several slots gives each task its own CPUs",
        "job.toml:4: weight is ignored: dwork's scheduler has no weights",
    ]
    assert any("--halt now,fail=12" in text for text in reported)


def test_what_is_ignored_in_many_tasks_is_reported_once() -> None:
    _, reported = read_with_remarks('[[task]]\ncommand = ["x"]\npin = "taskset"\n' * 3)
    assert len(reported) == 1


def started(task: Task, directory: Path, **environ: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command of a task as the runner does."""
    assert isinstance(task.command, tuple) and task.options.cwd is None
    environment = env_of(task) | {"PATH": "/bin:/usr/bin", "DWORK_ATTEMPT": "1"} | environ
    return subprocess.run(task.command, cwd=directory, env=environment, capture_output=True, check=False)


def test_placeholders_are_filled_in_in_paths_alone(tmp_path: Path) -> None:
    (task,) = tasks_of('[[task]]\ncommand = ["sh", "-c", "pwd; echo %{TASK_ID}"]\ncwd = "%{SUBMIT_DIR}-x/%{TASK_ID}"\n')
    ran = started(task, tmp_path)
    assert ran.stdout.decode() == f"{tmp_path}-x/1\n%{{TASK_ID}}\n", ran.stderr


@pytest.mark.parametrize(
    ("cwd", "stdout", "file"),
    [
        ("", "out.txt", "out.txt"),
        ("", "a/b c/out", "a/b c/out"),
        ("sub", "out.txt", "sub/out.txt"),
        ("sub/d d", "logs/%{TASK_ID}", "sub/d d/logs/1"),
        ("sub", "%{CWD}/%{JOB_ID}.out", "sub/1.out"),
        ("sub", "%{CWD}.out", "sub.out"),
        ("sub", "%{SUBMIT_DIR}/logs/x", "logs/x"),
        ("sub", "../x", "x"),
        ("sub", "%{INSTANCE_ID}.out", "sub/2.out"),
        ("", "-out", "-out"),
        ("-sub", "a$HOME'\"`id`", "-sub/a$HOME'\"`id`"),
        ("%{TASK_ID}", "%{TASK_ID}", "1/1"),
        ("", "%{SUBMIT_DIR}/%{CWD}/x", None),
    ],
)
def test_a_stream_is_relative_to_the_directory_of_its_task(
    tmp_path: Path, cwd: str, stdout: str, file: str | None
) -> None:
    start = tmp_path / "start"
    (start / "elsewhere").mkdir(parents=True)
    lines = ['[[task]]\ncommand = ["pwd", "-P"]', f"stdout = {json.dumps(stdout)}"] + (
        [f"cwd = '{cwd}'"] if cwd else []
    )
    (task,) = tasks_of("\n".join(lines))
    ran = started(task, start, CDPATH=f"{start}/elsewhere", DWORK_ATTEMPT="3")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"", b"")
    found = start / file if file is not None else Path(f"{start}/{start}/x")
    assert found.read_text() == f"{start / cwd.replace('%{TASK_ID}', '1')}\n"


def test_a_directory_that_cannot_be_made_fails_the_task(tmp_path: Path) -> None:
    (tmp_path / "sub").write_text("a file")
    (task,) = tasks_of('[[task]]\ncommand = ["touch", "ran"]\ncwd = "sub"\nstderr = "err"\n')
    ran = started(task, tmp_path)
    assert ran.returncode and b"sub" in ran.stderr and not (tmp_path / "ran").exists()


def test_tasks_find_the_directory_where_the_pool_was_started() -> None:
    text = '[[task]]\ncommand = ["ls", "$HQ_SUBMIT_DIR"]\nenv = { HQ_SUBMIT_DIR = "x" }'
    (task,) = parse([Source("t", text.encode(), "hq")], invocation=Invocation(UserText("/here")))
    assert env_of(task)["HQ_SUBMIT_DIR"] == "/here"


@pytest.mark.parametrize("status", [0, 3])
def test_a_file_that_is_not_wanted_after_a_success_is_removed_then(tmp_path: Path, status: int) -> None:
    (task,) = tasks_of(
        f'[[task]]\ncommand = ["sh", "-c", "cat; echo error >&2; exit {status}"]\ncwd = "sub"\nstdin = "in"\n'
        'stdout = { path = "out", on_close = "rm-if-finished" }\nstderr = { path = "err", on_close = "none" }\n'
    )
    assert started(task, tmp_path).returncode == status
    assert (tmp_path / "sub" / "out").exists() == bool(status)
    assert (tmp_path / "sub" / "err").read_text() == "error\n"


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        ("resources = { cpus = 1, fpgas = 1 }", 'resources: unknown resource "fpgas"'),
        ('resources = { cpus = "all" }', 'resources: cpus: "all" is not supported'),
        ("n_nodes = 2", "n_nodes: a task runs on one node"),
    ],
)
def test_a_request_for_what_no_worker_has_gives_way_to_the_next(first: str, reason: str) -> None:
    (task,), (reported,) = read_with_remarks(
        f'[[task]]\ncommand = ["x"]\n[[task.request]]\n{first}\n[[task.request]]\nresources = {{ cpus = 3 }}\n'
    )
    assert (task.options.cores, env_of(task)["HQ_RESOURCE_VARIANT"]) == (3, "1")
    assert reason in reported and "the next one is used" in reported


def test_streams_go_where_the_file_says(tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "d d").mkdir(parents=True)
    tasks = tasks_of(
        '[array]\nids = "3-4"\ncommand = ["sh", "-c", "cat; pwd; echo error >&2; exit $HQ_TASK_ID"]\ncwd = "d d"\n'
        'stdin = "it\'s\\n$HOME"\nstdout = "out it\'s/%{TASK_ID}"\n'
        'stderr = { path = "%{CWD}/%{TASK_ID}.err", on_close = "none" }\n'
    )
    for task in tasks:
        id = env_of(task)["HQ_TASK_ID"]
        assert started(task, tmp_path, CDPATH=f"{tmp_path}/elsewhere").returncode == int(id)
        assert (tmp_path / "d d" / "out it's" / id).read_text() == f"it's\n$HOME{tmp_path}/d d\n"
        assert (tmp_path / "d d" / f"{id}.err").read_text() == "error\n"


def test_a_stream_may_go_nowhere(tmp_path: Path) -> None:
    (task,) = tasks_of('[[task]]\ncommand = ["sh", "-c", "echo a; echo b >&2"]\nstdout = "none"\n')
    assert isinstance(task.command, tuple)
    ran = subprocess.run(task.command, cwd=tmp_path, capture_output=True, check=True)
    assert (ran.stdout, ran.stderr, list(tmp_path.iterdir())) == (b"", b"b\n", [])


def test_an_error_names_the_line_of_its_task() -> None:
    reported = []
    for text in ('#\n\n[[task]]\ncommand = ["x"]\n  [[ "task" ]] # two\nx = 1\n', "task = [{ x = 1 }]"):
        with pytest.raises(Exception, match="unknown key") as error:
            tasks_of(text)
        reported.append(str(error.value).split(" ")[0])
    assert reported == ["job.toml:5:", "job.toml:1:"]
