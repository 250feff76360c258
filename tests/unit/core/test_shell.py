"""Shells as people name them, and which lines they do not change."""

from __future__ import annotations

import shlex
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwork.core.argv import arguments
from dwork.core.shell import Shell, split_words, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/bin/bash", ("/bin/bash",)),
        (" /bin/bash -eo pipefail", ("/bin/bash", "-eo", "pipefail")),
        ("/usr/bin/env bash", ("bash",)),
        ("/usr/bin/env -S bash -e -u", ("bash", "-e", "-u")),
        ("bash --norc +x -O extglob", ("bash", "--norc", "+x", "-O", "extglob")),
        ("/bin/busybox sh -e", ("/bin/busybox", "sh", "-e")),
        ("'/opt/my shells/zsh' -f", ("/opt/my shells/zsh", "-f")),
        ("fish", ("fish",)),
    ],
)
def test_a_shell_is_its_program_and_its_flags(text: str, words: tuple[str, ...]) -> None:
    assert words_of(text) == words


def split_or_refused(split: Callable[[str], list[str]], text: str) -> list[str] | None:
    try:
        return split(text)
    except ValueError:
        return None


@given(st.text("ab=#\"'\\ \t\r\n\v\u2028\udcff"))
def test_words_are_split_as_by_the_standard_library(text: str) -> None:
    assert split_or_refused(split_words, text) == split_or_refused(shlex.split, text)


@pytest.mark.parametrize("text", ["'{}'", '"{}"', "{}\\ ", "'{}", '"{}'])
def test_a_word_of_a_megabyte_is_split_at_once(text: str) -> None:
    word = "x" * 1_000_000
    assert split_or_refused(split_words, text.format(word)) in ([word], [f"{word} "], None)


@pytest.mark.parametrize("word", ["a\x1b[2Jb", "x" * 200_000, "\udcff"])
@pytest.mark.parametrize("text", ["bash {}", "{} script", "env {}=1 bash"])
def test_what_is_wrong_with_a_shell_is_one_short_printable_line(text: str, word: str) -> None:
    with pytest.raises(ValueError) as refused:
        words_of(text.format(f"'{word}'" if " {}" in text else word))
    assert len(str(refused.value)) < 300 and str(refused.value).isprintable()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no shell is named"),
        ("/usr/bin/env", "no shell is named"),
        ("/usr/bin/env -i bash", "env with -i is not supported"),
        ("/usr/bin/env A=1 bash", "env with A=1 is not supported"),
        ("/bin/csh -f", "csh is not a shell like sh"),
        ("tcsh", "tcsh is not a shell like sh"),
        ("/usr/bin/env python3.11", "python3.11 is not a shell like sh"),
        ("/usr/bin/perl -w", "perl is not a shell like sh"),
        ("bash script.sh", '"script.sh" is not a flag of bash'),
        *((f"bash {flag}", f"bash with {flag} would not run") for flag in ("-ec", "-i", "-n", "-et", "-D", "-", "--")),
        *((f"bash {flag}", f"bash with {flag} would not run") for flag in ("--version", "--help", "--dump-po-strings")),
        ("bash -o noexec", "bash with noexec would not run"),
        ("zsh -eo NO_EXEC", "zsh with NO_EXEC would not run"),
        ("bash -eo", "an option is missing behind -eo"),
        ("bash 'a", "the quotes are not closed"),
    ],
)
def test_what_cannot_run_a_line_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        words_of(text)


@pytest.mark.parametrize(
    "text", ["/bin/sh", "dash -e", "bash -eu", "bash -eo pipefail", "bash -o pipefail -e", "sh -f"]
)
def test_a_plain_line_is_started_directly_where_its_shell_makes_no_difference(text: str) -> None:
    shell = Shell(words_of(text))
    assert arguments("prog a", shell) == ("prog", "a") and arguments(":", shell) == ()
    assert arguments("prog a", shell, directly=False) == (*shell.words, "-c", "prog a")
    assert arguments("prog $a", shell) == (*shell.words, "-c", "prog $a")


@pytest.mark.parametrize("text", ["bash -l", "bash -x", "bash --login", "zsh", "ksh", "fish", "bash -ev", "busybox sh"])
def test_no_line_is_started_directly_where_its_shell_may_do_more(text: str) -> None:
    shell = Shell(words_of(text))
    assert arguments("prog a", shell) == (*shell.words, "-c", "prog a")


def test_a_setup_block_goes_before_every_command() -> None:
    shell = Shell(("bash",), ("module load x",))
    assert not shell.is_transparent
    *words, script = arguments("prog a", shell)
    assert words == ["bash", "-c"] and "module load x\n" in script and script.endswith("\nprog a")
    *words, script = arguments(("prog", "a b", "$c"), shell)
    assert words == ["bash", "-c"] and "module load x\n" in script and script.endswith("\nexec prog 'a b' '$c'")
    assert arguments(("prog", "a b"), Shell(("bash",))) == ("prog", "a b")


def test_where_a_setup_block_stands_makes_no_other_shell() -> None:
    assert Shell(("sh",), ("a",), ("x:1",)) == Shell(("sh",), ("a",), ("y:2",))
    assert Shell(("sh",), ("a",)) != Shell(("sh",), ("b",)) != Shell(("bash",), ("b",))


def test_the_script_avoids_the_descriptors_of_the_setup_block() -> None:
    assert set(Shell(setup=("true",)).descriptors) == {7, 8, 9}
    assert set(Shell(setup=("exec 9>lock", "flock 8<&3")).descriptors) == {5, 6, 7}
    with pytest.raises(ValueError, match="too many descriptors"):
        _ = Shell(setup=("exec 3<a 4<b 5<c 6<d 7<e",)).descriptors
