"""Characters of word processors in commands: refused where a shell would take them for text."""

from __future__ import annotations

import pytest

from dwork.core.shell_syntax.fault import fault, setup_fault
from dwork.core.shell_syntax.features import Dialect


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("prog \u2013x", '"\u2013" (U+2013) is not the dash of an option; write -, '),
        ("prog \u2014case 1 > out", '"\u2014" (U+2014) is not the dash of an option'),
        ("x=\u22121 prog", '"\u2212" (U+2212) is not the dash of an option'),
        ("echo \u201ctwo words\u201d", '"\u201c" (U+201C) is not a quote of a shell; write \' or ", '),
        ("a && \u2018b c\u2019", '"\u2018" (U+2018) is not a quote of a shell'),
        ("prog x\u00a0y", "U+00A0 is not a blank of a shell; write a space, or quote it if it is text"),
        ("prog\u200b x", "U+200B is an invisible character, which is not a blank of a shell; remove it"),
        (("sh", "-c", "prog \u2013x"), '"\u2013" (U+2013) is not the dash of an option'),
    ],
)
def test_a_character_that_only_looks_like_one_of_the_shell_is_refused(command: str, text: str) -> None:
    assert fault(command, dialect=Dialect.POSIX).startswith(text)
    if isinstance(command, str):
        assert setup_fault(command, dialect=Dialect.BASH).startswith(text)


@pytest.mark.parametrize(
    "command",
    [
        "echo 'a \u2013x \u201cb\u201d' \"\u00a0\u2019\" \\\u201c",
        "echo don\u2019t a \u2013 b 5\u20137",
        "prog x # \u2013y \u201cz\u201d",
        "cat <<E\n\u201ca\u201d\nE",
        "prog /data/caf\u00e9/\u6570\u636e.txt",
        ("prog", "\u2013x"),
    ],
)
def test_where_it_is_text_it_stays(command: str) -> None:
    assert fault(command, dialect=Dialect.POSIX) == ""
