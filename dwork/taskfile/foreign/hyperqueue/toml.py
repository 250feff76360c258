"""TOML documents, and the lines on which their tables begin."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any, Final

from dwork.core.text import shown

_LINE: Final = re.compile(r" \(at (?:line ([0-9]+), column [0-9]+|end of document)\)$")
_BLANKS: Final = " \t"
_ADVICE: Final = 'correct it, as in command = ["sleep", "1"]'


class NotToml(Exception):
    """The text is not valid TOML; `line` is the line of the error."""

    def __init__(self, text: str, line: int = 1) -> None:
        super().__init__(text)
        self.line = line


def document(text: str) -> dict[str, Any]:
    """Return the parsed document. Raise NotToml when the text is not valid TOML."""
    # Imported here: only a program that reads such a file needs it.
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        found: dict[str, Any] = tomllib.loads(text)
        return found
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        at = _LINE.search(message)
        line = int(at[1]) if at and at[1] else text.count("\n") + 1
        raise NotToml(f"invalid TOML ({shown(_LINE.sub('', message))}); {_ADVICE}", line) from None
    except ValueError:
        raise NotToml("a number has too many digits; use a smaller one") from None
    except RecursionError:
        raise NotToml(f"the TOML is nested too deeply; {_ADVICE}") from None


def places(text: str, name: str) -> list[int]:
    """Return the lines on which the tables of a name begin, including lines inside strings that look the same.

    TOML parsers do not report these lines, but users need them to find an error.
    """
    return [number for number, line in _lines(text) if line[:1] == "[" and _table(line) == name]


def place(text: str, key: str) -> int:
    """Return the first line that assigns a value or a table to a key, or 1."""
    keys = (number for number, line in _lines(text) if "=" in line and _bare(line[: line.index("=")]) == key)
    return next(keys, 0) or next(iter(places(text, key)), 1)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    return enumerate((line.lstrip(_BLANKS) for line in text.split("\n")), 1)


def _table(line: str) -> str | None:
    """Return the name of the table that a line begins, which may end in a comment."""
    head = line.partition("#")[0].rstrip(_BLANKS)
    return _bare(head.lstrip("[").rstrip("]")) if head.endswith("]") else None


def _bare(key: str) -> str:
    return key.strip(_BLANKS).strip("\"'")
