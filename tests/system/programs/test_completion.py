"""What bash, zsh and fish offer on TAB."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dwork.connection.directory import publish
from dwork.connection.file import Connection
from dwork.dquery.completion import PROGRAMS
from tests.conftest import environment
from tests.needs import missing
from tests.ports import free_port
from tests.waiting import wait_until

MODULES = {"dwork": "__main__", "dwork-pool": "pool"}
#: Calls the function that bash would, and prints what it would offer.
BASH = r"""
compopt() { echo "compopt $*"; }
eval "$(dquery completion bash)"
COMP_LINE=$1 COMP_POINT=${#1}
$(complete -p "${1%% *}" | sed 's/.* -F \([^ ]*\) .*/\1/') "${1%% *}"
printf '%s\n' "${COMPREPLY[@]}"
"""
#: As BASH; there what is offered goes to two functions of zsh's own.
ZSH = r"""
compdef() { :; }
list() { print -rl -- "${(@P)1}"; }
compadd() { list "${@[-1]}"; }
_describe() { list "$3"; }
_path_files() { print files; }
eval "$(dquery completion zsh)"
words=("$@")
CURRENT=$#
"_${1//-/_}_completion"
"""

#: Runs a program with another time limit for what it offers, in seconds: half of one is not enough on a busy machine.
PROGRAM = """\
#!/bin/sh
exec {python} -c '
import os, runpy, sys
from dwork.dquery import _completion
_completion.PATIENCE = float(os.environ.get("PATIENCE", "60"))
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
' dwork.{module} "$@"
"""


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    """Programs of this checkout, and a home of their own."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for name in PROGRAMS:
        program = directory / name
        program.write_text(PROGRAM.format(python=sys.executable, module=MODULES.get(name, name)))
        program.chmod(0o755)
    return {**environment(), "HOME": str(tmp_path), "PATH": f"{directory}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}


@pytest.fixture
def offered(variables: dict[str, str], tmp_path: Path) -> Callable[[str], list[str]]:
    """What bash offers for a line."""

    def ask(line: str) -> list[str]:
        ran = subprocess.run(
            ["bash", "--norc", "-c", BASH, "bash", line], cwd=tmp_path, env=variables, capture_output=True, text=True
        )
        assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
        return ran.stdout.split("\n")[:-1]

    return ask


@pytest.fixture
def hub(start: Callable, variables: dict[str, str], tmp_path: Path) -> subprocess.Popen:
    """A dhub with some tasks, which the home knows."""
    process = start(
        sys.executable, "-m", "dwork.dhub", "-q", "-f", "run.db", "-p", free_port(), **_own(variables, tmp_path)
    )
    wait_until(lambda: any((tmp_path / ".dwork").glob("*.json")))
    for words in (["create", "echo hello"], ["create", "a:b"], ["create", "solve*"], ["hold", "a:b"]):
        subprocess.run(["dquery", *words], env=variables, check=True, capture_output=True)
    return process


def _own(variables: dict[str, str], tmp_path: Path) -> dict[str, str]:
    return {"HOME": variables["HOME"], "DWORK_DIR": str(tmp_path / ".dwork")}


def test_commands_options_and_choices_are_completed(offered: Callable[[str], list[str]]) -> None:
    assert offered("dquery sho") == ["show"]
    assert offered("dquery help wor") == ["workers"]
    assert offered("dquery list --st") == ["--state"]
    assert offered("dquery list --state f") == offered("dquery list --state=f") == ["failed"]
    assert offered("dwork-pool --for") == ["--format"]
    assert offered("dwork-pool --format d") == ["dag", "disbatch"]
    assert offered("dhub --unknown-pred ") == ["error", "done"]
    assert offered("dwork-pool --slots ") == ["auto"]
    assert offered("dhub --halt now") == ["now,fail=1", "now,fail=10%"]
    assert offered("kworker --idle") == ["--idle-timeout"]


@pytest.mark.parametrize(
    "line",
    ["dwork-pool ta", "dwork-pool -f ", "dhub --file ", "dquery list -f ", "dquery addfile ", "kworker --connection "],
)
def test_files_are_left_to_the_shell(offered: Callable[[str], list[str]], line: str) -> None:
    assert offered(line) == ["compopt -o default", ""]


def test_directories_are_left_to_the_shell(offered: Callable[[str], list[str]]) -> None:
    assert offered("dwork-pool --logs ") == ["compopt -o dirnames", ""]


def test_jobs_are_those_of_the_runs_that_are_known(
    offered: Callable[[str], list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert offered("dquery --job ") == [""]
    monkeypatch.setenv("DWORK_DIR", str(tmp_path / ".dwork"))
    publish(Connection(("tcp://node17:6125",), host="node17", pid=1, job="4711"))
    publish(Connection(("tcp://node18:6125",), host="node18", pid=1, job="4712", element="4700_12"))
    assert offered("dquery --job 47") == ["4711", "4700_12"]
    assert offered("kworker --job 471") == ["4711"]


def test_tasks_are_those_for_which_a_command_is(offered: Callable[[str], list[str]], hub: subprocess.Popen) -> None:
    assert offered("dquery show ") == [r"echo\ hello", "a:b", r"solve\*"]
    assert offered("dquery show solve") == [r"solve\*"]
    assert offered("dquery hold 'solve*' ") == [r"echo\ hello", "a:b"]
    assert offered("dquery release ") == ["a:b"]
    assert offered("dquery retry ") == [""]
    assert offered("dquery show '#") == ["#0", "#1", "#2"]
    assert offered("dquery stop-worker ") == [""]


def test_verbs_are_completed_and_what_comes_after_them(
    offered: Callable[[str], list[str]], hub: subprocess.Popen
) -> None:
    assert offered("dwork po") == ["pool"]
    assert offered("dwork st") == ["status", "steal", "stop-worker"]
    assert offered("dwork help hu") == ["hub"]
    assert offered("dwork pool --format d") == ["dag", "disbatch"]
    assert offered("dwork check --no-") == ["--no-record"]  # of the pool's options, those that matter for it
    assert offered("dwork-pool --dry") == ["--dry-run"]
    assert offered("dwork hub -f ") == ["compopt -o default", ""]
    assert offered("dwork worker --idle") == ["--idle-timeout"]
    assert offered("dwork show solve") == [r"solve\*"]
    assert offered("dwork --job ") == [""]


def test_words_are_as_bash_takes_them(offered: Callable[[str], list[str]], hub: subprocess.Popen) -> None:
    assert offered("dquery show a:") == ["b"]  # bash takes what is after : as a word of its own
    assert offered("dquery show echo\\ h") == [r"echo\ hello"]
    assert offered("dquery show 'echo h") == ["echo hello"]  # inside of quotes as it is


def test_a_record_is_asked_when_the_line_names_one(offered: Callable[[str], list[str]], hub: subprocess.Popen) -> None:
    assert offered("dquery show -f run.db ") == [""]  # in use
    hub.terminate()
    hub.wait()
    assert offered("dquery show -f run.db ") == [r"echo\ hello", "a:b", r"solve\*"]


def test_a_hub_that_does_not_answer_is_passed_over_in_silence(
    offered: Callable[[str], list[str]], hub: subprocess.Popen, variables: dict[str, str]
) -> None:
    variables["PATIENCE"] = "0.5"
    hub.send_signal(19)
    assert offered("dquery show ") == [""]
    hub.kill()
    hub.wait()
    assert offered("dquery show ") == [""]


def test_a_terminal_gets_the_name_as_a_word(variables: dict[str, str], hub: subprocess.Popen) -> None:
    process, terminal = pty.fork()
    if process == 0:
        os.execve("/bin/bash", ["bash", "--norc", "--noprofile", "-i"], {**variables, "PS1": "> ", "TERM": "dumb"})
    try:
        os.write(terminal, b'eval "$(dquery completion bash)"; echo is ready\n')
        _until(terminal, b"\nis ready")
        os.write(terminal, b"dquery lookup ec\t")
        _until(terminal, rb"dquery lookup echo\ hello ")
        os.write(terminal, b"\n")
        _until(terminal, b"ready")
    finally:
        os.kill(process, 9)
        os.waitpid(process, 0)
        os.close(terminal)


def _until(terminal: int, text: bytes) -> None:
    until, seen = time.monotonic() + 20, b""
    while text not in seen:
        ready, _, _ = select.select([terminal], [], [], max(0, until - time.monotonic()))
        assert ready, seen
        seen += os.read(terminal, 4096)


def test_zsh_is_offered_the_same(variables: dict[str, str], hub: subprocess.Popen, tmp_path: Path) -> None:
    if shutil.which("zsh") is None:
        missing("zsh")

    def ask(*words: str) -> list[str]:
        ran = subprocess.run(
            ["zsh", "-f", "-c", ZSH, "zsh", *words], cwd=tmp_path, env=variables, capture_output=True, text=True
        )
        assert (ran.returncode, ran.stderr) == (0, "")
        return ran.stdout.splitlines()

    assert [line.partition(":")[0] for line in ask("dquery", "sho")] == ["show"]
    assert ask("dwork-pool", "--format", "d") == ["dag", "disbatch"]
    assert [line.rpartition(":")[0] for line in ask("dquery", "show", "")] == ["echo hello", r"a\:b", "solve*"]
    assert ask("dhub", "-f", "") == ["files"]


def test_fish_is_offered_the_same(variables: dict[str, str], hub: subprocess.Popen, tmp_path: Path) -> None:
    if shutil.which("fish") is None:
        missing("fish")
    (tmp_path / "run.txt").touch()

    def ask(line: str) -> list[str]:
        ran = subprocess.run(
            ["fish", "--no-config", "-c", 'dquery completion fish | source; complete --do-complete "$argv[1]"', line],
            cwd=tmp_path, env=variables, capture_output=True, text=True,
        )  # fmt: skip
        assert (ran.returncode, ran.stderr) == (0, "")
        return [offer.partition("\t")[0] for offer in ran.stdout.splitlines()]

    assert ask("dquery sho") == ["show"]
    assert ask("dwork-pool --format d") == ["dag", "disbatch"]
    assert ask("dquery show ") == ["a:b", "echo hello", "solve*"]
    assert "run.txt" in ask("dwork-pool run")
