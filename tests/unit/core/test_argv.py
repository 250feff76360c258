"""A line that is started without a shell does what it does with one."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwork.core.argv import arguments

PROGRAMS = st.sampled_from(["/bin/echo", "expr", "basename", "env", "/bin/false", "nosuch-program", "/", "./nosuch"])
WORDS = st.text("abAB01_@%+:,./-", min_size=1, max_size=5)
BLANKS = st.sampled_from([" ", "  ", "\t", " \t "])


@st.composite
def lines(draw: st.DrawFn) -> str:
    """Simple command lines that hurt nobody."""
    line = draw(PROGRAMS)
    if line != "env":
        for word in draw(st.lists(WORDS.filter(lambda word: "%" not in word), max_size=3)):
            line += draw(BLANKS) + word
    return line


def run(words: tuple[str, ...]) -> tuple[int, bytes]:
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


@given(lines())
@settings(max_examples=60, deadline=None)
def test_a_line_started_directly_prints_and_returns_what_it_does_in_a_shell(line: str) -> None:
    words = arguments(line)
    assert words == tuple(line.split())
    code, out = run(words)
    there_code, there_out = run(("/bin/sh", "-c", line))
    # dash says _=..., PWD=... and so on in the environment of what it starts.
    if words[0] == "env":
        assert set(out.split()) <= set(there_out.split())
    else:
        assert out == there_out
    assert code == there_code


@pytest.mark.parametrize(
    "line",
    [
        "", " ", " true", "a ", "a\nb", "a;b", "a|b", "a&", "a>f", "a<f", "a $x", "a `b`", "(a)", "{ a", "!", "a 'b'",
        'a "b"', "a\\ b", "a *", "a ?", "a [b]", "a ~", "a # b", "X=1 a", "X=1", "=x", "a^b", "a é", "a {b,c}", "a\rb",
        "if x", "cd /tmp", "exit 3", "echo -n x", "test -f x", "export A", "time ls", ". ./x", "kill 1", "command ls",
        "ulimit -n", "chdir /tmp", "[ -f x ]", "[[ x ]]", "true", "false", "wait", "exec ls", "eval ls",
    ],
)  # fmt: skip
def test_anything_that_a_shell_could_take_for_more_goes_to_the_shell(line: str) -> None:
    assert arguments(line) == ("/bin/sh", "-c", line)


@pytest.mark.parametrize("line", ["/bin/true", "./a.out -n 3 --x=y", "python3 a.py in,put:1 +2 @f 50%", "a\tb", "1+1"])
def test_a_simple_line_is_started_directly(line: str) -> None:
    assert arguments(line) == tuple(line.split())


def test_a_line_that_begins_with_a_function_of_the_shell_goes_to_the_shell() -> None:
    assert arguments("greet a b", frozenset({"greet"})) == ("/bin/sh", "-c", "greet a b")
    assert arguments("./greet a b", frozenset({"greet"})) == ("./greet", "a", "b")


@pytest.mark.parametrize("command", [":", ": any words -x a=b", None, ()])
def test_nothing_to_do_needs_no_process(command: str | tuple[str, ...] | None) -> None:
    assert arguments(command) == ()


@pytest.mark.parametrize("line", [":;x", ": >f", ": $(x)", ":x"])
def test_a_colon_with_more_than_words_is_not_nothing(line: str) -> None:
    assert arguments(line)


def test_an_argument_list_is_taken_as_it_is() -> None:
    assert arguments(("a b", "$x", "")) == ("a b", "$x", "")


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
