"""The pool runs the task files of other systems."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dwork.core.shell_syntax.features import Dialect
from dwork.host.shell import dialect

POOL = [sys.executable, "-m", "dwork.pool"]


def test_a_file_whose_lines_end_in_the_background_is_refused_whole(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("touch ran\n(sleep 1; touch r1) &\n(sleep 1; touch r2) &\nwait\n")
    ran = run(*POOL, "tasks.txt")
    assert (ran.code, ran.out) == (2, "")
    (line,) = ran.own_err
    assert line.startswith('dwork: tasks.txt:2: "&" leaves a process in the background')
    assert "remove the &" in line
    assert not (tmp_path / "ran").exists()


@pytest.mark.skipif(dialect() is Dialect.BASH, reason="/bin/sh is bash, where &> is for output")
def test_output_to_a_file_as_only_bash_writes_it_is_refused_where_sh_is_another(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("true\nsh -c 'echo computing; exit 7' &> amp.log\n")
    ran = run(*POOL, "tasks.txt")
    assert ran.code == 2 and ran.own_err[0].startswith('dwork: tasks.txt:2: "&>" runs the command in the background')
    (tmp_path / "tasks.txt").write_text("sh -c 'echo computing; exit 7' &> amp.log\n")
    assert run(*POOL, "--format", "launcher", "tasks.txt").code == 1
    assert (tmp_path / "amp.log").read_text() == "computing\n"


def test_a_line_that_waits_for_its_own_background_runs(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("(sleep 0.1; echo a) & echo b & wait\n")
    ran = run(*POOL, "tasks.txt")
    assert (ran.code, ran.out) == (0, "b\na\n"), ran.err


def test_a_file_of_disbatch(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "tasks").write_text(
        "#DISBATCH PREFIX ( \n#DISBATCH SUFFIX  ) > ${DISBATCH_NAMETASKS}_${DISBATCH_TASKID_ZP}.log\n"
        "[[ ab == a* ]] && echo bash\n#DISBATCH REPEAT 2 start 5 echo $DISBATCH_REPEAT_INDEX\n"
        "#DISBATCH BARRIER CHECK\n#DISBATCH PREFIX \n#DISBATCH SUFFIX \ncat tasks_*.log"
    )
    ran = run(*POOL, "--format", "disbatch", "tasks")
    assert (ran.code, ran.out) == (0, "bash\n5\n6\n"), ran.err


@pytest.mark.parametrize(("barrier", "first"), [("BARRIER", "above\nbelow\n"), ("BARRIER CHECK", "above\n")])
def test_what_stands_below_a_barrier_of_disbatch_runs_after_failures_unless_it_checks(
    run: Callable, tmp_path: Path, barrier: str, first: str
) -> None:
    (tmp_path / "tasks").write_text(f"[[ -e there ]]\necho above\n#DISBATCH {barrier}\necho below\n")
    ran = run(*POOL, "--format", "disbatch", "tasks")
    assert (ran.code, ran.out) == (1, first), ran.err
    (tmp_path / "there").touch()
    ran = run(*POOL, "--format", "disbatch", "tasks")
    assert (ran.code, ran.out) == (0, "below\n"), ran.err


def test_lines_that_are_added_at_the_end_run_alone(run: Callable, tmp_path: Path) -> None:
    tasks = tmp_path / "tasks"
    tasks.write_text("echo $LAUNCHER_JID $DISBATCH_TASKID\n")
    for form, first, second in (("launcher", "1\n", "2\n"), ("disbatch", "0\n", "1\n")):
        record = ("-f", f"{form}.db", "--format", form, "tasks")
        assert run(*POOL, *record).out == first
        tasks.write_text(tasks.read_text() * 2)
        assert run(*POOL, *record).out == second
        tasks.write_text("echo $LAUNCHER_JID $DISBATCH_TASKID\n")


def test_a_file_of_the_launcher_with_all_that_it_trips_over(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "jobs").write_text("\necho $LAUNCHER_JID a  'b  *'\n\n# note\necho $LAUNCHER_JID last")
    ran = run(*POOL, "--keep-order", "--format", "launcher", "jobs")
    assert (ran.code, ran.out) == (0, "1 a b  *\n3 last\n"), ran.err


def test_a_file_of_greasy(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "tasks").write_text("[@ d @] echo a > a\n# note\n[# -2 #] [@ $PWD/d @]cat a; pwd\n")
    ran = run(*POOL, "--format", "greasy", "tasks")
    assert (ran.code, ran.out) == (0, f"a\n{tmp_path}/d\n"), ran.err


def test_a_file_of_hyperqueue(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "job.toml").write_text(
        'name = "job"\n[[task]]\nid = 7\ncommand = ["cat"]\nstdin = "$in\\n"\nstdout = "made/%{TASK_ID}.out"\n'
        '[[task]]\ndeps = [7]\ncommand = ["sh", "-c", "cat 7.out; echo $A $HQ_TASK_ID $OMP_NUM_THREADS"]\n'
        'cwd = "made"\nenv = { A = "a b" }\n'
    )
    ran = run(*POOL, "job.toml")
    assert (ran.code, ran.out) == (0, "$in\na b 8 1\n"), ran.err
    assert run(*POOL, "job.toml").out == ""


def test_a_task_of_hyperqueue_makes_its_directory_and_writes_there(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "job.toml").write_text(
        '[array]\nids = "1-2"\ncwd = "run-%{TASK_ID}"\nstdout = "out/%{INSTANCE_ID}"\n'
        'command = ["sh", "-c", "pwd; echo $HQ_SUBMIT_DIR; exit $((HQ_TASK_ID - 1))"]\n'
        'stderr = { path = "%{SUBMIT_DIR}/err-%{TASK_ID}", on_close = "rm-if-finished" }\n'
    )
    ran = run(*POOL, "--retries", "1", "job.toml")
    assert ran.code == 1, ran.err
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.glob("*/*/*")}
    assert found == {"run-1/out/0", "run-2/out/0", "run-2/out/1"}
    assert (tmp_path / "run-2" / "out" / "1").read_text() == f"{tmp_path}/run-2\n{tmp_path}\n"
    assert [path.name for path in tmp_path.glob("err-*")] == ["err-2"]


def test_jobs_of_the_launcher_run_in_its_directory(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "jobs").write_text("pwd; sh -c 'echo $LAUNCHER_WORKDIR'\n")
    ran = run(*POOL, "--no-record", "--format", "launcher", "jobs")
    assert (ran.code, ran.out) == (0, f"{tmp_path}\n{tmp_path}\n"), ran.err
    ran = run(*POOL, "--no-record", "--format", "launcher", "jobs", LAUNCHER_WORKDIR=f"{tmp_path}/scratch")
    assert (ran.code, ran.out) == (0, f"{tmp_path}/scratch\n{tmp_path}/scratch\n"), ran.err
    assert any(f"jobs:1: tasks start in {tmp_path}/scratch" in line for line in ran.own_err)


def test_lines_of_pylauncher(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "lines").write_text("2,echo PYL_ID $DWORK_CORES\n\n# note\n1,[[ a == a ]] && echo PYL_ID\n")
    ran = run(*POOL, "--slots", "2", "--keep-order", "--format", "pylauncher", "lines")
    assert (ran.code, ran.out) == (0, "0 2\n1\n"), ran.err
    ran = run(*POOL, "lines")
    assert ran.code == 2 and "use --format pylauncher" in ran.own_err[0]


def test_tasks_of_a_dag_find_its_variables(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "x.dag").write_text('TASK a -c 1.5 -m 2.5 sh -c "echo $PMC_TASK $PMC_CPUS $PMC_MEMORY $DWORK_CORES"\n')
    ran = run(*POOL, "--slots", "2", "x.dag")
    assert (ran.code, ran.out) == (0, "a 2 3 2\n"), ran.err
