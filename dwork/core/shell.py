"""The shell that runs the lines of a task file, and the setup block that it runs before each of them.

Theory of operation. A line runs as `SHELL FLAGS -c LINE`. With a setup block, the script begins with its commands, so
that functions, variables, the directory and the umask carry over to the line. Each command of the block must succeed:
the first that does not ends the shell with its exit status. While the block runs, the shell prints to a third pipe (see
`log`), where a record of a NUL, a word, a number and a line end announces each command by its position, and the same
without a number announces the line itself. So whoever reads the pipe knows whether the line was reached. The word is
what no command of the block prints by chance: `cat /proc/self/environ; echo` ends with a NUL and a line end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple

from dwork.core.text import shown

#: The shell of a line that does not choose one.
SHELL: Final = "/bin/sh"
#: The shell of systems that promise bash to their users.
BASH: Final = "/bin/bash"
#: What begins each line that a setup block printed, in the standard error of its task.
MARK: Final = "[setup] "
#: What begins a record that announces a command of a setup block, behind a NUL.
RECORD: Final = "dwork-setup "
#: Ends the shell with the exit status of the last command if that has failed.
_CHECK: Final = "case $? in 0) ;; *) exit ;; esac"
#: Descriptors that a setup block may not use itself: a shell need not know higher ones.
_DIGITS: Final = "9876543"
#: Shells that start the program of a plain line just as it would be started without them.
_DIRECT: Final = frozenset(("sh", "dash", "bash"))
#: Their flags that change nothing for a plain line.
_HARMLESS: Final = re.compile(r"(?: -[eufhET]+| -[eufhET]*o (?:pipefail|errexit|nounset|noglob|posix|errtrace))*")
#: Programs of other languages, in which a line of a shell means something else.
_NO_SHELLS: Final = re.compile(
    r"t?csh|python[0-9.]*|pypy[0-9.]*|perl[0-9.]*|ruby[0-9.]*|node|nodejs|[gmn]?awk|sed|Rscript|R|lua[0-9.]*|tclsh[0-9.]*|expect"
    r"|php[0-9.]*|julia|make|pwsh|nu|elvish|xonsh|ipython3?|cat|true|false|srun|mpirun|mpiexec"
)
#: Shells that are known to run -c LINE and to exit with its exit status.
_KNOWN: Final = re.compile(r"(?:ba|da|a|po|ya|z|m?k|pdk|o)?sh[0-9.-]*|fish|busybox")
#: A word as a shell reads it, and what in it is quoted.
_WORD: Final = re.compile(r"""(?:[^ \t\r\n'"\\]+|\\.|'[^']*'|"(?:[^"\\]|\\.)*")+""", re.DOTALL)
_QUOTED: Final = re.compile(r"""\\(.)|'([^']*)'|"((?:[^"\\]|\\.)*)\"""", re.DOTALL)
_ESCAPED: Final = re.compile(r'\\(["\\])')
_SPACE: Final = re.compile(r"[ \t\r\n]*")
#: Shells of which a setup block is not the language.
_UNLIKE_SH: Final = frozenset(("fish", "rc", "es", "ion"))
#: Flags with which a shell reads no -c LINE, waits for a terminal, or does not run all of the line but exits with 0.
_UNFIT: Final = re.compile(r"-[A-Za-z]*[cDinst][A-Za-z]*|--?|--(?:version|help|dump-.*|rpm-requires|no-?exec(?:ute)?)")
#: The same among the options that -o sets.
_UNFIT_OPTIONS: Final = frozenset(("noexec", "onecmd"))


class Descriptors(NamedTuple):
    """Where the shell keeps its standard output and error while the setup block runs, and what the block prints to."""

    out: int
    err: int
    log: int


