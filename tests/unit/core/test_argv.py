"""Which lines are started without a shell; tests/system/runner/test_same_as_a_shell.py starts them both ways."""

from __future__ import annotations

import pytest

from dwork.core.argv import arguments


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
    assert arguments("greet a b", functions=frozenset({"greet"})) == ("/bin/sh", "-c", "greet a b")
    assert arguments("./greet a b", functions=frozenset({"greet"})) == ("./greet", "a", "b")


@pytest.mark.parametrize("command", [":", ": any words -x a=b", None, ()])
def test_nothing_to_do_needs_no_process(command: str | tuple[str, ...] | None) -> None:
    assert arguments(command) == ()


@pytest.mark.parametrize("line", [":;x", ": >f", ": $(x)", ":x"])
def test_a_colon_with_more_than_words_is_not_nothing(line: str) -> None:
    assert arguments(line)


def test_an_argument_list_is_taken_as_it_is() -> None:
    assert arguments(("a b", "$x", "")) == ("a b", "$x", "")
