"""Check and convert typed values, from JSON and TOML, to what a task needs.

Every function here raises ValueError with one line: what is wrong, and what to write instead.
"""

from __future__ import annotations

from dwork.core.text import shown, user_bytes
from dwork.taskfile.text import fit_command, too_long


def string(value: object) -> str:
    """Return the value, a string that can be passed to a program."""
    if not isinstance(value, str):
        number = f", not the number {value}" if isinstance(value, int | float) and not isinstance(value, bool) else ""
        raise ValueError(f'must be a string{number}; write it in double quotes, "..."')
    if "\0" in value:
        raise ValueError("contains a NUL character, which an argument cannot contain; remove it")
    try:
        if not value.isascii():
            user_bytes(value)
    except UnicodeEncodeError:
        raise ValueError(f'"{shown(value)}" contains an unpaired surrogate; write the complete character') from None
    return value


def arguments(value: list[object]) -> tuple[str, ...]:
    """Return a program and its arguments."""
    found = tuple(map(string, value))
    if not found or not found[0]:
        raise ValueError('the program is missing; write ["program", "argument", ...]')
    for argument in found:
        fit_command(argument)
    return found


def variables(value: object, form: str) -> tuple[tuple[str, str], ...]:
    """Return the variables of an environment. form: an example in the syntax of the file, for the error."""
    if not isinstance(value, dict):
        raise ValueError(f"must be an object of strings; write {form}")
    pairs = tuple((string(name), string(text)) for name, text in value.items())
    for name, text in pairs:
        if not name or "=" in name:
            raise ValueError(f'"{shown(name)}" is not a valid variable name; use a non-empty name without "="')
        if too_long(f"{name}={text}"):
            raise ValueError(f'the variable "{shown(name)}" is longer than Linux allows; put its value in a file')
    return pairs
