"""The setup block, by real shells: what carries over to the line, what it prints, and how it fails."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from dwork.core.cause import Cause
from dwork.core.shell import Shell
from dwork.core.task import Options
from dwork.runner.stream import SHORT
from tests.needs import missing
from tests.system.runner.bench import Bench, bench_of

SHELLS = [
    ("/bin/sh",),
    ("bash",),
    ("bash", "-euo", "pipefail"),
    ("bash", "-l"),
    ("dash", "-e"),
    ("ksh",),
    ("mksh",),
    ("yash",),
    ("zsh",),
    ("busybox", "sh"),
]


@pytest.fixture
def bench() -> Iterator[Bench]:
    with bench_of() as bench:
        yield bench


@pytest.fixture(params=SHELLS, ids=" ".join)
def words(request: pytest.FixtureRequest) -> tuple[str, ...]:
    if shutil.which(request.param[0]) is None:
        missing(request.param[0].removeprefix("/bin/"))
    return tuple(request.param)


def with_setup(words: tuple[str, ...], *setup: str) -> Options:
    return Options(shell=Shell(words, setup, tuple(f"tasks.txt:{2 + i}" for i in range(len(setup)))))


def test_what_it_defines_is_there_for_the_line(bench: Bench, words: tuple[str, ...], tmp_path: Path) -> None:
    options = with_setup(
        words, f"cd {tmp_path}", "X=1", "export Y=2", "f() {\n  echo f $1\n}", "umask 027", "false || true"
    )
    ran = bench.run("echo $? $X $Y $PWD; f 3; [ $(umask) -eq 27 ] && echo masked; env | grep -c ^Y=; false", options)
    assert ran.stdout == b"0 1 2 %b\nf 3\nmasked\n1\n" % bytes(tmp_path)
    assert (ran.exit_status, ran.stderr, ran.cause) == (1, b"", Cause.ITSELF)


def test_what_it_prints_is_marked_and_what_the_line_prints_is_not(bench: Bench, words: tuple[str, ...]) -> None:
    options = with_setup(words, "echo loading", "printf 'one\\ntwo' >&2")
    ran = bench.run("echo out; echo err >&2", options)
    assert (ran.stdout, ran.stderr) == (b"out\n", b"[setup] loading\n[setup] one\n[setup] two\nerr\n")


def test_a_command_of_it_that_fails_fails_the_task_with_its_line(
    bench: Bench, words: tuple[str, ...], tmp_path: Path
) -> None:
    ran = bench.run(f"touch {tmp_path}/ran", with_setup(words, "true", "echo 'no such module' >&2; (exit 7)", "true"))
    assert (ran.exit_status, ran.cause, ran.stdout) == (7, Cause.SETUP, b"")
    assert ran.error.startswith("its setup failed at tasks.txt:3, exit status 7: echo")
    assert ran.stderr == b"[setup] no such module\n" and not list(tmp_path.iterdir())


@pytest.mark.parametrize("end", ["exit 0", "exec true"])
def test_one_that_ends_the_shell_well_is_a_failure_too(bench: Bench, words: tuple[str, ...], end: str) -> None:
    ran = bench.run("true", with_setup(words, end))
    assert (ran.exit_status, ran.cause) == (1, Cause.SETUP)
    assert ran.error == f"its setup ended the shell at tasks.txt:2, before the command: {end}"


def test_a_plain_line_runs_in_the_shell_of_its_setup(bench: Bench, words: tuple[str, ...]) -> None:
    ran = bench.run("hello world", with_setup(words, "hello() { echo hello $1; }"))
    assert (ran.exit_status, ran.stdout) == (0, b"hello world\n")


def test_a_list_of_arguments_gets_what_the_setup_exports(bench: Bench, words: tuple[str, ...]) -> None:
    ran = bench.run(("sh", "-c", 'echo "$X" "$1"', "sh", "two words"), with_setup(words, "export X='a b'"))
    assert (ran.exit_status, ran.stdout) == (0, b"a b two words\n")


@pytest.mark.parametrize("change", ["set -- true", "set --", ". {}"])
def test_a_list_of_arguments_runs_whatever_the_setup_does_to_its_own(
    bench: Bench, words: tuple[str, ...], change: str, tmp_path: Path
) -> None:
    (tmp_path / "env").write_text("while [ $# -gt 0 ]; do shift; done\n")
    ran = bench.run(("sh", "-c", "exit $1", "sh", "5"), with_setup(words, change.format(tmp_path / "env")))
    assert (ran.exit_status, ran.cause) == (5, Cause.ITSELF)


def test_what_it_prints_cannot_pass_for_the_beginning_of_the_line(bench: Bench, words: tuple[str, ...]) -> None:
    ran = bench.run("true", with_setup(words, "{ cat /proc/self/environ; echo; exit 0; }"))
    assert (ran.exit_status, ran.cause) == (1, Cause.SETUP)


def test_what_it_leaves_behind_neither_delays_the_task_nor_prints_into_it(bench: Bench) -> None:
    ran = bench.run("echo done", with_setup(("bash",), "sleep 1000 & disown"))
    assert (ran.exit_status, ran.stdout, ran.stderr) == (0, b"done\n", b"")


def test_all_that_it_prints_is_kept_however_long_it_is(bench: Bench) -> None:
    ran = bench.run("echo end >&2", with_setup(("dash",), f"head -c {3 * SHORT} /dev/zero | tr '\\0' x; echo"))
    err = b"".join(data for _, stream, data in bench.sunk if stream == 2)
    assert ran.sent == (0, len(err)) and err == b"[setup] " + b"x" * 3 * SHORT + b"\nend\n"


def test_one_that_is_killed_is_no_failure_of_its_setup(bench: Bench) -> None:
    ran = bench.run("true", with_setup(("dash",), "kill -TERM $$"))
    assert (ran.signal, ran.cause) == (15, Cause.ITSELF) and ran.may_be_the_end


def test_it_may_use_descriptors_of_its_own(bench: Bench, tmp_path: Path) -> None:
    options = with_setup(("dash",), f"exec 9>{tmp_path}/log", "echo one >&9", "exec 8<&0")
    ran = bench.run("echo two >&9; echo three", options)
    assert (ran.stdout, (tmp_path / "log").read_text()) == (b"three\n", "one\ntwo\n")


def test_bash_runs_its_startup_file_before_a_plain_line(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "rc").write_text("echo started\n")
    environment = (("BASH_ENV", str(tmp_path / "rc")),)
    assert bench.run("/bin/echo x", Options(env=environment, shell=Shell(("bash",)))).stdout == b"started\nx\n"
    assert bench.run("/bin/echo x", Options(env=environment)).stdout == b"x\n"


def test_a_missing_shell_is_named(bench: Bench) -> None:
    ran = bench.run("true; true", Options(shell=Shell(("/no/such/shell", "-e"))))
    assert ran.exit_status == 127 and "/no/such/shell" in ran.error
