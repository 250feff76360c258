"""What is wrong with a shell command, as one line for the user.

`fault` judges the command of a task: it must be complete, leave nothing in the background, do more than change its own
shell, and be understood by the shell that will run it. `commands` splits a script into its commands, and `setup_fault`
judges one of those that every task's shell runs first.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from dwork.core.shell import SHELL, Shell
from dwork.core.shell_syntax import background, beyond_posix, own_state, typography
from dwork.core.shell_syntax.features import SHELLS, Dialect, Feature
from dwork.core.shell_syntax.lists import Where
from dwork.core.shell_syntax.ordinary import is_ordinary
from dwork.core.shell_syntax.parser import Parser
from dwork.core.shell_syntax.words import Malformed, Use
from dwork.core.task import Command
from dwork.core.text import shown, user_bytes, user_text

#: How a caller finds out whether a shell runs a short script successfully, if it can.
Runs = Callable[[str], bool] | None

#: Numbers, and arguments that cannot be a word of the shell's language.
_VARYING: Final = re.compile(
    r"[0-9]+"
    r"|(?<=[ \t])(?!/dev/null)[\w+,-]*[./_](?:(?<=[\w/+,-]\.)|(?<=[/_])|(?=[\w/]))[\w./+,-]*(?![\w./+,=\[({-])",
    re.ASCII,
)
#: Replaces digits: of bytes, which takes a tenth of the time that it takes of text.
_ZEROS: Final = bytes.maketrans(b"123456789", b"000000000")
#: Longer commands are not cached.
_SHORT: Final = 1000
_SCRIPT_OPTION: Final = re.compile(r"-[A-Za-z]*c")
_AMP_REDIRECT: Final = (
    '"&>" runs the command in the background, because /bin/sh is not bash here; write > FILE 2>&1 instead'
)
_BASH: Final = 'write "#!/bin/bash" as the first line of the file, or use --shell bash'
#: What happens to a feature under a shell without it, unless the command fails; and another way to write it.
_EFFECTS: Final = {
    Feature.ANSI_QUOTE: ("keeps its $", ""),
    Feature.LOCALE_QUOTE: ("keeps its $", "remove the $"),
    Feature.BRACES: ("stays as it is written", "quote it if it is text"),
    Feature.DOUBLE_EQUALS: ("is an error that counts as false", "write ="),
    Feature.ECHO_ESCAPES: ("prints its option", "use printf"),
    Feature.PRINTF_ESCAPES: ("prints the escape as it is written", "write it in octal"),
    Feature.RANDOM: ("is empty", ""),
    Feature.SOURCE: ("is an unknown command", "write . FILE"),
    Feature.TRAP_SIGNAL: ("fails", "leave out SIG"),
    Feature.VARIABLE: ("is empty", ""),
}
_CLOSERS: Final = {
    "if": "fi", "for": "done", "select": "done", "while": "done", "until": "done", "case": "esac", "{": "}",
    "(": ")", "$(": ")", "<(": ")", ">(": ")", "[[": "]]", "((": "))", "$((": "))", "${": "}",
}  # fmt: skip
_QUOTES: Final = {"'": "single quote", '"': "double quote", "`": "backquote"}
_EXITS: Final = frozenset(("exit", "exit 0"))
_WHOLE: Final = "write a complete command on one line, with ; between its parts, or put it into a script"


def language_of(shell: Shell | None, dialect: Dialect, runs: Runs) -> tuple[Dialect, Runs]:
    """Return the dialect of the shell of a task, and what asks it. dialect, runs: of /bin/sh."""
    if shell is None or shell.words[0] == SHELL:
        return dialect, runs
    return (dialect if shell.name == "sh" else Dialect.of(shell.name)), None


def fault(command: Command, *, dialect: Dialect, runs: Runs = None) -> str:
    """Return the error for a command that does not do what it seems to do; empty for all others.

    dialect: of the shell that runs a command without a shell of its own, and of `sh`. runs: whether that shell runs a
    short script successfully; it is asked once for each feature that its dialect may lack.
    """
    if isinstance(command, str):
        text = command
    else:
        if (inner := _started(command)) and (wrong := fault(inner, dialect=dialect, runs=runs)):
            return wrong
        text, dialect, runs = _shell_text(command, dialect, runs)
    shape = user_text(user_bytes(text).translate(_ZEROS))
    if (_passes if len(text) < _SHORT else _passes.__wrapped__)(shape, dialect, runs):
        return ""
    if text.strip() in _EXITS:
        return f'"{text.strip()}" ends only its own shell: the commands below run all the same; remove it, or them'
    return _fault(text, dialect, runs)


def left_behind(command: Command, *, dialect: Dialect) -> str:
    """Return the error for a command that leaves a process in the background; empty for all others.

    It is all that can be required of a task whose command is its name: a worker of another kind may run that.
    """
    if (inner := _started(command)) and (wrong := left_behind(inner, dialect=dialect)):
        return wrong
    text, dialect, _ = _shell_text(command, dialect, None)
    if background.waits_for_nothing(text):
        return background.NOTHING
    if "&" not in text:
        return ""
    parser = Parser(text, dialect)
    try:
        parser.parse()
    except (Malformed, RecursionError):
        return ""
    if any(use.feature is Feature.AMP_REDIRECT and dialect not in use.feature.is_in for use in parser.uses):
        return _AMP_REDIRECT
    return background.LEFT if background.is_left(parser.found) else ""


def _started(command: Command) -> Command:
    """Return the program that a command's shell starts with `"$@"`; None when it does not."""
    if isinstance(command, tuple) and len(command) > 4 and '"$@"' in command[2]:
        return command[4:]
    return None


