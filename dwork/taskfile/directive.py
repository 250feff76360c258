"""What follows `#DWORK` on a line: `key=value` words, split as a shell splits them.

In files of other systems too, where it is a comment: there it says what the lines below ask for.
"""

from __future__ import annotations

import re
import shlex
from functools import lru_cache
from typing import Any, Final

from dwork.core.task import PLAIN, Options
from dwork.core.text import shown
from dwork.taskfile.draft import Pool
from dwork.taskfile.options import KEYS, SPELLINGS, checked, unknown_key, value_of
from dwork.taskfile.text import BLANKS, proper

MARK: Final = "#DWORK"

#: What a shell would not look into for a comment.
QUOTED: Final = re.compile(r"""\\.|'[^']*'?|"(?:\\.|[^"\\])*"?""", re.DOTALL)
#: A mark in any spelling, where an option or a barrier follows. That behind `##` is meant to be left out.
_KEY: Final = "|".join(SPELLINGS).replace("-", "[-_]")
_LIKE_MARK: Final = re.compile(rf"(?<!#)#[ \t]*dwork[ \t:;,-]*(?:barrier[ \t]*$|(?:{_KEY})[ \t]*=)", re.IGNORECASE)

_FORM = "write key=value, such as name=solve-1 after=mesh cores=4"


def alone(line: str) -> str | None:
    """Return what stands behind the mark on a line that begins with it; None for any other line."""
    end = len(MARK)
    return line[end:].strip(BLANKS) if line.startswith(MARK) and line[end : end + 1] in BLANKS else None


def ask(values: dict[str, Any], comment: str) -> None:
    """Take over what a comment in a file of another system asks for: fields of Options and their values."""
    text = alone(comment)
    if text is None:
        refuse_near_miss(comment)
        return
    said = {"barrier": ""} if text == "barrier" else words(text)
    for key in ("name", "after", "barrier"):
        if key in said:
            raise ValueError(f"{MARK} {key} is not supported in this format; remove it")
    values.update((key.replace("-", "_"), checked(key, value_of, key, value)) for key, value in said.items())


def refuse_options(command: str) -> None:
    """Raise ValueError when options stand behind a command whose format knows of none."""
    if MARK in command or misses(command):
        raise ValueError(f"in this format {MARK} options go on their own line, above the command; move them there")


def misses(command: str) -> str:
    """Return what looks like a mark with options in a command, outside of quotes; empty when there is none."""
    if not _LIKE_MARK.search(command):
        return ""
    found = _LIKE_MARK.search(QUOTED.sub("q", command))
    return found[0] if found else ""


def refuse_near_miss(line: str) -> None:
    """Raise ValueError when a comment or a command has something that was meant to be a mark, and is none."""
    if line[:1] == "#":  # what stands further on in a comment is a comment in any case
        found = _LIKE_MARK.match(line)
        missed = found[0] if found else ""
    else:
        missed = misses(line)
    if missed:
        advice = f"did you mean {MARK}, in capitals, with a space on each side?"
        raise ValueError(f'"{shown(missed)}" would be ignored; {advice}')


def words(text: str) -> dict[str, str]:
    """Return the values by key, as written; ValueError says what is wrong."""
    said: dict[str, str] = {}
    for word in _split(text):
        key, equals, value = word.partition("=")
        if not equals:
            raise ValueError(_not_a_pair(word))
        if key in said:
            raise ValueError(f"{shown(key)}= is given twice; keep one")
        if key not in KEYS:
            raise unknown_key(key, KEYS)
        said[key] = value
    return said


def _split(text: str) -> list[str]:
    # shlex takes some 50 us a line, and most lines have nothing to quote.
    if text.isascii() and not ("'" in text or '"' in text or "\\" in text):
        return text.split()
    try:
        return shlex.split(text)
    except ValueError:
        if text.endswith("\\"):
            advice = "a backslash does not continue a comment, so put all options on the last line of the command"
        else:
            advice = "close every quote"
        raise ValueError(f"the options after #DWORK cannot be split into shell words; {advice}") from None


def _not_a_pair(word: str) -> str:
    if word == "barrier":
        return '"barrier" is not an option; write "#DWORK barrier" on its own line'
    return f'option "{shown(word)}" after #DWORK has no "="; {_FORM}'


@lru_cache(1024)  # for time, and so that thousands of tasks after the same one share a tuple
def items(text: str) -> tuple[str, ...]:
    """Return the names and globs of an `after=`; ValueError when one is empty."""
    found = tuple([proper(item.strip(BLANKS)) for item in text.split(",")])
    if "" in found:
        raise ValueError("empty name; write after=NAME or after=NAME,NAME without extra commas")
    return found


class Defaults:
    """The options that hold for the lines below a `#DWORK key=value ...`, and those of a line on top of them."""

    def __init__(self, pool: Pool) -> None:
        self.after: tuple[str, ...] = ()
        self.options = PLAIN
        self._pool = pool
        self._values: dict[str, int | float | str] = {}
        self._seen: dict[tuple[tuple[str, str], ...], Options] = {}

    def change(self, said: dict[str, str]) -> None:
        """Take over what a directive says, key by key."""
        if "name" in said:
            raise ValueError("name= needs a command on the same line; a line with only options sets defaults")
        if "after" in said:
            self.after = checked("after", items, said.pop("after"))
        self.options = self.plus(said)
        self._values.update((key, checked(key, value_of, key, text)) for key, text in said.items())
        self._seen.clear()

    def plus(self, said: dict[str, str]) -> Options:
        """Return the options of a line that says these (name and after taken out)."""
        if not said:
            return self.options
        raw = tuple(said.items())
        options = self._seen.get(raw)
        if options is None:
            values = {**self._values, **{key: checked(key, value_of, key, text) for key, text in raw}}
            options = _options(values)
            options = self._seen[raw] = self._pool.setdefault(options, options)
        return options


def _options(values: dict[str, int | float | str]) -> Options:
    return Options(**{key.replace("-", "_"): value for key, value in values.items()})  # type: ignore[arg-type]
