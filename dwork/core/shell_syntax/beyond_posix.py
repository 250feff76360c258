"""Features beyond POSIX that a simple command uses: built-in commands and options of bash.

Only what is certain: an option that stands in a variable is not seen, and quoted text is text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

from dwork.core.shell_syntax.features import Feature
from dwork.core.shell_syntax.lists import CommandKind, ShellCommand
from dwork.core.shell_syntax.words import Use

_COMMANDS: Final = {
    "source": Feature.SOURCE,
    "let": Feature.LET,
    "shopt": Feature.SHOPT,
    "mapfile": Feature.MAPFILE,
    "readarray": Feature.MAPFILE,
    "declare": Feature.DECLARE,
    "typeset": Feature.DECLARE,
    "pushd": Feature.PUSHD,
    "popd": Feature.PUSHD,
    "builtin": Feature.BUILTIN,
    "disown": Feature.BUILTIN,
    "caller": Feature.BUILTIN,
    "compgen": Feature.BUILTIN,
}
#: Of a command, the options that are a feature, where the first argument is one.
_FIRST: Final = {
    "echo": (re.compile(r"-[neE]*[eE][neE]*"), Feature.ECHO_ESCAPES),
    "local": (re.compile(r"-\w+"), Feature.LOCAL_OPTION),
    "type": (re.compile(r"-[afptP]+"), Feature.TYPE_OPTION),
    "export": (re.compile(r"-\w*[fn]\w*"), Feature.EXPORT_FUNCTION),
    "printf": (re.compile("-v"), Feature.PRINTF_OPTION),
    "wait": (re.compile(r"-\w*n\w*"), Feature.WAIT_NEXT),
    "exec": (re.compile(r"-[acl]+"), Feature.EXEC_OPTION),
}
_READ_ARRAY: Final = re.compile(r"-\w*a")
_READ: Final = re.compile(r"-\w*[deintuNs]")
_SET_OPTION: Final = re.compile(r"[-+]\w*o")
_EVENTS: Final = frozenset(("ERR", "DEBUG", "RETURN"))
_ESCAPES: Final = re.compile(r"(?<!\\)(?:\\\\)*\\(?:x[0-9A-Fa-f]|[eEuU])")


def uses(found: Iterable[ShellCommand]) -> Iterator[Use]:
    """Yield the features that the commands of a text use beside those of its syntax."""
    own: set[str] = set()
    for command in found:
        if command.kind is CommandKind.DEFINITION:
            own.update(command.words)
        elif command.words and command.words[0] not in own:
            yield from _uses(command.words[0], command.words[1:])


def _uses(name: str, arguments: list[str]) -> Iterator[Use]:
    if name in _COMMANDS:
        yield Use(_COMMANDS[name], name)
    if not arguments:
        return
    if name in _FIRST and _FIRST[name][0].fullmatch(arguments[0]):
        yield Use(_FIRST[name][1], f"{name} {arguments[0]}")
    match name:
        case "[" | "test":
            yield from _in_test(name, arguments)
        case "read":
            yield from _in_read(arguments)
        case "printf":
            yield from _in_format(arguments[0])
        case "set":
            yield from (
                Use(Feature.PIPEFAIL, "set -o pipefail")
                for option, value in pairwise(arguments)
                if value == "pipefail" and _SET_OPTION.fullmatch(option)
            )
        case "trap":
            for signal in arguments[1:]:
                if signal in _EVENTS:
                    yield Use(Feature.TRAP_EVENT, f"trap ... {signal}")
                elif signal.startswith("SIG"):
                    yield Use(Feature.TRAP_SIGNAL, f"trap ... {signal}")


def _in_test(name: str, arguments: list[str]) -> Iterator[Use]:
    if "==" in arguments[1:-1]:
        yield Use(Feature.DOUBLE_EQUALS, "==")
    words = arguments[:-1] if name == "[" else arguments
    if words[:1] == ["!"]:
        words = words[1:]
    if len(words) == 2 and words[0] == "-v":
        yield Use(Feature.TEST_VARIABLE, f"{name} -v")


def _in_read(arguments: list[str]) -> Iterator[Use]:
    for argument in arguments:
        if _READ_ARRAY.match(argument):
            yield Use(Feature.READ_ARRAY, f"read {argument}")
        elif _READ.match(argument):
            yield Use(Feature.READ_OPTION, f"read {argument}")


def _in_format(text: str) -> Iterator[Use]:
    if "%q" in text:
        yield Use(Feature.PRINTF_QUOTE, "printf %q")
    if text[0] in "'\"" and (escape := _ESCAPES.search(text)):
        yield Use(Feature.PRINTF_ESCAPES, f"printf {escape[0]}")
