"""Random lines of a shell that hurt nobody: the same for the same seed."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

#: What each directory has that a line runs in.
FILES: Final = {
    "f1": b"one\ntwo\n",
    "f2.txt": b"b\nc\na\n",
    "a b": b"blank\n",
    "\udcff.dat": b"\xff\xfe\n",
    "sub/g": b"g\n",
}
#: The variables that lines use.
VARIABLES: Final = {
    "A": "a",
    "B": "two  words",
    "E": "",
    "STAR": "*",
    "ODD": "\udcff\udcc3x",
    "QUOTE": "it's",
    "N": "7",
}

_WORDS: Final = (
    "a", "bc", "x1", "-", "--", "-n", "=", "a=b", "%", "@", "+", ":", ",", ".", "~", "~/x", "{}", "{a}", "]", "[", "!",
    "^", "/", "a#b", "\\#", "\\ ", "\\\\", "\\$", "\\'", '\\"', "\\n", "\\*", "''", '""', "$", "\xfc", "\udcff",
    "\udcc3\\ ", "\u2028", "\r", "\x7f", "\x1b", "\ufeff", "\xa0",
)  # fmt: skip
#: Of these are lines that are, or look as if they could be, started without a shell.
_SIMPLE: Final = (
    "/bin/echo", "ls -d", "expr", "basename", "timeout 9 echo", "seq", "nosuch", "./f1", "echo", "test", ":",
    "A=1 /bin/echo",
)  # fmt: skip
_BARE: Final = (
    "a", "-1", "2", "+", "f1", "./f2.txt", "x:y", "50%", "@", ",", "=", "a=b", "~", "*", "f?", "{a}", "[a]", "^", "!",
    "#x", "\xfc",
)  # fmt: skip
_SINGLE: Final = (
    "", " ", "a  b", '"', "$A", "`", "\\", "#", " # x", "*", ";", "&", "&&", "|", "(", "\udcff", "\t", "{1,2}", "\r",
)  # fmt: skip
_DOUBLE: Final = (
    "", " ", "a  b", "'", "$A", "$B", "${E:-d}", "\\$A", "\\`", "\\\\", '\\"', "#", " #x ", "*", "&", ")", "\udcff",
    "$ODD", "$(echo q)", "`echo q`", "$((N+1))", "\\a", "!", "\r",
)  # fmt: skip
_EXPANSIONS: Final = (
    "$A", "$B", "$E", "$STAR", "$ODD", "$QUOTE", "${A}", "${A}b", "${NOT-}", "${NOT:-x y}", "${E:-'q  q'}", "${E:+n}",
    "${A:+y}", "${A%a}", "${#B}", "${B#two}", '"${NOT:-$B}"', '"${E:-it\'s}"', "$?", "$#", "$*", '"$@"', "$((N * 6))",
    "$(( (N) ))", "$((N>3))", "$(printf 'p q')", '"$(printf "p  q")"', "`echo b q`", '"`echo \\"q\\"`"', "$(cat f1)",
    "$(<f1)", "$(echo $(echo n))", "$(false)", "$( (echo s) )", "$(case a in (a) echo c;; esac)",
)  # fmt: skip
_GLOBS: Final = (
    "*", "f*", "*.txt", "[af]*", "?1", "sub/*", "no*such", "'*'", '"f"*', "*.dat", "[!a]?", "./*", "\\*", "*/", ".*f*",
)  # fmt: skip
_PROGRAMS: Final = (
    "echo", "/bin/echo", "printf '<%s>'", "printf %s", "ls -d", "cat", "expr", "basename", "dirname", "test", "[",
    "wc -c", "sort", "head -n 1", "tr a b", "timeout 9 echo", "sh -c 'echo $1; exit $N' x", "nosuch", "./nosuch",
    "./f1",
    "sub", ":", "true", "false", "seq 3",
)  # fmt: skip
_REDIRECTIONS: Final = (
    ">o", "> o", ">>f1", ">> o", "2>e", "2> e", "2>&1", ">&2", "< f1", "<nosuch", "> 'o o'", '>"o$A"', ">$A", "> $B",
    "> *", "1>&2 2>o", ">/dev/null", "2>/dev/null", "> \udcff", ">o 2>&1", "3>&1 >&3", "> ~nosuch", "<f1 >o", "<&-",
    ">&-",
)  # fmt: skip
#: Whole lines, and what a text file cannot show.
_WHOLE: Final = (
    *Path(__file__).with_name("odd_lines.txt").read_text().splitlines(),
    "a && ", "! ", "echo a \t", "\techo a", " \r", "echo \r", "echo 'a\r'", "true\r;", "echo a\r| cat -",
)  # fmt: skip


class Lines:
    """Random lines; the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)

    def __call__(self) -> str:
        chance = self._chance
        if chance.random() < 0.25:
            return " ".join([chance.choice(_SIMPLE), *chance.choices(_BARE, k=chance.randrange(4))])
        line = self._list(chance.choice((1, 1, 1, 2, 3)))
        if chance.random() < 0.05:
            at = chance.randrange(len(line) + 1)
            line = line[:at]
        line = chance.choice(("", "", "", "", " ", "\t")) + line
        return line + chance.choice(("", "", "", "", "", "", ";", " ", " # note", " # it's $(", "\t", " \\#"))

    def _list(self, n: int) -> str:
        chance = self._chance
        line = self._command()
        for _ in range(n - 1):
            line += chance.choice((" && ", " || ", "; ", " | ", "&&", ";", "|", " ; ", " |  ")) + self._command()
        return line

    def _command(self) -> str:
        chance = self._chance
        kind = chance.random()
        if kind < 0.25:
            return chance.choice(_WHOLE)
        if kind < 0.30:
            opening, closing = chance.choice(
                (("(", ")"), ("{ ", "; }"), ("if ", "; then echo T; fi"), ("! ", ""), ("X=$(", '); echo "$X"'))
            )
            return opening + self._list(2) + closing
        words = [chance.choice(_PROGRAMS), *(self._word() for _ in range(chance.choice((0, 1, 1, 2, 3))))]
        line = chance.choice((" ", " ", " ", "  ", "\t")).join(words)
        if chance.random() < 0.3:
            line += chance.choice(("", " ")) + self._redirection()
        return line

    def _redirection(self) -> str:
        return self._chance.choice(_REDIRECTIONS)

    def _word(self) -> str:
        """A word of one part or several."""
        return "".join(self._part() for _ in range(self._chance.choice((1, 1, 1, 2, 2, 3))))

    def _part(self) -> str:
        chance = self._chance
        match chance.randrange(5):
            case 0:
                return chance.choice(_WORDS)
            case 1:
                return f"'{chance.choice(_SINGLE)}{chance.choice(_SINGLE)}'"
            case 2:
                return f'"{chance.choice(_DOUBLE)}{chance.choice(_DOUBLE)}"'
            case 3:
                return chance.choice(_EXPANSIONS)
            case _:
                return chance.choice(_GLOBS)
