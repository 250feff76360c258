"""Running tasks: real processes, what they print, how they end, and that none is left."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import resource
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dwork.core.cause import Cause
from dwork.core.messages import Execution
from dwork.core.shell import Shell
from dwork.core.task import PLAIN, Assigned, Command, Options
from dwork.host import descriptors
from dwork.host.processes import PARENT, STATE, stats
from dwork.host.signals import Signals
from dwork.runner import processes
from dwork.runner.capture import PIECE
from dwork.runner.guard import children
from dwork.runner.processes import ORPHANS
from dwork.runner.runner import Refused, Runner
from dwork.runner.stream import SHORT
from tests.frozen import frozen
from tests.leftovers import is_gone
from tests.needs import missing
from tests.system.runner.bench import Bench, bench_of
from tests.waiting import wait_until


@pytest.fixture
def bench() -> Iterator[Bench]:
    with bench_of() as bench:
        yield bench


@pytest.mark.parametrize(
    ("command", "status", "number"),
    [
        ("true", 0, 0),
        ("/bin/true", 0, 0),
        ("exit 7", 7, 0),
        ("kill -9 $$", 137, 9),
        ("kill $$", 143, 15),
        ("no-such-program --at-all", 127, 0),
        ("no-such-program; exit $?", 127, 0),
        ("/etc/passwd", 126, 0),
        ("/", 126, 0),
        (("sh", "-c", "exit 3"), 3, 0),
        (("no such program",), 127, 0),
        (": nothing to do", 0, 0),
        ("", 0, 0),
    ],
)
def test_the_exit_status_is_what_a_shell_would_say(bench: Bench, command: Command, status: int, number: int) -> None:
    result = bench.run(command)
    assert (result.task, result.attempt, result.exit_status, result.signal) == (1, 3, status, number)


@contextlib.contextmanager
def at_most_open(more: int) -> Iterator[None]:
    """This process can open so many files more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free + more, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_start_for_whose_output_there_is_no_pipe_is_refused_and_others_run(bench: Bench) -> None:
    with at_most_open(3), pytest.raises(Refused, match="Too many open files"):  # one pipe and a half
        bench.start("true")
    assert bench.run("true").exit_status == 0


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOMEM, errno.ENFILE, errno.EMFILE])
def test_a_start_that_the_system_refuses_is_no_failure_and_leaves_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    opened = len(os.listdir("/proc/self/fd"))
    with monkeypatch.context() as patch:

        def refuse(*args: object, **more: object) -> int:
            raise OSError(number, os.strerror(number))

        patch.setattr("os.posix_spawnp", refuse)
        with pytest.raises(Refused, match=os.strerror(number)):
            bench.start("true")
    assert len(os.listdir("/proc/self/fd")) == opened
    assert bench.run("true").exit_status == 0


def test_a_second_task_leaves_some_descriptors_free() -> None:
    with bench_of(slots=2) as bench:
        newest = os.dup(0)
        os.close(newest)
        bench.runner._processes._limit = newest + 40
        started = 0
        with pytest.raises(Refused):
            for started in range(20):
                assert bench.start("sleep 1000", id=started) is None
        assert 1 <= started < 10


def test_tasks_have_the_limit_of_open_files_that_the_user_has(monkeypatch: pytest.MonkeyPatch) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    monkeypatch.setattr(descriptors, "_given", [])
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    try:
        with bench_of(slots=64) as bench:
            assert descriptors.limit() > 200
            assert bench.run("ulimit -n").stdout == b"200\n"
            assert descriptors.limit() > 200
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_what_a_task_has_left_behind_is_reaped_when_no_task_runs(bench: Bench) -> None:
    assert bench.run("setsid sh -c 'read line < /dev/null; exec sleep 0.3' > /dev/null 2>&1 &").exit_status == 0

    def is_reaped() -> bool:
        bench.runner.poll(time.time())
        return not [pid for pid, fields in stats() if int(fields[PARENT]) == os.getpid() and fields[STATE] == b"Z"]

    wait_until(lambda: len([*children()]) == 1)
    wait_until(is_reaped)