@dataclass(frozen=True, slots=True)
class Shell:
    """A shell. words: the program and its flags. setup: the commands that run before each line.

    places: where each of these commands stands, as `FILE:LINE`; it does not count when two shells are compared.
    """

    words: tuple[str, ...] = (SHELL,)
    setup: tuple[str, ...] = ()
    places: tuple[str, ...] = field(default=(), compare=False)

    @property
    def name(self) -> str:
        """The name of the program, such as `bash`."""
        return self.words[0].rpartition("/")[2]

    @property
    def is_like_sh(self) -> bool:
        """Whether it can run a setup block."""
        return self.name not in _UNLIKE_SH

    @property
    def is_known(self) -> bool:
        """Whether its name is that of a shell; else it may be a wrapper around one, or another program."""
        return _KNOWN.fullmatch(self.name) is not None

    @property
    def is_bash(self) -> bool:
        return self.name == "bash"

    @property
    def is_transparent(self) -> bool:
        """Whether a plain line means the same without this shell."""
        flags = "".join(f" {word}" for word in self.words[1:])
        return not self.setup and self.name in _DIRECT and _HARMLESS.fullmatch(flags) is not None

    @property
    def descriptors(self) -> Descriptors:
        """The descriptors that the script uses; ValueError when the block leaves too few."""
        return _descriptors(self.setup)

    def script(self, line: str, *, marked: bool = True) -> str:
        """Return the text for -c that runs the setup block and then a line.

        marked: whether the output of the block is read, from the descriptor `log`; else it goes where the line's does.
        """
        if marked and self.setup:
            return _head(self.setup) + line
        return "\n".join([*(part for command in self.setup for part in (command, _CHECK)), line])


#: What a line runs with that chooses nothing.
DEFAULT: Final = Shell()


# Every start of a task needs these two, and most tasks have the same block.


@lru_cache
def _descriptors(setup: tuple[str, ...]) -> Descriptors:
    text = "\n".join(setup)
    free = [int(digit) for digit in _DIGITS if not re.search(rf"{digit}[<>]|[<>]&{digit}", text)]
    if len(free) < len(Descriptors._fields):
        raise ValueError("the setup block uses too many descriptors from 3 to 9; leave three of them unused")
    return Descriptors(free[2], free[1], free[0])


@lru_cache
def _head(setup: tuple[str, ...]) -> str:
    """Return the script up to the line."""
    out, err, log = _descriptors(setup)
    parts = [f"exec {out}>&1 {err}>&2 >&{log} 2>&1"]
    for i, command in enumerate(setup):
        parts += [f"printf '\\000{RECORD}{i}\\n'", command, _CHECK]
    parts += [f"printf '\\000{RECORD}\\n'", f"exec >&{out} 2>&{err} {out}>&- {err}>&- {log}>&-", ""]
    return "\n".join(parts)


def split_words(text: str) -> list[str]:
    """Return what `shlex.split` returns, which takes minutes for a word of 3 MB. ValueError for an open quote."""
    words = []
    at = _end(_SPACE, text, 0)
    while at < len(text):
        end = _end(_WORD, text, at)
        words.append(_QUOTED.sub(_unquoted, text[at:end]))
        at = _end(_SPACE, text, end)
        if at == end < len(text):
            raise ValueError("a quote is not closed")
    return words


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return at if found is None else found.end()


def _unquoted(found: re.Match[str]) -> str:
    escaped, single, double = found.groups()
    return _ESCAPED.sub(r"\1", double) if double is not None else escaped or single or ""


def words_of(text: str) -> tuple[str, ...]:
    """Return the program and the flags of a shell as `#!` or `--shell` give it. Raise ValueError when it is none.

    `/usr/bin/env bash` is `bash`, which is searched in the PATH of each task.
    """
    try:
        words = split_words(text)
    except ValueError:
        raise ValueError("the quotes are not closed; write a shell and its flags, such as /bin/bash -e") from None
    if words and words[0].rpartition("/")[2] == "env":
        words = words[2:] if words[1:2] == ["-S"] else words[1:]
        if words and (words[0].startswith("-") or "=" in words[0]):
            raise ValueError(
                f"env with {shown(words[0])} is not supported here; write /usr/bin/env and the name of a shell"
            )
    if not words:
        raise ValueError("no shell is named; write one, such as /bin/bash")
    name = words[0].rpartition("/")[2]
    if _NO_SHELLS.fullmatch(name):
        raise ValueError(f"{name} is not a shell like sh; write one such as /bin/bash, and start {name} on each line")
    _check_flags(name, words[1:])
    return tuple(words)


def _check_flags(name: str, words: list[str]) -> None:
    if name == "busybox" and words:
        del words[0]
    takes_value = False
    for word in words:
        if word.lower().replace("_", "") in _UNFIT_OPTIONS or (not takes_value and _UNFIT.fullmatch(word)):
            raise ValueError(f"{shown(name)} with {shown(word)} would not run the lines; remove it")
        if takes_value:
            takes_value = False
        elif word[:1] not in ("-", "+"):
            raise ValueError(f'"{shown(word)}" is not a flag of {shown(name)}; write only the shell and its flags')
        else:
            takes_value = word[1:2] != "-" and word[-1:] in "oO"
    if takes_value:
        raise ValueError(f"an option is missing behind {shown(words[-1])}; write one, such as pipefail")
