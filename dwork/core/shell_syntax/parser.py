"""Compound commands and substitutions, which with lists.py make the grammar of bash.

Theory of operation. POSIX is a part of that grammar; what is beyond POSIX is noted as a Feature (features.py), and a
caller decides by the shell that will run the text. No tree is made: the checks (fault.py) need the commands and the
`&` in the order in which they stand, with their place.
"""

from __future__ import annotations

import re
from typing import Final

from dwork.core.shell_syntax.features import Dialect, Feature
from dwork.core.shell_syntax.lists import END, PARENTHESES, CommandKind, Lists, ShellCommand, Where
from dwork.core.shell_syntax.words import Malformed

_NAME: Final = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_IN: Final = re.compile(rf"in{END}")
_ESAC: Final = re.compile(rf"esac{END}")
_BRACE: Final = re.compile(rf"\{{{END}")
_CONDITION_END: Final = re.compile(rf"\]\]{END}")
_CONDITION_TOKEN: Final = re.compile(r"&&|\|\||[()<>]|;")
_PATTERN_PART: Final = re.compile(r"[^\s\\'\"`$()]+")
_BEFORE_PATTERN: Final = frozenset(("=~", "==", "=", "!="))
#: What is arithmetic between `((` and `))`, where that may begin two subshells.
_CALCULATION: Final = re.compile(
    r"[\s!~(-]*\$?\{?\w*\}?\s*(?:\+\+|--|[-+*/%<>=!&|^]=|[-+*/%=<>]\s*\$?\w+\s*$|=\s)|\s*\$?\w+\s*$"
)


class Parser(Lists):
    """Parses a text, or fails with Malformed; `found` has its commands then, and `uses` the features."""

    def compound(self, opener: str) -> None:
        at = self.at
        self.at += len(opener)
        match opener:
            case "(":
                self._parenthesis_command(at)
            case "{":
                self.commands(("}",), "{", at)
            case "if":
                self._if(at)
            case "while" | "until":
                self.commands(("do",), opener, at)
                self.commands(("done",), opener, at)
            case "for" | "select":
                self._for(opener, at)
            case "case":
                self._case(at)
            case "[[":
                self._condition(at)
            case "function":
                self._function(at)
            case _:
                self.use(Feature.COPROC, opener)
                self.blanks()
                self.command()

    def _parenthesis_command(self, at: int) -> None:
        if self.text.startswith("(", self.at):
            found = len(self.found)
            is_bare = self.dialect in (Dialect.POSIX, Dialect.ASH)  # `((` begins two subshells there
            if self.arithmetic("((", at, 1) and (
                not is_bare or _CALCULATION.match(self.text[at + 2 : self.at - 2]) is not None
            ):
                self.use(Feature.ARITHMETIC_COMMAND, "((...))")
                self.found.append(ShellCommand(CommandKind.TEST, self.place, self.guarded))
                return
            del self.found[found:]
            self.at = at + 1
        self.commands((")",), "(", at)

    def _if(self, at: int) -> None:
        closer = "elif"
        while closer == "elif":
            self.commands(("then",), "if", at)
            closer = self.commands(("elif", "else", "fi"), "if", at)
        if closer == "else":
            self.commands(("fi",), "if", at)

    def _for(self, opener: str, at: int) -> None:
        self.blanks()
        if opener == "select":
            self.use(Feature.SELECT, "select")
        if self.text.startswith("((", self.at):
            self.use(Feature.FOR_ARITHMETIC, "for ((")
            if not self.arithmetic("for", at, 2):
                self.fail(opener, at)
        else:
            name = _NAME.match(self.text, self.at)
            if name is None:
                self.fail(opener, at)
            self.at = name.end()
            self.skip_lines()
            if _IN.match(self.text, self.at):
                self.at += 2
                self.blanks()
                while self.word():
                    self.blanks()
                if self.text[self.at : self.at + 1] not in (";", "\n"):
                    self.fail(opener, at)
        self.blanks()
        if self.text.startswith(";", self.at):
            self.at += 1
        self.skip_lines()
        if _BRACE.match(self.text, self.at):
            self.at += 1
            self.commands(("}",), opener, at)
        else:
            self._keyword("do", opener, at)
            self.commands(("done",), opener, at)

    def _keyword(self, word: str, opened: str, at: int) -> None:
        """Read a word that must be here."""
        if self.here() != word:
            self.fail(opened, at)
        self.at += len(word)

    def _case(self, at: int) -> None:
        self.blanks()
        if not self.word(expands=False):
            self.fail("case", at)
        self.skip_lines()
        self._keyword("in", "case", at)
        while True:
            self.skip_lines()
            if _ESAC.match(self.text, self.at):
                self.at += 4
                return
            self._patterns(at)
            closer = self.commands((";;", ";&", ";;&", "esac"), "case", at, may_be_empty=True)
            if closer == "esac":
                return
            if closer != ";;":
                self.use(Feature.FALL_THROUGH, closer)

    def _patterns(self, at: int) -> None:
        if self.text.startswith("(", self.at):
            self.at += 1
        while True:
            self.blanks()
            if not self.word(expands=False):
                self.fail("case", at)
            self.blanks()
            end = self.text[self.at : self.at + 1]
            if end not in ("|", ")") or not end:
                self.fail("case", at)
            self.at += 1
            if end == ")":
                return

    def _condition(self, at: int) -> None:
        """Read `[[ ... ]]` behind its opening."""
        self.use(Feature.DOUBLE_BRACKET, "[[")
        while True:
            self.skip_lines()
            if _CONDITION_END.match(self.text, self.at):
                self.at += 2
                self.found.append(ShellCommand(CommandKind.TEST, self.place, self.guarded))
                return
            if self.at >= len(self.text):
                raise Malformed(at, opened="[[")
            if token := _CONDITION_TOKEN.match(self.text, self.at):
                if token[0] == ";":
                    raise Malformed(self.at, found=";")
                self.at = token.end()
            elif (word := self.word(expands=False)) in _BEFORE_PATTERN:
                self.blanks()
                self._pattern(at)
            elif not word:
                raise Malformed(self.at, found=self.here())

    def _pattern(self, at: int) -> None:
        """Read the pattern of a comparison, in which `( ) |` are text."""
        text = self.text
        while self.at < len(text) and not text[self.at].isspace():
            if found := _PATTERN_PART.match(text, self.at):
                self.at = found.end()
            elif text[self.at] == "(":
                self.pattern(at)
            elif not self._part(self.at):
                self.at += 1

    def _function(self, at: int) -> None:
        """Read a definition behind the word `function`."""
        self.use(Feature.FUNCTION, "function")
        self.blanks()
        name = self.word(expands=False)
        if not name:
            self.fail("function", at)
        self.blanks()
        if parentheses := PARENTHESES.match(self.text, self.at):
            self.at = parentheses.end()
        self.body(at, name)

    def substituted(self, opened: str, at: int) -> None:
        place, documents, guarded = self.place, self.documents, self.guarded
        self.place, self.documents = Where.SUBSTITUTION, []
        self.commands((")",), opened, at, may_be_empty=True)
        if self.documents:
            raise Malformed(at, opened=f"<<{self.documents[0][0]}")
        self.place, self.documents, self.guarded = place, documents, guarded

    def backquoted(self, text: str) -> None:
        inner = Parser(text, self.dialect, Where.SUBSTITUTION)
        inner.parse()
        self.found += inner.found
        self.uses += inner.uses
