"""What follows `#DWORK` on a line: `key=value` words, split as a shell splits them.

In files of other systems it is a comment; there it sets the options of the lines below.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

from dwork.core.shell import split_words
from dwork.core.task import PLAIN, Options
from dwork.core.text import as_name, shown
from dwork.taskfile.draft import Pool
from dwork.taskfile.options import KEYS, SPELLINGS, Value, checked, unknown_key, value_of
from dwork.taskfile.text import BLANKS

MARK: Final = "#DWORK"

#: Text in which a shell does not look for a comment.
QUOTED: Final = re.compile(r"""\\.|'[^']*'?|"(?:\\.|[^"\\])*"?""", re.DOTALL)
#: A mark in any spelling, followed by an option or the word of a directive. `##` disables one on purpose.
_KEY: Final = "|".join(SPELLINGS).replace("-", "[-_]")
_REST: Final = rf"[\s:;,=>-]*(?:(?:barrier|setup|end)\s*$|(?:{_KEY})[ \t]*=)"
#: A mark with letters left out, doubled or exchanged; in capitals, since other words begin remarks.
_MISTYPED: Final = "(?-i:D[-_]?[WORK]{3,5}S?)"
_LIKE_MARK: Final = re.compile(rf"(?<!#)#\s*(?:dwork|{_MISTYPED}){_REST}", re.IGNORECASE)

#: Quotes of word processors.
_TYPOGRAPHIC: Final = frozenset("\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f")

_FORM = 'write key=value without spaces, such as after=mesh,grid cores=4, or quote the value: name="two words"'


def alone(line: str) -> str | None:
    """Return what follows the mark on a line that begins with it; None for any other line."""
    end = len(MARK)
    return line[end:].strip(BLANKS) if line.startswith(MARK) and line[end : end + 1] in BLANKS else None


def ask(values: dict[str, Any], comment: str) -> None:
    """Update values, fields of Options, from a comment in a file of another system."""
    text = alone(comment)
    if text is None:
        refuse_near_miss(comment)
        return
    given = {"barrier": ""} if text == "barrier" else words(text)
    for key in ("name", "after", "after-any", "barrier", "shell"):
        if key in given:
            raise ValueError(f"{MARK} {key} is not supported in this format; remove it")
    values.update((key.replace("-", "_"), checked(key, value_of, key, value)) for key, value in given.items())


def refuse_options(command: str) -> None:
    """Raise ValueError when a command has options, in a format whose commands cannot have any."""
    if MARK in command or misses(command):
        raise ValueError(f"in this format {MARK} options go on their own line, above the command; move them there")


def misses(command: str) -> str:
    """Return what looks like a mark with options in a command, outside quotes; empty when there is none."""
    if not _LIKE_MARK.search(command):
        return ""
    found = _LIKE_MARK.search(QUOTED.sub("q", command))
    return found[0] if found else ""


def refuse_near_miss(line: str) -> None:
    """Raise ValueError when a comment or a command contains a misspelled mark."""
    if line[:1] == "#":  # anything further on in a comment is a comment in any case
        found = _LIKE_MARK.match(line)
        missed = found[0] if found else ""
    else:
        missed = misses(line)
    if missed.startswith(f"{MARK} ") and f" {MARK} " in line:
        raise ValueError(f'"{shown(missed)}" would be ignored; write all options of a line after one {MARK}')
    if missed:
        advice = f"did you mean {MARK}, in capitals, with a space on each side?"
        raise ValueError(f'"{shown(missed)}" would be ignored; {advice}')


def words(text: str) -> dict[str, str]:
    """Return the values by key, as written. Raise ValueError when a word is not a known `key=value`."""
    found: dict[str, str] = {}
    for word in _split(text):
        key, equals, value = word.partition("=")
        if not equals:
            raise ValueError(_not_a_pair(word))
        if key in found:
            raise ValueError(f"{shown(key)}= is given twice; keep one")
        if key not in KEYS:
            raise unknown_key(key, KEYS)
        if value[:1] in _TYPOGRAPHIC:
            raise ValueError(f"{key}={shown(value)} begins with {value[0]}, which is not a quote here; write ' or \"")
        found[key] = value
    return found


def _split(text: str) -> list[str]:
    if text.isascii() and not ("'" in text or '"' in text or "\\" in text):
        return text.split()
    try:
        return split_words(text)
    except ValueError:
        if text.endswith("\\"):
            advice = "a backslash does not continue a comment, so put all options on the last line of the command"
        else:
            advice = "close every quote"
        raise ValueError(f"the options after #DWORK cannot be split into shell words; {advice}") from None


def _not_a_pair(word: str) -> str:
    if word == "barrier":
        return '"barrier" is not an option; write "#DWORK barrier" on its own line'
    if word.startswith("#"):
        return f'"{shown(word)}" begins a comment after the options of {MARK}; move it to its own line'
    return f'option "{shown(word)}" after #DWORK has no "="; {_FORM}'


@lru_cache(1024)  # saves time, and lets thousands of tasks with the same predecessors share a tuple
def items(text: str, key: str = "after") -> tuple[str, ...]:
    """Return the names and globs of an `after=` or `after-any=`. Raise ValueError when one is empty."""
    found = tuple([as_name(item.strip(BLANKS)) for item in text.split(",")])
    if "" in found:
        raise ValueError(f"empty name; write {key}=NAME or {key}=NAME,NAME without extra commas")
    return found


class Defaults:
    """The defaults that a `#DWORK key=value ...` sets for the lines below, which options on a line override."""

    def __init__(self, pool: Pool) -> None:
        self.after: tuple[str, ...] = ()
        self.after_any: tuple[str, ...] = ()
        self.options = PLAIN
        self._pool = pool
        self._values: dict[str, Value] = {}
        self._seen: dict[tuple[tuple[str, str], ...], Options] = {}

    def change(self, given: dict[str, str]) -> None:
        """Set the defaults that a directive gives, key by key."""
        if "name" in given:
            raise ValueError("name= needs a command on the same line; a line with only options sets defaults")
        if "after" in given:
            self.after = checked("after", items, given.pop("after"))
        if "after-any" in given:
            self.after_any = checked("after-any", items, given.pop("after-any"), "after-any")
        self.options = self.plus(given)
        self._values.update((key, checked(key, value_of, key, text)) for key, text in given.items())
        self._seen.clear()

    def plus(self, given: dict[str, str]) -> Options:
        """Return the options of a line with these values (without name, after and after-any)."""
        if not given:
            return self.options
        raw = tuple(given.items())
        options = self._seen.get(raw)
        if options is None:
            values = {**self._values, **{key: checked(key, value_of, key, text) for key, text in raw}}
            options = _options(values)
            options = self._seen[raw] = self._pool.setdefault(options, options)
        return options


def _options(values: dict[str, Value]) -> Options:
    return Options(**{key.replace("-", "_"): value for key, value in values.items()})  # type: ignore[arg-type]
