"""What shells understand beyond POSIX: each feature with the shells that have it and a script that finds out.

A command that uses a feature under a shell without it fails or, worse, silently does something else: `{1..3}` is one
word, `echo -e` prints `-e`, `&>` starts a process in the background.
"""

from __future__ import annotations

from enum import Enum
from typing import Final


class Dialect(Enum):
    """The language of a shell. POSIX: that of dash, and of any shell which is not known."""

    POSIX = "posix"
    ASH = "ash"
    BASH = "bash"
    KSH = "ksh"
    ZSH = "zsh"

    __hash__ = object.__hash__

    @classmethod
    def of(cls, program: str) -> Dialect:
        """Return the language of a shell, by the name or path of its program."""
        name = program.rpartition("/")[2].lstrip("-")
        return _BY_NAME.get(name.rstrip("0123456789.-"), cls.POSIX)


#: The names of programs that are shells of the Bourne family.
SHELLS: Final = frozenset("sh dash ash busybox bash rbash ksh ksh93 mksh lksh zsh".split())
_BY_NAME: Final = {
    "bash": Dialect.BASH,
    "rbash": Dialect.BASH,
    "ash": Dialect.ASH,
    "busybox": Dialect.ASH,
    "ksh": Dialect.KSH,
    "mksh": Dialect.KSH,
    "lksh": Dialect.KSH,
    "zsh": Dialect.ZSH,
}


class Feature(Enum):
    """A feature. Its value is the probe: a script that succeeds only under a shell that has the feature."""

    AMP_REDIRECT = 'f() { echo a; }; [ -z "$(f &> /dev/null; wait)" ]'
    ANSI_QUOTE = "[ $'a' = a ]"
    APPEND = "x=1; x+=2; [ $x = 12 ]"
    ARITHMETIC_COMMAND = "((1 + 1 == 2))"
    ARRAY = 'a=(1 2); [ "${a[1]}" ]'
    BRACES = '[ "$(echo {1..2})" = "1 2" ]'
    BUILTIN = "builtin :"
    CASE_CHANGE = "x=ab; [ ${x^^} = AB ]"
    COPROC = "coproc cat"
    DECLARE = "declare x=1 && [ $x = 1 ]"
    DOUBLE_BRACKET = "[[ a == a ]]"
    DOUBLE_EQUALS = "[ a == a ]"
    ECHO_ESCAPES = '[ "$(echo -e x)" = x ]'
    EXEC_OPTION = "(exec -a x true)"
    EXPORT_FUNCTION = "f() { :; }; export -f f"
    EXTENDED_GLOB = "case a in @(a|b)) : ;; *) false ;; esac"
    FALL_THROUGH = "case a in a) : ;& b) : ;; esac"
    FD_VARIABLE = "exec {fd}> /dev/null"
    FILE_DUPLICATE = "echo a >& /dev/null"
    FOR_ARITHMETIC = "for ((i=0; i<1; i++)); do :; done"
    FUNCTION = "function f { :; }; f"
    HERE_STRING = '[ "$(cat <<< x)" = x ]'
    INCREMENT = "i=1; : $((i++)); [ $i = 2 ]"
    INDIRECT = 'a=b; b=c; [ "${!a}" = c ]'
    LET = "let x=1 && [ $x = 1 ]"
    LOCAL_OPTION = "f() { local -a x; }; f"
    LOCALE_QUOTE = '[ $"a" = a ]'
    MAPFILE = "mapfile x < /dev/null"
    PIPEFAIL = "set -o pipefail"
    PIPE_BOTH = 'f() { echo a >&2; }; [ "$(f |& cat)" = a ]'
    POWER = "[ $((2**3)) = 8 ]"
    PRINTF_ESCAPES = "[ \"$(printf '\\x41')\" = A ]"
    PRINTF_OPTION = "printf -v x a && [ $x = a ]"
    PRINTF_QUOTE = "printf %q a > /dev/null"
    PROCESS_SUBSTITUTION = "cat <(echo) > /dev/null"
    PUSHD = "pushd / > /dev/null"
    RANDOM = '[ -n "$RANDOM" ]'
    READ_ARRAY = "echo a | { read -a x; }"
    READ_OPTION = "echo a | { read -t 1 -n 1 x; }"
    REPLACE = "x=aba; [ ${x//a/b} = bbb ]"
    SELECT = "select x in a; do break; done < /dev/null 2> /dev/null || :"
    SHOPT = "shopt -s nullglob"
    SOURCE = "source /dev/null"
    SUBSTRING = "x=abc; [ ${x:1:1} = b ]"
    TEST_VARIABLE = "x=1; [ -v x ]"
    TIME_COMPOUND = "time { :; }"
    TRANSFORM = "x=a; : ${x@Q}"
    TRAP_EVENT = "trap : ERR"
    TRAP_SIGNAL = "trap : SIGTERM"
    TYPE_OPTION = "type -P ls > /dev/null"
    VARIABLE = '[ -n "$BASH_SOURCE$BASHPID$EPOCHSECONDS" ]'
    WAIT_NEXT = ": & wait -n"

    __hash__ = object.__hash__

    @property
    def is_in(self) -> frozenset[Dialect]:
        """The languages that have this feature."""
        return _HAVE.get(self, _MOST)


_BASH: Final = frozenset((Dialect.BASH,))
_MOST: Final = frozenset((Dialect.BASH, Dialect.KSH, Dialect.ZSH))
_ASH: Final = (
    Feature.AMP_REDIRECT, Feature.ANSI_QUOTE, Feature.DOUBLE_BRACKET, Feature.DOUBLE_EQUALS, Feature.ECHO_ESCAPES,
    Feature.EXEC_OPTION, Feature.FILE_DUPLICATE, Feature.FUNCTION, Feature.INCREMENT, Feature.LET, Feature.PIPEFAIL,
    Feature.POWER, Feature.PRINTF_ESCAPES, Feature.PROCESS_SUBSTITUTION, Feature.RANDOM, Feature.READ_OPTION,
    Feature.REPLACE, Feature.SOURCE, Feature.SUBSTRING, Feature.TRAP_EVENT, Feature.TRAP_SIGNAL, Feature.TYPE_OPTION,
    Feature.WAIT_NEXT,
)  # fmt: skip
_HAVE: Final = {
    Feature.MAPFILE: _BASH,
    Feature.SHOPT: _BASH,
    **dict.fromkeys(_ASH, _MOST | {Dialect.ASH}),
}
