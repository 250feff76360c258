"""Commands as people write them pass, those of bash only there, and the short cuts change nothing."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dwork.core.shell_syntax import beyond_posix
from dwork.core.shell_syntax.fault import commands, fault
from dwork.core.shell_syntax.features import Dialect, Feature
from dwork.core.shell_syntax.ordinary import is_ordinary
from dwork.core.shell_syntax.parser import Parser
from tests.unit.core.shell_corpus import ANY_SHELL, BASH

PIECES = st.sampled_from(
    """
    prog ./a.out 'a~b' "c~$d" $x ${y} ${z%.gz} $(e~f) `g` -h --i=j k/l >~m <~n 2>~o 2>&1 && || | ; \\; {} a=b cd export
    [ ] if then fi for in do done { } ( ) # ! source echo -e == & wait &> << $((1+2)) (( )) ' " ` $( ${ \\ case esac ;;
    {1..3} f() time exit true =~ [[ module~load exec~>f
    """.replace("~", "\0").split()
).map(lambda piece: piece.replace("\0", " "))
LINES = st.lists(st.tuples(PIECES, st.sampled_from([" ", " ", " ", ""])), max_size=9).map(
    lambda parts: "".join(piece + blank for piece, blank in parts)
)


def test_the_corpus_is_large_and_without_repeats() -> None:
    assert len({*ANY_SHELL, *BASH}) == len(ANY_SHELL) + len(BASH) > 550


@pytest.mark.parametrize("dialect", list(Dialect))
def test_what_any_shell_understands_passes_in_each(dialect: Dialect) -> None:
    assert {command: text for command in ANY_SHELL if (text := fault(command, dialect=dialect))} == {}


def test_what_only_bash_understands_passes_there_and_is_refused_elsewhere() -> None:
    assert {command: text for command in BASH if (text := fault(command, dialect=Dialect.BASH))} == {}
    assert [command for command in BASH if not fault(command, dialect=Dialect.POSIX)] == []


def test_what_only_bash_understands_passes_where_the_shell_has_turned_out_to_run_it() -> None:
    assert [command for command in BASH if fault(command, dialect=Dialect.POSIX, runs=lambda script: True)] == []


@pytest.mark.parametrize("command", ["!", "! ", "! ; prog", "prog || !", "if ! ; then prog; fi", "! !"])
def test_a_negation_of_nothing_passes_in_bash_alone(command: str) -> None:
    assert (fault(command, dialect=Dialect.BASH), fault(command, dialect=Dialect.KSH)) == ("", "")
    assert "makes no sense here" in fault(command, dialect=Dialect.POSIX)


@pytest.mark.parametrize("command", ["time", "time || prog", "time && prog", "time | wc", "(time)", "time; prog"])
def test_time_without_a_command_is_a_program_where_the_shell_has_no_such_word(command: str) -> None:
    assert fault(command, dialect=Dialect.POSIX) == ""


def test_each_feature_is_in_the_corpus_and_in_bash() -> None:
    used = set()
    for command in BASH:
        parser = Parser(command, Dialect.POSIX)
        parser.parse()
        used |= {use.feature for use in (*parser.uses, *beyond_posix.uses(parser.found))}
    builtin = "builtin cd x; disown"
    assert set(Feature) - used == {Feature.BUILTIN} and fault(builtin, dialect=Dialect.POSIX)
    assert all(Dialect.BASH in feature.is_in and Dialect.POSIX not in feature.is_in for feature in Feature)


@pytest.mark.parametrize(
    "join", ["{} && {}", "{}; {}", "({}; {})", "if {}; then {}; fi", "for i in 1; do {}; {}; done"]
)
def test_commands_that_pass_are_complete_when_joined(join: str) -> None:
    plain = [command for command in ANY_SHELL if not re.search(r"#|[;&]\s*$|\\$|^\s*wait", command)]
    for first, second in zip(plain, reversed(plain), strict=True):
        text = join.format(first, second)
        ((line, found),) = commands(text, Dialect.POSIX)
        assert (line, found.strip()) == (0, text.strip())


@pytest.mark.parametrize("dialect", list(Dialect))
def test_a_command_that_is_recognized_at_once_is_never_one_that_the_parser_refuses(dialect: Dialect) -> None:
    ordinary = [command for command in (*ANY_SHELL, *BASH) if is_ordinary(command)]
    assert len(ordinary) > 250
    assert {command: text for command in ordinary if (text := fault(f"\n{command}", dialect=dialect))} == {}


@given(LINES)
@settings(max_examples=2 * settings().max_examples)
@example("cd x && true")
@example("A=1 ")
@example("2>&1 a=b ")
@example("2>&1'a b' ")
@example("cd x && export A=1")
@example("a $(cd x")
@example("a b=`c` 2> d_1/e")
def test_the_short_cuts_give_what_the_parser_gives(line: str) -> None:
    for dialect in Dialect:
        # A line end before a command takes it past both short cuts and changes nothing else.
        assert bool(fault(line, dialect=dialect)) == bool(fault(f"\n{line}", dialect=dialect))


@given(st.sampled_from([*ANY_SHELL, *BASH]), st.integers(0, 80), st.sampled_from(list(Dialect)))
def test_a_command_that_is_cut_short_is_judged_without_trouble(command: str, end: int, dialect: Dialect) -> None:
    text = fault(command[:end], dialect=dialect)
    assert not text or "; " in text


@pytest.mark.parametrize(
    "command",
    [
        "(" * 3000,
        "$(" * 3000,
        "{ " * 3000,
        '"$(' * 2000,
        "a " * 60000,
        "'a' " * 30000,
        "a;" * 10000 + "'",
        "a" * 131000 + "'",
    ],
)
def test_a_monstrous_command_takes_no_more_than_its_time(command: str) -> None:
    fault(command, dialect=Dialect.POSIX)
