"""What dwork runs by itself does what a shell does with the same text."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dwork.core.argv import arguments
from dwork.taskfile import Source, parse

FEW = settings(max_examples=60, deadline=None)  # each starts some processes

PROGRAMS = st.sampled_from(["/bin/echo", "expr", "basename", "env", "/bin/false", "nosuch-program", "/", "./nosuch"])
ARGUMENTS = st.text("abAB01_@%+:,./-", min_size=1, max_size=5)
BLANKS = st.sampled_from([" ", "  ", "\t", " \t "])


@st.composite
def simple_lines(draw: st.DrawFn) -> str:
    """Simple command lines that hurt nobody."""
    line = draw(PROGRAMS)
    if line != "env":
        for word in draw(st.lists(ARGUMENTS.filter(lambda word: "%" not in word), max_size=3)):
            line += draw(BLANKS) + word
    return line


def started(words: tuple[str, ...]) -> tuple[int, bytes]:
    """Exit status as a shell tells it, and standard output."""
    environment = {"PATH": "/usr/bin:/bin"}
    reader, writer = os.pipe()
    actions = [(os.POSIX_SPAWN_DUP2, writer, 1), (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)]
    try:
        pid = os.posix_spawnp(words[0], words, environment, file_actions=actions, setsigdef=[signal.SIGPIPE])
    except FileNotFoundError:
        pid, code = 0, 127
    except OSError:
        pid, code = 0, 126
    os.close(writer)
    with open(reader, "rb") as file:
        out = file.read()
    if pid:
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return code, out


@given(simple_lines())
@FEW
def test_a_line_started_directly_prints_and_returns_what_it_does_in_a_shell(line: str) -> None:
    words = arguments(line)
    assert words == tuple(line.split())
    code, out = started(words)
    there_code, there_out = started(("/bin/sh", "-c", line))
    # dash says _=..., PWD=... and so on in the environment of what it starts.
    if words[0] == "env":
        assert set(out.split()) <= set(there_out.split())
    else:
        assert out == there_out
    assert code == there_code


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_every_word_of_the_shell_itself_goes_to_the_shell(shell: str) -> None:
    """Each name that the shell calls its own, among all that are in use."""
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    candidates = (
        ". : alias bg bind break builtin caller case cd chdir command compgen complete compopt continue coproc declare "
        "dirs disown do done echo elif else enable esac eval exec exit export false fc fg fi for function getopts hash "
        "help history if in jobs kill let local logout mapfile popd printf pushd pwd read readarray readonly return "
        "select set shift shopt source suspend test then time times trap true type typeset ulimit umask unalias unset "
        "until wait while cat ls sleep env print whence whereis jobid setvar inlib wordexp expr basename"
    ).split()
    script = 'for w in "$@"; do type "$w"; done 2>/dev/null'
    said = subprocess.run(
        [shell, "-c", script, shell, *candidates], capture_output=True, text=True, env={"PATH": "/bin"}
    )
    own = {line.split()[0] for line in said.stdout.splitlines() if line.endswith(("builtin", "keyword"))}
    assert len(own) > 20
    assert {word for word in own if arguments(f"{word} x") == (word, "x")} == set()


WORDS = st.sampled_from(
    ["a", "'b c'", '"d  e"', "f\\ g", "h#i", "'#' j", '"#DWORK"', "\\#", "$((1+2))", "\\\\", "k\\ ", "'\\'"]
)
ENDS = st.sampled_from(["", " ", " # note", " # note \\", " #DWORK cores=2", "\t#DWORK", ";echo x", "\\\\", " \\\n"])
COMMANDS = st.builds(
    lambda words, glue, end: glue.join(["echo", *words]) + end,
    st.lists(WORDS, max_size=4),
    st.sampled_from([" ", "  ", " \\\n", " \\\n\t"]),
    ENDS,
)
OTHER_LINES = st.sampled_from(
    ["", "  ", "# note", "# note \\", "#DWORK barrier", "#DWORK cores=2", " #DWORK retries=1"]
)


def output_of(*arguments: str, stdin: bytes = b"") -> bytes:
    return subprocess.run(["/bin/sh", *arguments], input=stdin, capture_output=True, check=False).stdout


@given(st.lists(st.one_of(COMMANDS, COMMANDS, OTHER_LINES), max_size=5), st.sampled_from(["", "\n"]))
@FEW
@example(["echo a # note \\", "echo b"], "\n")
@example(["echo a\\ \\", "b"], "")
def test_a_shell_prints_the_same_for_the_file_and_for_its_commands(lines: list[str], end: str) -> None:
    data = ("\n".join(lines) + end).encode()
    commands = [task.command for task in parse([Source("t", data)])]
    one_by_one = b"".join(output_of("-c", command) for command in commands if isinstance(command, str))
    assert one_by_one == output_of(stdin=data)