def test_a_process_that_may_not_be_signalled_keeps_no_worker_from_leaving(monkeypatch: pytest.MonkeyPatch) -> None:
    with bench_of() as bench:
        assert bench.run("sleep 1000 > /dev/null 2>&1 & echo $!").exit_status == 0
        (left,) = [pid for pid in children() if pid != bench.runner._processes._guard.pid]
        kill = os.kill

        def refuse(pid: int, number: int) -> None:
            if pid == left:  # as one that runs as root by sudo
                raise PermissionError(1, "Operation not permitted")
            kill(pid, number)

        monkeypatch.setattr("os.kill", refuse)
    assert not is_gone(left)
    kill(left, signal.SIGKILL)


def test_also_of_short_output_no_more_is_kept_than_the_limit(bench: Bench) -> None:
    bench.runner.capture.limit = 100
    result = bench.run("seq 1000")
    assert result.stdout == b""
    assert sum(len(piece) for _, _, piece in bench.sunk) < 200 and b"bytes omitted" in bench.sunk[1][2]


def test_output_and_errors_come_apart_and_whole(bench: Bench) -> None:
    result = bench.run("echo out; echo err >&2; printf more")
    assert (result.stdout, result.stderr) == (b"out\nmore", b"err\n")
    assert bench.sunk == []


def test_the_output_of_one_task_never_shows_in_that_of_the_next(bench: Bench) -> None:
    assert bench.run("echo one").stdout == b"one\n"
    assert bench.run("/bin/true").stdout == b""
    assert bench.run("echo two").stdout == b"two\n"


@pytest.mark.parametrize("command", [("sh", "-c"), ("setsid", "sh", "-c")])
def test_what_a_task_left_behind_cannot_write_into_the_output_of_the_next(
    bench: Bench, tmp_path: Path, command: tuple[str, ...]
) -> None:
    left_behind = (
        f"touch {tmp_path}/up; while [ ! -e {tmp_path}/go ]; do sleep 0.01; done; echo late; touch {tmp_path}/said"
    )
    bench.run(f"{' '.join(command)} '{left_behind}' & while [ ! -e {tmp_path}/up ]; do sleep 0.01; done")
    bench.start(f"touch {tmp_path}/go; while [ ! -e {tmp_path}/said ]; do sleep 0.01; done; echo mine")
    assert bench.wait()[0].stdout == b"mine\n"


def test_what_a_task_left_behind_may_go_on_talking(bench: Bench, tmp_path: Path) -> None:
    """Nobody hears it, but it neither waits for a reader nor is it ended for want of one."""
    talk = f"touch {tmp_path}/up; head -c 1000000 /dev/zero && touch {tmp_path}/said"
    assert len(bench.run(f"setsid sh -c '{talk}' & while [ ! -e {tmp_path}/up ]; do sleep 0.01; done").stdout) < SHORT
    bench.start(f"while [ ! -e {tmp_path}/said ]; do sleep 0.01; done; echo mine")
    assert bench.wait()[0].stdout == b"mine\n"


@pytest.mark.parametrize("name", ["/dev/stderr", "/dev/fd/2", "/proc/self/fd/2"])
def test_writing_to_a_stream_by_its_name_leaves_what_was_said_before(bench: Bench, name: str) -> None:
    assert bench.run(f"echo a >&2; echo b > {name}; echo c >&2").stderr == b"a\nb\nc\n"


def test_a_task_that_closes_its_streams_runs_on(bench: Bench, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "go")
    bench.start(f"echo a; exec >&- 2>&-; read x < {tmp_path}/go")
    (tmp_path / "go").write_text("on\n")
    assert bench.wait()[0].stdout == b"a\n"


