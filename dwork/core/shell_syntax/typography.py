"""Characters that word processors and web pages put in the place of ASCII ones, and which a shell takes for text.

A shell prints them, looks for a program of that name, or passes them on: with such a dash a word is no option, and what
stands between two such quotes is two words. Between quotes, in comments and in here-documents they are meant.
"""

from __future__ import annotations

import re
from typing import Final

from dwork.core.text import shown

_TEXT: Final = re.compile(r"""\\.|'[^']*'|"(?:\\.|[^"\\])*"|(?<![^\s;&|()<>])\#[^\n]*""", re.DOTALL)
#: At the beginning of a word: dashes and quotes. Anywhere: blanks, those without width too.
_QUOTES: Final = "\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f"
_INVISIBLE: Final = frozenset("\u200b\u2060\ufeff")
_STRANGE: Final = re.compile(
    rf"(?<![^\s=;|&(])(?:(?P<dash>[\u2010-\u2015\u2212]+)(?=\w)|(?P<quote>[{_QUOTES}]))"
    r"|(?P<blank>[\u00a0\u2000-\u200b\u202f\u205f\u2060\u3000\ufeff])"
)


def fault(command: str) -> str:
    """Return the error for a command with such a character outside of quotes; empty when it has none."""
    if command.isascii() or ("<<" in command and "\n" in command):
        return ""
    found = _STRANGE.search(_TEXT.sub("q", command))
    if found is None:
        return ""
    sign = found[0]
    if found["dash"]:
        return (
            f'"{shown(sign)}" (U+{ord(sign[0]):04X}) is not the dash of an option; write -, or quote it if it is text'
        )
    if found["quote"]:
        return (
            f'"{shown(sign)}" (U+{ord(sign):04X}) is not a quote of a shell; write \' or ", or quote it if it is text'
        )
    if sign in _INVISIBLE:
        return f"U+{ord(sign):04X} is an invisible character, which is not a blank of a shell; remove it"
    return f"U+{ord(sign):04X} is not a blank of a shell; write a space, or quote it if it is text"
