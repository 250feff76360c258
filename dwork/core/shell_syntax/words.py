"""The words of a shell: quotes, expansions and substitutions, scanned only to find where each ends.

What a shell beyond POSIX would do with a word is noted as a Feature. Command substitutions have commands inside, so
`Parser` (parser.py) is a subclass that parses these.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from dwork.core.shell_syntax.features import Dialect, Feature


class Malformed(ValueError):
    """A text that ends inside `opened`, which begins at `at`; or has `found` where it makes no sense."""

    def __init__(self, at: int, *, opened: str = "", found: str = "") -> None:
        super().__init__(opened or found)
        self.at = at
        self.opened = opened
        self.found = found


@dataclass(frozen=True, slots=True)
class Use:
    """The use of a feature; sign: how it is written there."""

    feature: Feature
    sign: str


_LITERAL: Final = re.compile(r"[^ \t\n\\'\"`$();&|<>]+")
_SINGLE: Final = re.compile(r"'[^']*'")
_ANSI: Final = re.compile(r"'(?:[^'\\]|\\.)*'", re.DOTALL)
_IN_DOUBLE: Final = re.compile(r"(?:[^\"\\$`]|\\.)+", re.DOTALL)
_BACKQUOTED: Final = re.compile(r"`((?:[^`\\]|\\.)*)`", re.DOTALL)
_ESCAPED: Final = re.compile(r"\\([$`\\])")
_NAME: Final = re.compile(r"[A-Za-z_]\w*|[0-9@*#?$!-]")
_PARAMETER: Final = re.compile(r"(?P<head>[#!]?)(?P<name>[A-Za-z_]\w*|[0-9]+|[@*#?$!-])|(?P<other>)")
_IN_PARENTHESES: Final = re.compile(r"(?:[^()\\'\"`$]|\\.)+", re.DOTALL)
_ARRAY: Final = re.compile(r"[A-Za-z_]\w*(?:\[[^]]*\])?\+?=")
_BRACES: Final = re.compile(
    r"\{(?:[^{}]*,[^{}]*|-?\d+\.\.-?\d+(?:\.\.-?\d+)?|[A-Za-z]\.\.[A-Za-z](?:\.\.-?\d+)?)\}", re.ASCII
)
_INCREMENT: Final = re.compile(r"[A-Za-z_]\w*[ \t]*(?:\+\+|--)[ \t]*(?:[^\w \t(+$-]|$)")
#: Variables that only bash sets, and which nobody exports.
_VARIABLES: Final = frozenset(
    "BASHPID BASH_ARGV BASH_COMMAND BASH_REMATCH BASH_SOURCE BASH_SUBSHELL EPOCHREALTIME EPOCHSECONDS FUNCNAME "
    "PIPESTATUS SRANDOM".split()
)
_OPERATORS: Final = {"/": Feature.REPLACE, "^": Feature.CASE_CHANGE, ",": Feature.CASE_CHANGE, "@": Feature.TRANSFORM}


class Words:
    """A position in a text, from which words are read."""

    def __init__(self, text: str, dialect: Dialect) -> None:
        self.text = text
        self.at = 0
        self.dialect = dialect
        self.uses: list[Use] = []
        #: Whether a backslash that quotes nothing ends the text.
        self.ends_with_backslash = False

    def substituted(self, opened: str, at: int) -> None:
        """Parse the commands of a substitution, up to and with its `)`."""
        raise NotImplementedError

    def backquoted(self, text: str) -> None:
        """Parse the commands between backquotes."""
        raise NotImplementedError

    def skip_lines(self) -> None:
        """Skip blanks, comments and line ends."""
        raise NotImplementedError

    def use(self, feature: Feature, sign: str) -> None:
        """Note a feature beyond POSIX."""
        self.uses.append(Use(feature, sign))

    def word(self, *, expands: bool = True) -> str:
        """Read the word that begins here and return it as written; empty when there is none.

        expands: whether braces in it are expanded.
        """
        text, start = self.text, self.at
        plain = ""
        while self.at < len(text):
            if found := _LITERAL.match(text, self.at):
                self.at = found.end()
                plain += found[0]
            elif self._part(start):
                plain += "\0"
            else:
                break
        if expands and "{" in plain and (found := _BRACES.search(plain)) and "://" not in plain:
            self.use(Feature.BRACES, found[0].replace("\0", "..."))
        return text[start : self.at]

    def _part(self, start: int) -> bool:
        """Read a part of the word that is more than text; False when the word has ended."""
        text, at = self.text, self.at
        character = text[at]
        if character == "\\":
            self.ends_with_backslash = at + 1 == len(text)
            self.at = min(at + 2, len(text))
        elif character == "'":
            self._quoted(_SINGLE, at)
        elif character == '"':
            self._double()
        elif character == "$":
            self._dollar(in_quotes=False)
        elif character == "`":
            self._backquote()
        elif character == "(":
            return self._parenthesis(start)
        elif character in "<>" and text.startswith("(", at + 1):
            self.use(Feature.PROCESS_SUBSTITUTION, f"{character}(")
            self.at += 2
            self.substituted(f"{character}(", at)
        else:
            return False
        return True

    def _quoted(self, pattern: re.Pattern[str], at: int) -> None:
        found = pattern.match(self.text, at)
        if found is None:
            raise Malformed(at, opened="'")
        self.at = found.end()

    def _double(self) -> None:
        at = self.at
        self.at += 1
        while True:
            if found := _IN_DOUBLE.match(self.text, self.at):
                self.at = found.end()
            character = self.text[self.at : self.at + 1]
            if character == '"':
                self.at += 1
                return
            if character == "$":
                self._dollar(in_quotes=True)
            elif character == "`":
                self._backquote()
            else:
                raise Malformed(at, opened='"')

    def _backquote(self) -> None:
        found = _BACKQUOTED.match(self.text, self.at)
        if found is None:
            raise Malformed(self.at, opened="`")
        self.at = found.end()
        self.backquoted(_ESCAPED.sub(r"\1", found[1]))

    def _dollar(self, *, in_quotes: bool) -> None:
        text, at = self.text, self.at
        self.at += 1
        following = text[self.at : self.at + 1]
        if following == "(":
            if text.startswith("((", self.at) and self.arithmetic("$((", at, 2):
                return
            self.at = at + 2
            self.substituted("$(", at)
        elif following == "{":
            self.at += 1
            self._parameter(at, in_quotes)
        elif following == "'" and not in_quotes:
            self.use(Feature.ANSI_QUOTE, "$'...'")
            self._quoted(_ANSI, self.at)
        elif following == '"' and not in_quotes:
            self.use(Feature.LOCALE_QUOTE, '$"..."')
        elif found := _NAME.match(text, self.at):
            self.at = found.end()
            self._variable(found[0], f"${found[0]}")

    def _variable(self, name: str, sign: str) -> None:
        if name == "RANDOM" and "RANDOM=" not in self.text:
            self.use(Feature.RANDOM, sign)
        elif name in _VARIABLES:
            self.use(Feature.VARIABLE, sign)

    def arithmetic(self, opened: str, at: int, ahead: int) -> bool:
        """Read arithmetic, whose parentheses begin `ahead` characters before its text; False when it is none.

        `((a); b)` is no arithmetic but a subshell within another.
        """
        text, noted = self.text, len(self.uses)
        self.at = start = self.at + ahead
        depth = 0
        while True:
            if found := _IN_PARENTHESES.match(text, self.at):
                self.at = found.end()
            character = text[self.at : self.at + 1]
            if character == ")" and not depth:
                break
            if character and character in "()":
                depth += 1 if character == "(" else -1
                self.at += 1
            elif not character or not self._part(self.at):
                raise Malformed(at, opened=opened)
        inside = text[start : self.at]
        if not text.startswith("))", self.at):
            del self.uses[noted:]
            return False
        self.at += 2
        if opened == "$((":
            self._in_arithmetic(inside)
        return True

    def _in_arithmetic(self, inside: str) -> None:
        if "**" in inside:
            self.use(Feature.POWER, "**")
        if found := _INCREMENT.search(inside):
            self.use(Feature.INCREMENT, "++" if "++" in found[0] else "--")
        if re.search(r"\bRANDOM\b", inside):
            self.use(Feature.RANDOM, "RANDOM")

    def _parameter(self, at: int, in_quotes: bool) -> None:
        """Read `${...}` behind its brace, which began at `at`."""
        text = self.text
        found = _PARAMETER.match(text, self.at)
        assert found is not None
        name = found["name"]
        self.at = found.end()
        if found["head"] == "!" and name is not None:
            self.use(Feature.INDIRECT, f"${{!{name}}}")
        if text.startswith("[", self.at):
            self.use(Feature.ARRAY, f"${{{name}[...]}}")
            self.at += 1
            self._until("]", at, in_quotes)
        operator = text[self.at : self.at + 1]
        if operator == ":" and (after := text[self.at + 1 : self.at + 2]) not in ("-", "=", "?", "+", ""):
            self.use(Feature.SUBSTRING, f"${{{name}:{after}...}}")
        elif operator in _OPERATORS and not found["head"]:
            self.use(_OPERATORS[operator], f"${{{name}{operator}...}}")
        elif operator == "}" and name is not None and not found["head"]:
            self._variable(name, f"${{{name}}}")
        self._until("}", at, in_quotes, apostrophe=operator not in ("-", "=", "?", "+", ":"))

    def _until(self, end: str, at: int, in_quotes: bool, *, apostrophe: bool = True) -> None:
        """Read up to a character that is not quoted. apostrophe: whether it quotes even between double quotes."""
        text = self.text
        while True:
            character = text[self.at : self.at + 1]
            if character == end:
                self.at += 1
                return
            if not character:
                raise Malformed(at, opened="${")
            if character == "'":
                if in_quotes and not apostrophe:
                    self.at += 1
                else:
                    self._quoted(_SINGLE, self.at)
            elif character == "$":
                self._dollar(in_quotes=in_quotes)
            elif character in '"`\\':
                self._part(self.at)
            else:
                self.at += 1

    def _parenthesis(self, start: int) -> bool:
        """Read an array, or a pattern such as `@(a|b)`, at a parenthesis within a word; False when it is neither."""
        text, at = self.text, self.at
        if at > start and _ARRAY.fullmatch(text, start, at):
            self.use(Feature.ARRAY, f"{text[start:at]}(...)")
            self._elements(at)
            return True
        if at > start and text[at - 1] in "?*+@!":
            self.use(Feature.EXTENDED_GLOB, f"{text[at - 1]}(...)")
            self.pattern(at)
            return True
        return False

    def _elements(self, at: int) -> None:
        self.at += 1
        while True:
            self.skip_lines()
            if self.text.startswith(")", self.at):
                self.at += 1
                return
            if self.at >= len(self.text):
                raise Malformed(at, opened="(")
            if not self.word():
                raise Malformed(self.at, found=self.text[self.at])

    def pattern(self, at: int) -> None:
        """Read parentheses of a pattern, with all that is nested in them."""
        depth = 0
        while True:
            if found := _IN_PARENTHESES.match(self.text, self.at):
                self.at = found.end()
            character = self.text[self.at : self.at + 1]
            if character and character in "()":
                self.at += 1
                depth += 1 if character == "(" else -1
                if not depth:
                    return
            elif not character or not self._part(self.at):
                raise Malformed(at, opened="(")