def test_a_task_whose_output_cannot_be_kept_has_not_ended_well(bench: Bench) -> None:
    """A limit on the size of files stands for a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * SHORT, hard))
    try:
        result = bench.run("head -c 1000000 /dev/zero")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (result.exit_status, result.cause, result.error) == (
        74,
        Cause.OUTPUT,
        "its output cannot be stored: File too large (exit status 74)",
    )
    kept = b"".join(data for _, _, data in bench.sunk)  # all pieces before the one that did not fit
    assert len(kept) <= 2 * SHORT and kept == bytes(len(kept))
    assert bench.run("echo well").stdout == b"well\n"


def test_long_output_comes_in_pieces_and_not_with_the_result(bench: Bench) -> None:
    size = PIECE + SHORT + 1
    result = bench.run(f"head -c {size} /dev/zero; echo short >&2")
    assert (result.stdout, result.stderr) == (b"", b"short\n")
    assert [(task, stream) for task, stream, _ in bench.sunk] == [(1, 1), (1, 1)]
    assert b"".join(data for _, _, data in bench.sunk) == bytes(size)


def wait_for(bench: Bench, *texts: bytes) -> None:
    """Look again, a second later each time by the runner's clock, until these have come through the sink."""
    until = time.monotonic() + 20
    now = time.time()
    while any(text not in b"".join(data for _, _, data in bench.sunk) for text in texts):
        assert time.monotonic() < until, "it did not come"
        now += 1.0
        assert not bench.runner.poll(now)
    bench.runner.capture.rests_until = 0.0  # the clock is set back


def test_what_a_long_task_prints_is_passed_on_while_it_runs(bench: Bench, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "go")
    bench.runner.capture.passes_on = True
    bench.start(f"echo one; echo two >&2; read x < {tmp_path}/go; echo three")
    wait_for(bench, b"one\n", b"two\n")
    (tmp_path / "go").write_text("on\n")
    (result,) = bench.wait()
    assert (result.stdout, result.stderr) == (b"", b"")
    assert sorted(bench.sunk) == [(1, 1, b"one\n"), (1, 1, b"three\n"), (1, 2, b"two\n")]


def test_what_a_task_prints_now_and_then_is_passed_on_at_once_and_more_only_once_a_second(
    bench: Bench, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "go")
    bench.runner.capture.passes_on = True
    bench.start(f"while read x; do echo $x; done < {tmp_path}/go; echo end")
    start = time.time()
    go = os.open(tmp_path / "go", os.O_RDWR)  # as long as it is open, the task finds no end of it

    def sunk_after(word: str, now: float) -> bytes:
        """Let the task print a word and the runner read it at that time; return all that was passed on."""
        os.write(go, f"{word}\n".encode())
        _, stream = bench.runner.capture._streams.values()  # standard error is read first
        assert stream is not None
        until, size = time.monotonic() + 20, stream.size
        while stream.size == size:
            assert time.monotonic() < until
            bench.runner.capture.rests_until = 0.0
            assert not bench.runner.poll(now)
        return b"".join(data for _, _, data in bench.sunk)

    assert sunk_after("one", start + 0.5) == b""
    assert not bench.runner.poll(start + 1.5)
    assert sunk_after("two", start + 5.0) == b"one\ntwo\n"
    assert sunk_after("three", start + 5.5) == b"one\ntwo\n"
    assert start + 5.9 < bench.runner.deadline < start + 6.1
    assert not bench.runner.poll(start + 6.1)
    assert [data for _, _, data in bench.sunk] == [b"one\n", b"two\n", b"three\n"]
    assert bench.runner.deadline == pytest.approx(start + 5.0 + ORPHANS)  # only to look for orphans
    bench.runner.capture.rests_until = 0.0
    bench.runner.kill(1, time.time(), Cause.CANCELLED, "enough")
    bench.wait()
    os.close(go)


def test_nothing_is_passed_on_that_nobody_asked_for(bench: Bench, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "go")
    start = time.time()
    bench.start(f"echo one; read x < {tmp_path}/go")
    assert bench.runner.deadline >= start + ORPHANS  # only to look for orphans
    (tmp_path / "go").write_text("on\n")
    assert bench.wait()[0].stdout == b"one\n"


