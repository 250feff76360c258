"""Simple commands, redirections, pipelines, and lists of these."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NoReturn

from dwork.core.shell_syntax.features import Dialect, Feature
from dwork.core.shell_syntax.words import Malformed, Words


class Where(Enum):
    """Where a command runs: in the shell itself (or a subshell), in a function, in a substitution."""

    SHELL = "shell"
    FUNCTION = "function"
    SUBSTITUTION = "substitution"


class CommandKind(Enum):
    """What a command is. TEST: `[[ ]]` and `(( ))`. DEFINITION: of a function. OUTPUT: a redirected compound."""

    SIMPLE = "simple"
    TEST = "test"
    DEFINITION = "definition"
    OUTPUT = "output"
    BACKGROUND = "&"


@dataclass(slots=True)
class ShellCommand:
    """A command, or the `&` behind one. guarded: whether it runs only when another has failed (`||`)."""

    kind: CommandKind
    place: Where
    guarded: bool = False
    piped: bool = False
    words: list[str] = field(default_factory=list)
    assignments: list[str] = field(default_factory=list)
    redirections: list[str] = field(default_factory=list)


_BLANKS: Final = re.compile(r"(?:[ \t]+|\\\n)*(?:\#[^\n]*)?")
END: Final = r"(?=[\s;&|()<>]|\\\n|$)"
_CLOSER: Final = re.compile(rf"\)|;;&|;;|;&|(?:then|do|done|fi|elif|else|esac|\}}){END}")
_OPENER: Final = re.compile(rf"\(|(?:\{{|if|while|until|for|select|case|\[\[|function|coproc){END}")
_PREFIX: Final = re.compile(rf"(?P<not>!(?=[\s(]|\\\n|$))|time{END}(?![ \t]+-(?!p[ \t]))(?:[ \t]+-p{END})?")
#: Before these `time` is a command of its own (a program, where the shell has no such word), and `!` in some shells.
_PIPELINE_END: Final = re.compile(r"[;&|\n)]|$")
_LIST_END: Final = re.compile(r";|\n|$")
_NEGATE_NOTHING: Final = frozenset((Dialect.BASH, Dialect.KSH))
_SEPARATOR: Final = re.compile(r";(?![;&])|&(?![&>])")
_AND_OR: Final = re.compile(r"&&|\|\|")
_PIPE: Final = re.compile(r"\|&|\|(?!\|)")
_REDIRECTION: Final = re.compile(
    r"(?P<fd>[0-9]+|\{[A-Za-z_]\w*\})?(?P<operator><<<|<<-|<<|<>|<&|<(?!\()|>>|>&|>\||>(?!\())|(?P<both>&>>?)"
)
_DUPLICATE: Final = re.compile(r"[0-9]+-?$|-$|[$`\"'\\]")
_QUOTES: Final = re.compile(r"\\(.)|['\"]", re.DOTALL)
_ASSIGNMENT: Final = re.compile(r"[A-Za-z_]\w*(?P<index>\[[^]]*\])?(?P<more>\+?)=")
_TOKEN: Final = re.compile(r"[^\s;&|()<>]+|[;&|<>]+|.", re.DOTALL)
#: Those of a function, behind its name.
PARENTHESES: Final = re.compile(r"\((?:[ \t]|\\\n)*\)")


class Lists(Words):
    """Reads simple commands, pipelines and lists of them."""

    def __init__(self, text: str, dialect: Dialect, place: Where = Where.SHELL) -> None:
        super().__init__(text, dialect)
        self.found: list[ShellCommand] = []
        self.place = place
        self.guarded = False
        #: The here-documents that begin on the next line: end, whether tabs are stripped, position.
        self.documents: list[tuple[str, bool, int]] = []

    def parse(self) -> None:
        """Parse the whole text."""
        self.commands(("",), "", 0)

    def line(self) -> tuple[int, int] | None:
        """Parse the next commands up to a line end outside of them; return where they begin and end."""
        self.skip_lines()
        start = self.at
        if start >= len(self.text):
            return None
        while True:
            if closer := _CLOSER.match(self.text, self.at):
                raise Malformed(self.at, found=closer[0])
            self._and_or()
            self._separate()
            end = self.at
            self.blanks()
            if self.at >= len(self.text) or self.text[self.at] == "\n":
                if self.documents:
                    self.skip_line()
                    end = self.at - self.text.endswith("\n", 0, self.at)
                return start, end

    def blanks(self) -> None:
        found = _BLANKS.match(self.text, self.at)
        assert found is not None
        self.at = found.end()

    def skip_line(self) -> None:
        """Skip a line end, and the here-documents that begin behind it."""
        self.at += 1
        for end, strips, begin in self.documents:
            while True:
                if self.at >= len(self.text):
                    raise Malformed(begin, opened=f"<<{end}")
                stop = self.text.find("\n", self.at)
                stop = len(self.text) if stop < 0 else stop
                line = self.text[self.at : stop]
                self.at = stop + 1
                if (line.lstrip("\t") if strips else line) == end:
                    break
            self.at = min(self.at, len(self.text))
        self.documents.clear()

    def skip_lines(self) -> None:
        self.blanks()
        while self.text.startswith("\n", self.at):
            self.skip_line()
            self.blanks()
        if self.at >= len(self.text) and self.documents:
            raise Malformed(self.documents[0][2], opened=f"<<{self.documents[0][0]}")

    def _separate(self) -> None:
        """Read the separator behind a command. Fail when there is something else, as in `(a) b`."""
        self.blanks()
        if separator := _SEPARATOR.match(self.text, self.at):
            self.at = separator.end()
            if separator[0] == "&":
                self.found.append(ShellCommand(CommandKind.BACKGROUND, self.place))
        elif self.at < len(self.text) and self.text[self.at] != "\n" and not _CLOSER.match(self.text, self.at):
            raise Malformed(self.at, found=self.here())

    def commands(self, closers: tuple[str, ...], opened: str, at: int, *, may_be_empty: bool = False) -> str:
        """Parse commands up to and with one of closers, and return it; "" is the end of the text."""
        is_empty = not may_be_empty and closers != ("",)
        while True:
            self.skip_lines()
            if self.at >= len(self.text):
                if "" in closers:
                    return ""
                raise Malformed(at, opened=opened)
            if closer := _CLOSER.match(self.text, self.at):
                if closer[0] not in closers or is_empty:
                    raise Malformed(self.at, found=closer[0])
                self.at = closer.end()
                return closer[0]
            self._and_or()
            self._separate()
            is_empty = False

    def here(self) -> str:
        """Return the word or operator at this position."""
        found = _TOKEN.match(self.text, self.at)
        return found[0] if found else ""

    def _and_or(self) -> None:
        was = self.guarded
        self._pipeline()
        self.blanks()
        while operator := _AND_OR.match(self.text, self.at):
            at, self.at = self.at, operator.end()
            self.guarded = was or operator[0] == "||"
            self._continue(operator[0], at)
            self._pipeline()
            self.blanks()
        self.guarded = was

    def _continue(self, operator: str, at: int) -> None:
        self.skip_lines()
        if self.at >= len(self.text):
            raise Malformed(at, opened=operator)

    def _pipeline(self) -> None:
        is_whole = False
        while prefix := _PREFIX.match(self.text, self.at):
            self.at = prefix.end()
            self.blanks()
            if prefix["not"] is not None:
                is_whole = self.dialect in _NEGATE_NOTHING and _LIST_END.match(self.text, self.at) is not None
            elif _OPENER.match(self.text, self.at):
                self.use(Feature.TIME_COMPOUND, f"time {self.here()}")
            else:
                is_whole = _PIPELINE_END.match(self.text, self.at) is not None
        first = len(self.found)
        if not is_whole:
            self.command()
        self.blanks()
        is_piped = False
        while operator := _PIPE.match(self.text, self.at):
            at, self.at = self.at, operator.end()
            if operator[0] == "|&":
                self.use(Feature.PIPE_BOTH, "|&")
            self._continue(operator[0], at)
            self.command()
            self.blanks()
            is_piped = True
        if is_piped:
            for each in self.found[first:]:
                each.piped = True

    def command(self) -> None:
        if self.at >= len(self.text):
            raise Malformed(self.at, found="end of line")
        if closer := _CLOSER.match(self.text, self.at):
            raise Malformed(self.at, found=closer[0])
        opener = _OPENER.match(self.text, self.at)
        if opener is None:
            self._simple()
            return
        self.compound(opener[0])
        self._redirected()

    def compound(self, opener: str) -> None:
        """Parse a compound command, which begins with this word."""
        raise NotImplementedError

    def _redirected(self) -> None:
        """Read the redirections of a compound command."""
        found = ShellCommand(CommandKind.OUTPUT, self.place, self.guarded)
        self.blanks()
        while self._redirection(found):
            self.blanks()
        if found.redirections:
            self.found.append(found)

    def body(self, at: int, name: str) -> None:
        """Parse the body of a function."""
        self.skip_lines()
        if self.at >= len(self.text):
            raise Malformed(at, opened="function")
        self.found.append(ShellCommand(CommandKind.DEFINITION, self.place, self.guarded, words=[name]))
        was, self.place = self.place, Where.FUNCTION if self.place is Where.SHELL else self.place
        self.command()
        self.place = was

    def fail(self, opened: str, at: int) -> NoReturn:
        """Fail, since something else is needed at this position to end what was opened."""
        if self.at >= len(self.text):
            raise Malformed(at, opened=opened)
        raise Malformed(self.at, found=self.here())

    def _simple(self) -> None:
        found = ShellCommand(CommandKind.SIMPLE, self.place, self.guarded)
        at = self.at
        position = len(self.found)
        while True:
            self.blanks()
            if self._redirection(found):
                continue
            expands = bool(found.words) or not _ASSIGNMENT.match(self.text, self.at)
            word = self.word(expands=expands)
            if not word:
                break
            if not found.words and (assignment := _ASSIGNMENT.match(word)):
                found.assignments.append(word)
                if assignment["more"]:
                    self.use(Feature.APPEND, assignment[0])
                elif assignment["index"]:
                    self.use(Feature.ARRAY, assignment[0])
            else:
                found.words.append(word)
        if self.text.startswith("(", self.at):
            is_name = len(found.words) == 1 and not found.assignments and not found.redirections
            parentheses = PARENTHESES.match(self.text, self.at)
            if not is_name or parentheses is None:
                raise Malformed(self.at, found="(")
            self.at = parentheses.end()
            self.body(at, found.words[0])
            return
        if not (found.words or found.assignments or found.redirections):
            raise Malformed(self.at, found=self.here())
        self.found.insert(position, found)

    def _redirection(self, command: ShellCommand) -> bool:
        """Read a redirection of a command, if there is one here."""
        found = _REDIRECTION.match(self.text, self.at)
        if found is None:
            return False
        at, self.at = self.at, found.end()
        operator = found["operator"] or found["both"]
        if found["both"]:
            self.use(Feature.AMP_REDIRECT, operator)
        elif operator == "<<<":
            self.use(Feature.HERE_STRING, operator)
        if found["fd"] and found["fd"][0] == "{":
            self.use(Feature.FD_VARIABLE, found[0])
        self.blanks()
        target = self.word(expands=False)
        if not target:
            self.fail(operator, at)
        if operator in ("<<", "<<-"):
            self.documents.append((_QUOTES.sub(r"\1", target), operator == "<<-", at))
        elif operator == ">&" and not _DUPLICATE.match(target):
            self.use(Feature.FILE_DUPLICATE, f">& {target}")
        command.redirections.append(f"{operator} {target}")
        return True