def _shell_text(command: Command, dialect: Dialect, runs: Runs) -> tuple[str, Dialect, Runs]:
    """Return what a shell would run for a command, empty when none does, with the language of that shell."""
    if not isinstance(command, tuple):
        return command or "", dialect, runs
    name = command[0].rpartition("/")[2] if command else ""
    if len(command) < 3 or name not in SHELLS or not _SCRIPT_OPTION.fullmatch(command[1]):
        return "", dialect, runs
    return (command[2], dialect, runs) if name == "sh" else (command[2], Dialect.of(name), None)


# The lines of a file differ in numbers, or in file names and numbers, and two caches cost less than one for both: most
# lines are found in the first one, for which only digits are replaced.


@lru_cache(10_000)
def _passes(shape: str, dialect: Dialect, runs: Runs) -> bool:
    """Whether a command is known to pass. shape: the command with each digit replaced."""
    if shape.strip() in _EXITS:
        return False
    if not shape or is_ordinary(shape):
        return True
    return "\n" not in shape and _passes_alike(_VARYING.sub("0", shape), dialect, runs)


@lru_cache(10_000)
def _passes_alike(shape: str, dialect: Dialect, runs: Runs) -> bool:
    """The same, with numbers and file names replaced as well."""
    return not _fault(shape, dialect, runs)


def _fault(command: str, dialect: Dialect, runs: Runs) -> str:
    if wrong := typography.fault(command):
        return wrong
    if background.waits_for_nothing(command):
        return background.NOTHING
    parser, text = _parsed(command, dialect, runs)
    if text or parser is None:
        return text
    if background.is_left(parser.found):
        return background.LEFT
    return _state(command) if own_state.is_all(parser.found) else ""


def setup_fault(command: str, *, dialect: Dialect, runs: Runs = None) -> str:
    """Return the error for a command that each task's shell is to run first; empty when there is none."""
    if wrong := typography.fault(command):
        return wrong
    parser, text = _parsed(command, dialect, runs)
    if text or parser is None:
        return text
    if background.is_left(parser.found):
        return (
            '"&" in the setup block would start a process for every task, which nothing ends; '
            "start it before the pool, in the job script"
        )
    if any(each.words == ["exec"] and each.redirections and each.place is Where.SHELL for each in parser.found):
        return (
            f'"{shown(command, 40)}" in the setup block would take away the output of every task; '
            "redirect the output of single commands instead"
        )
    return ""


def commands(text: str, dialect: Dialect) -> list[tuple[int, str]]:
    """Return the commands of a script, as written, each with the number of its first line; the first line is 0.

    What stands on one line, or belongs to one construct or here-document over several, is one command. Comments
    are left out. Raise ValueError(what is wrong and what to do, line) when the script ends within something, or has
    an end without a beginning.
    """
    parser = Parser(text, dialect)
    found = []
    try:
        while (span := parser.line()) is not None:
            begin, end = span
            found.append((text.count("\n", 0, begin), text[begin:end]))
    except Malformed as error:
        raise ValueError(_malformed(error, "the script"), text.count("\n", 0, error.at)) from None
    except RecursionError:
        raise ValueError("commands are nested too deeply; put them into a script", 0) from None
    if parser.ends_with_backslash:
        raise ValueError("the backslash at the end of the script continues nothing; remove it", text.count("\n"))
    return found


def lines_spanned(text: str, dialect: Dialect) -> int:
    """Return how many lines the first command of a text has; 0 when it is not complete."""
    parser = Parser(text, dialect)
    try:
        span = parser.line()
    except (Malformed, RecursionError):
        return 0
    return text.count("\n", *span) + 1 if span else 0


def _parsed(command: str, dialect: Dialect, runs: Runs) -> tuple[Parser | None, str]:
    """Return the parsed command, or None when it is too complicated, and the error in its syntax if there is one."""
    parser = Parser(command, dialect)
    broken = None
    try:
        parser.parse()
    except Malformed as error:
        broken = error
    except RecursionError:
        return None, ""
    for use in parser.uses if broken else (*parser.uses, *beyond_posix.uses(parser.found)):
        if dialect not in use.feature.is_in and not (runs is not None and runs(use.feature.value)):
            return parser, _lacking(use)
    if broken is None:
        return parser, ""
    if dialect is Dialect.ZSH and (broken.found or broken.opened not in _QUOTES):
        return None, ""  # zsh has short forms of most compound commands
    return parser, _malformed(broken, "this command")


def _lacking(use: Use) -> str:
    if use.feature is Feature.AMP_REDIRECT:
        return _AMP_REDIRECT
    effect, other = _EFFECTS.get(use.feature, ("fails", ""))
    also = f", or {other}" if other else ""
    return f'"{shown(use.sign, 40)}" {effect} in this shell, which is not bash; {_BASH}{also}'


def _malformed(error: Malformed, where: str) -> str:
    opened = error.opened
    if not opened:
        return f'"{shown(error.found, 20)}" makes no sense here in {where}; {_WHOLE}'
    if opened.startswith("<<"):
        return (
            f'the here-document "{shown(opened, 20)}" has no end in {where}; '
            f"write printf 'TEXT\\n' | COMMAND on one line, or put it into a script"
        )
    if opened in _QUOTES:
        return f"a {_QUOTES[opened]} ({opened}) is not closed in {where}; close it, or escape it with a backslash"
    if opened in _CLOSERS:
        return f'"{opened}" has no "{_CLOSERS[opened]}" in {where}; {_WHOLE}'
    return f'nothing follows "{shown(opened, 20)}" in {where}; {_WHOLE}'


def _state(command: str) -> str:
    return (
        f'"{shown(command, 40)}" changes only its own shell, so no other line is affected; join it to its command with '
        "&&, or put it in the setup block (#DWORK setup ... #DWORK end at the top of the file)"
    )