@pytest.mark.parametrize("passes_on", [False, True])
def test_of_too_much_output_the_middle_is_left_out(bench: Bench, tmp_path: Path, passes_on: bool) -> None:
    bench.runner.capture.passes_on, bench.runner.capture.limit = passes_on, 100_000
    bench.start(f"seq -w 1 25000; while [ ! -e {tmp_path}/go ]; do sleep 0.01; done; seq -w 25001 50000")
    if passes_on:
        wait_for(bench, b"08333\n")
    (tmp_path / "go").touch()
    assert bench.wait()[0].stdout == b""
    printed = b"".join(data for _, _, data in bench.sunk)
    whole = b"".join(b"%05d\n" % i for i in range(1, 50001))
    assert printed == whole[:50_000] + b"\n[dwork: 200,000 bytes omitted here]\n" + whole[-50_000:]


def test_a_task_knows_who_and_where_it_is(bench: Bench) -> None:
    bench.runner.configure(Execution(), {"DWORK_SERVER": "tcp://hub:1"})
    names = "$DWORK_TASK_NAME/$DWORK_TASK_ID/$DWORK_ATTEMPT/$DWORK_WORKER/$DWORK_SLOT/$DWORK_SERVER"
    assert bench.run(f'echo "{names}"').stdout == b"a name/1/3/here:1/0/tcp://hub:1\n"


def test_a_task_gets_its_own_variables_and_others_do_not(bench: Bench) -> None:
    options = Options(env=(("COLOUR", "blau\udcff"),))
    assert bench.run("echo $COLOUR", options).stdout == b"blau\xff\n"
    assert bench.run("echo $COLOUR").stdout == b"\n"


def test_its_own_path_decides_what_is_started(bench: Bench, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\necho found\n")
    program.chmod(0o755)
    assert bench.run("program").exit_status == 127
    assert bench.run("program", Options(env=(("PATH", str(tmp_path)),))).stdout == b"found\n"


def test_a_path_that_is_set_for_all_tasks_decides_too(bench: Bench, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\necho found\n")
    program.chmod(0o755)
    bench.runner.configure(Execution(set=(("PATH", f"{tmp_path}:/bin:/usr/bin"),)), {})
    assert bench.run("program").stdout == b"found\n"
    assert bench.run("program", Options(cores=2)).stdout == b"found\n"


def test_bytes_that_are_no_text_reach_the_command_unchanged(bench: Bench) -> None:
    assert bench.run("printf %s 'caf\udce9' && :").stdout == b"caf\xe9"


def test_a_script_without_a_first_line_runs_as_a_shell_would_run_it(bench: Bench, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("echo plain $1\n")
    script.chmod(0o755)
    assert bench.run(f"{script} words").stdout == b"plain words\n"


def test_a_script_without_a_first_line_that_is_found_in_path_is_the_file_that_runs(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "other").mkdir()
    script = tmp_path / "bin" / "plain"
    script.write_text("echo found $0 $1\n")
    script.chmod(0o755)
    (tmp_path / "plain").write_text("echo wrong file\n")
    (tmp_path / "other" / "plain").write_text("echo wrong file\n")
    monkeypatch.chdir(tmp_path)
    found, own = f"found {script} 1\n".encode(), (("PATH", f"{tmp_path}/bin:/bin:/usr/bin"),)
    assert bench.run("plain 1", Options(env=own)).stdout == found
    assert bench.run("plain 1", Options(env=own, cwd="other")).stdout == found
    assert bench.run("plain 1", Options(env=(("PATH", "bin:/bin"),))).stdout == b"found ./bin/plain 1\n"
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    assert bench.run("plain 1").stdout == found
    with bench_of() as later:  # its tasks have that PATH as well
        assert later.run("plain 1 | cat").stdout == found
        assert later.run("plain 1", Options(cwd="other")).stdout == found


def test_a_script_without_a_first_line_may_have_a_name_that_looks_like_an_option(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "-e").mkdir()
    script = tmp_path / "-e" / "plain"
    script.write_text("echo found\n")
    script.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    assert bench.run("-e/plain").stdout == b"found\n"


@pytest.mark.parametrize(
    ("first_bytes", "reason"),
    [
        (b"#!/no/such/python3 -u\n", "its interpreter /no/such/python3 does not exist"),
        (b"#! /no/such/python3", "its interpreter /no/such/python3 does not exist"),
        (
            b"#!/bin/sh\r\necho\r\n",
            "its #! line has a Windows line end, so /bin/sh is not found; convert the file with dos2unix",
        ),
    ],
)
@pytest.mark.parametrize("own_path", [False, True])
def test_the_error_names_the_interpreter_that_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first_bytes: bytes, reason: str, own_path: bool
) -> None:
    script = tmp_path / "their-script"
    script.write_bytes(first_bytes)
    script.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    options = Options(env=(("PATH", path),)) if own_path else PLAIN
    if not own_path:
        monkeypatch.setenv("PATH", path)
    with bench_of() as bench:
        for command in "their-script", str(script):
            result = bench.run(command, options)
            assert (result.exit_status, result.error) == (127, f"cannot start {script}: {reason} (exit status 127)")
        assert bench.run("./their-script", Options(cwd=str(tmp_path))).error == (
            f"cannot start ./their-script: {reason} (exit status 127)"
        )


@pytest.mark.parametrize("own_path", [False, True])
def test_the_error_says_why_a_file_in_the_working_directory_cannot_be_started(
    bench: Bench, tmp_path: Path, own_path: bool
) -> None:
    (tmp_path / "their-script").write_text("echo hi\n")
    (tmp_path / "their-place").mkdir()
    options = Options(cwd=str(tmp_path), env=(("PATH", "/bin"),) if own_path else ())
    errors = {
        "./their-script": "./their-script: it is not executable; chmod +x makes it so (exit status 126)",
        "./their-place": "./their-place: it is a directory (exit status 126)",
        "their-script": "their-script: not found in PATH; the working directory has a file of that name: ",
        "their-place": "their-place: not found in PATH (exit status 127)",
    }
    for command, error in errors.items():
        assert bench.run(command, options).error.startswith(f"cannot start {error}")


def test_the_error_says_that_the_loader_of_a_program_is_missing(bench: Bench, tmp_path: Path) -> None:
    program = tmp_path / "program"
    data = Path("/bin/true").read_bytes()
    loader = re.search(rb"/lib[^\0]*/ld[^\0]*", data)
    if loader is None:
        pytest.skip("/bin/true has no loader here")
    program.write_bytes(data.replace(loader[0], b"/no" + loader[0][3:]))
    program.chmod(0o755)
    result = bench.run(str(program))
    assert result.exit_status == 127
    assert (
        result.error
        == f"cannot start {program}: its loader is missing: it was built for another system (exit status 127)"
    )


def test_a_line_may_call_a_function_that_bash_has_exported(monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("bash") is None:
        missing("bash")
    monkeypatch.setenv("BASH_FUNC_greet%%", "() { echo hello $1; }")
    with bench_of() as bench:
        assert bench.run("greet you", Options(shell=Shell(("bash",)))).stdout == b"hello you\n"
        assert bench.run("greet you", Options(shell=Shell(("/bin/dash",)))).exit_status == 127
        assert bench.run(("bash", "-c", "greet me")).stdout == b"hello me\n"


def test_no_two_tasks_that_run_at_a_time_have_the_same_slot(bench: Bench, tmp_path: Path) -> None:
    for id in range(3):
        assert bench.start(f"echo $DWORK_SLOT; until [ -e {tmp_path}/{id} ]; do sleep 0.01; done", id=id) is None
    (tmp_path / "1").touch()
    assert bench.wait()[0].stdout == b"1\n"
    assert bench.start("/no/such/program", id=4) is not None
    assert bench.run("echo $DWORK_SLOT").stdout == b"1\n"
    (tmp_path / "0").touch()
    (tmp_path / "2").touch()
    assert sorted(result.stdout for result in bench.wait(2)) == [b"0\n", b"2\n"]
    assert bench.run("echo $DWORK_SLOT").stdout != b"3\n"


def test_standard_input_is_empty(bench: Bench) -> None:
    assert bench.run("cat; readlink /proc/self/fd/0").stdout == b"/dev/null\n"


def test_a_working_directory_is_kept_to(bench: Bench, tmp_path: Path) -> None:
    assert bench.run("pwd -P", Options(cwd=str(tmp_path))).stdout.decode().strip() == str(tmp_path.resolve())
    assert bench.run(("pwd",), Options(cwd=str(tmp_path))).stdout.decode().strip() == str(tmp_path)


def test_what_is_said_of_a_place_whose_name_is_no_text_is_text(bench: Bench) -> None:
    result = bench.run("pwd", Options(cwd="/no/such\udcff"))
    why = "cannot start /no/such\\xff: no such directory (exit status 126)"
    assert (result.exit_status, result.error) == (126, why)
    result = bench.run(("/no/such\udcff\n",))
    why = "cannot start /no/such\\xff\\n: No such file or directory (exit status 127)"
    assert (result.exit_status, result.error) == (127, why)


def test_a_working_directory_is_no_other_because_of_a_variable_that_a_shell_heeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in (tmp_path, tmp_path / "elsewhere"):
        (place / "data").mkdir(parents=True)
    (tmp_path / "-").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CDPATH", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("OLDPWD", str(tmp_path / "elsewhere"))
    with bench_of() as bench:
        for directory in "data", "-", "./data", f"{tmp_path}/data":
            result = bench.run('pwd; echo "$CDPATH"', Options(cwd=directory))
            assert result.stdout.decode() == f"{tmp_path / directory}\n{tmp_path}/elsewhere\n"


def test_a_working_directory_has_the_name_that_the_user_gave_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real" / "inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real/inner")
    monkeypatch.chdir(tmp_path)
    for here in str(tmp_path), "/no/such/place":
        monkeypatch.setenv("PWD", here)
        with bench_of() as bench:
            for directory, name in (f"{tmp_path}/link", "link"), ("link/..", "real"), (".", ""):
                told = bench.run("pwd; echo $PWD; /bin/pwd", Options(cwd=directory)).stdout.decode().split()
                assert told[0] == told[1] == f"{tmp_path}/{name}".rstrip("/")
                assert told[2] == os.path.realpath(directory)
    assert os.getcwd() == str(tmp_path)


def test_a_worker_whose_own_directory_is_gone_runs_tasks_with_one_of_their_own(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert bench.run("pwd", Options(cwd=str(tmp_path))).stdout.decode() == f"{tmp_path}\n"
    assert bench.run(("true",)).ok


def test_a_working_directory_that_does_not_exist_is_a_failed_task(bench: Bench) -> None:
    result = bench.run("pwd", Options(cwd="/no/such/place"))
    assert (result.exit_status, result.cause) == (126, Cause.NOT_STARTED)
    assert result.error == "cannot start /no/such/place: no such directory (exit status 126)"


def test_a_pipe_in_a_task_is_broken_as_usual(bench: Bench) -> None:
    """Python ignores SIGPIPE, and a task must not inherit that."""
    assert bench.run("yes | head -1").stdout == b"y\n"
    assert bench.run("sh -c 'kill -PIPE $$' && :").signal in (0, signal.SIGPIPE)


@pytest.mark.parametrize("name", ["n" * 131_000, "ü" * 65_535])
def test_a_name_too_long_for_the_environment_does_not_fail_the_task(bench: Bench, name: str) -> None:
    result = bench.start('echo "<$DWORK_TASK_NAME>"', name=name) or bench.wait()[0]
    assert (result.stdout, result.error) == (b"<>\n", "")


def test_a_command_longer_than_linux_can_start_is_a_failed_task(bench: Bench) -> None:
    result = bench.run("echo " + "x" * 200_000)
    assert result.exit_status == 126
    assert "too long" in result.error


def test_a_command_with_a_nul_is_a_failed_task(bench: Bench) -> None:
    assert bench.run("echo a\0b").exit_status == 126


def test_a_task_that_takes_too_long_is_ended_with_its_children(bench: Bench, tmp_path: Path) -> None:
    result = bench.run(f"sleep 1000 & echo $! > {tmp_path}/child; wait", Options(timeout=0.1))
    assert (result.exit_status, result.signal, result.cause) == (143, 15, Cause.TIMEOUT)
    assert result.error == "timed out after 0.1 s"
    assert 0.1 <= result.seconds < 10
    _assert_gone(int((tmp_path / "child").read_text()))


def test_a_task_that_ignores_term_is_killed_after_the_grace_period(bench: Bench) -> None:
    result = bench.run("trap '' TERM; while :; do sleep 0.05; done", Options(timeout=0.1))
    assert (result.exit_status, result.signal) == (137, 9)
    assert result.error == "timed out after 0.1 s"


def test_a_task_that_ends_well_when_its_time_is_up_has_failed_all_the_same(bench: Bench) -> None:
    result = bench.run("trap 'exit 0' TERM; while :; do sleep 0.01; done", Options(timeout=0.2))
    assert (result.exit_status, result.error) == (124, "timed out after 0.2 s")


def test_a_killed_task_says_why(bench: Bench) -> None:
    bench.start("sleep 1000")
    bench.runner.kill(1, time.time(), Cause.CANCELLED, "cancelled")
    [result] = bench.wait()
    assert (result.exit_status, result.cause, result.error) == (143, Cause.CANCELLED, "cancelled")


def test_many_tasks_at_a_time_all_end(bench: Bench) -> None:
    for id in range(64):
        assert bench.start(f"exit {id}", id=id) is None
    results = {result.task: result.exit_status for result in bench.wait(64)}
    assert results == {id: id for id in range(64)}


def test_usage_is_measured(bench: Bench) -> None:
    result = bench.run("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done")
    assert 0 < result.user <= result.seconds + 0.1


def test_memory_is_that_of_the_task_and_unknown_when_the_worker_had_more(bench: Bench) -> None:
    mine = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    assert bench.run("true").max_rss == bench.run("exec awk 'BEGIN { print 1 }'").max_rss == 0
    large = 2 * mine + (100 << 20)
    assert large < bench.run(f"dd if=/dev/zero of=/dev/null bs={large} count=1 2>/dev/null; true").max_rss < 2 * large
    assert bench.run("true").max_rss == 0


def test_nothing_outlives_a_runner_not_even_what_has_left_its_session(tmp_path: Path) -> None:
    with Signals([signal.SIGCHLD]) as signals:
        bench = Bench(Runner("here:1", lambda *piece: None, grace=0.5), signals)
        daemon = f"setsid sh -c 'echo $$ > {tmp_path}/daemon; exec sleep 1000'"
        bench.run(f"{daemon} & while [ ! -s {tmp_path}/daemon ]; do sleep 0.01; done")
        bench.start(f"echo $$ > {tmp_path}/task; exec sleep 1000")
        wait_until(lambda: (tmp_path / "task").exists() and (tmp_path / "task").read_text())
        bench.runner.close()
    for name in ("daemon", "task"):
        _assert_gone(int((tmp_path / name).read_text()))


def test_nothing_outlives_a_runner_that_was_killed(tmp_path: Path) -> None:
    """The guard sees the pipe break; SIGKILL leaves no time for anything else."""
    pid = os.fork()
    if not pid:
        runner = Runner("here:1", lambda *piece: None, grace=1)
        runner.start(Assigned(1, 1, "n", f"echo $$ > {tmp_path}/task; exec sleep 1000"), time.time())
        while True:
            signal.pause()
    task = tmp_path / "task"
    wait_until(lambda: task.exists() and task.read_text().endswith("\n"))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    wait_until(lambda: is_gone(int(task.read_text())))


@pytest.mark.parametrize(
    "command",
    [
        "env -i sleep 1000 & echo $! > {pid}; wait",
        "exec env -i /bin/sh -c 'echo $$ > {pid}; exec sleep 1000'",
        "setsid env -i /bin/sh -c 'echo $$ > {pid}; exec sleep 1000'",
        "setsid env -i /bin/sh -c 'echo $$ > {pid}; exec sleep 1000' & wait",
        "setsid env -i /bin/sh -c 'trap \"\" TERM; setsid sleep 1000 & echo $! > {pid}; wait' & wait",
        "(setsid env -i /bin/sh -c 'echo $$ > {pid}; exec sleep 1000' &) ; exec sleep 1000",
    ],
)
def test_no_process_outlives_a_runner_that_was_killed_whatever_its_environment(tmp_path: Path, command: str) -> None:
    known = f"{tmp_path}/known"
    child = os.fork()
    if not child:
        runner = Runner("here:1", lambda *piece: None, grace=1)
        runner.start(Assigned(1, 1, "n", command.format(pid=f"{tmp_path}/pid")), time.time())
        until = time.time() + 3.0  # a daemon of a running task is known after two seconds
        while time.time() < until:
            runner.poll(time.time())
            time.sleep(0.02)
        Path(known).touch()
        while True:
            signal.pause()
    pid = tmp_path / "pid"
    wait_until(lambda: os.path.exists(known) and pid.exists() and pid.read_text().endswith("\n"))
    assert not is_gone(int(pid.read_text()))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    wait_until(lambda: is_gone(int(pid.read_text())))


def _assert_gone(pid: int) -> None:
    wait_until(lambda: is_gone(pid))


def test_after_a_standstill_a_task_has_as_much_time_as_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    sent, signal_group = [], processes._signal_group
    monkeypatch.setattr(processes, "_signal_group", lambda pid, n: sent.append(n) or signal_group(pid, n))
    with bench_of() as bench:
        begun = time.time()
        bench.start("exec sleep 1000", Options(timeout=10.0))
        bench.runner.postpone(3600.0)
        assert bench.runner.poll(begun + 3609.0) == [] and sent == []
        bench.runner.poll(time.time() + 3610.0)
        assert sent[0] == signal.SIGTERM
        assert bench.wait()[0].error == "timed out after 10 s"


def test_a_task_that_cannot_be_killed_fails_loses_its_slot_and_is_waited_for_no_longer(tmp_path: Path) -> None:
    with frozen(tmp_path) as path, bench_of(2) as bench:
        bench.start(("touch", f"{path}/x"), Options(timeout=0.1))
        assert bench.runner.deadline < float("inf")
        [stuck] = bench.wait()
        assert stuck.cause is Cause.TIMEOUT and not stuck.ok
        assert re.fullmatch(r"timed out after 0.1 s; its process \d+ cannot be killed", stuck.error)
        assert [assigned.id for assigned in bench.runner.stuck] == [1]
        bench.start("echo $DWORK_SLOT", id=2)
        assert bench.wait()[0].stdout == b"1\n", "the slot 0 is lost"
        begin = time.monotonic()
        bench.runner.kill(1, time.time(), Cause.CANCELLED, "cancelled")
        assert bench.runner.poll(time.time()) == [], "it has ended once"
    assert time.monotonic() - begin < 30.0


def test_what_a_task_leaves_behind_and_cannot_be_killed_does_not_keep_the_worker(tmp_path: Path) -> None:
    with frozen(tmp_path) as path, bench_of() as bench:
        assert bench.run(f"setsid touch {path}/x & sleep 0.1").ok
        bench.runner.close()
        bench.runner.close = lambda: None  # type: ignore[method-assign]


def test_a_task_has_its_own_grace_to_end_after_term() -> None:
    with bench_of() as bench:
        script = "trap 'sleep 1; echo saved; exit 3' TERM; sleep 1000 & wait"
        bench.start(script, Options(grace=60.0, timeout=0.3))
        [ended] = bench.wait()
        assert (ended.stdout, ended.cause, ended.exit_status) == (b"saved\n", Cause.TIMEOUT, 3)
        bench.start(("sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"), Options(grace=0.0, timeout=0.3))
        [ended] = bench.wait()
        assert ended.signal == signal.SIGKILL
