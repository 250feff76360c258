"""Find processes that a command leaves in the background, whose end, exit status and results would be lost.

Theory of operation. A task ends when its shell does, and processes that it leaves behind are killed when the worker
leaves. So `&` is refused unless the same command has a `wait` (or a `kill`) after it. A command is parsed only as far
as this requires: quotes, comments, here-documents, arithmetic and substitutions are recognized, because `&` means
something else there, or the shell waits by itself. When in doubt, a command is accepted.
"""

from __future__ import annotations

import re
from typing import Final

from dwork.core.task import Command

_SHELLS: Final = frozenset(("sh", "bash", "dash", "ash", "ksh", "mksh", "zsh"))
#: The shells for which `&>` is an operator.
_BASHES: Final = frozenset(("bash", "zsh"))
#: Words after which another command begins.
_LEADING: Final = frozenset("! { if then elif else do while until time".split())
#: Commands that take care of the background jobs of their shell.
_ENDING: Final = frozenset(("wait", "kill"))
#: A `wait` at the beginning, which has no effect: the shell has started nothing yet.
_WAIT: Final = re.compile(r"wait(?=[\s;&|<>]|$)")
#: What may be the operator `&`: most commands with an ampersand have only `&&` or `2>&1`.
_LONE: Final = re.compile(r"&(?<![&|;<>]&)(?!&)")

_NOTHING: Final = (
    '"wait" has nothing to wait for: each command runs in its own shell; '
    "make later tasks depend on earlier ones (in the lines format: #DWORK barrier, or after=NAME)"
)
_TEXTS: Final = {
    "": "",
    "&": (
        '"&" leaves a process in the background, where it would be killed and its failure lost; '
        "remove the & (dwork runs tasks in parallel anyway), quote it if it is text, or end the command with: wait"
    ),
    "&>": '"&>" runs the command in the background, because /bin/sh is not bash here; write > FILE 2>&1 instead',
}

_CODE: Final = re.compile(
    r"""
      \\.                                                   # an escaped character
    | '[^']*'? | \$'(?:\\.|[^'\\])*'?                       # quoted text
    | (?<![^\s;&|()<>])\#[^\n]*                             # a comment
    | (?<!<)<<-?[ \t]*(?P<here>'[^'\n]*'|"[^"\n]*"|[\w\\.+-]+)    # the start of a here-document
    | (?P<open>\$\(\(|\(\(|\$\(|[<>]\(|\$\{|\(|"|`)
    | (?P<close>[)}])
    | (?P<to_file>&>)
    | (?P<operator>&&|\|&|;&|[|;\n]|&)
    | [<>]&                                                 # a duplicated descriptor
    | (?P<word>[^\s\\'"`$();&|<>}]+)
    | [^\S\n]+ | .
    """,
    re.DOTALL | re.VERBOSE,
)
#: What a `)` closes; arithmetic needs two of them.
_ARITHMETIC: Final = "(("
_PARENTHESES: Final = ("(", "$(", _ARITHMETIC)
_TOGGLES: Final = ('"', "`")
#: Inside double quotes everything else is text.
_TEXT: Final = re.compile(r"""\\.|(?P<open>\$\(\(|\$\(|\$\{|`)|(?P<close>")|[^\\$`"]+|.""", re.DOTALL)


def fault(command: Command, *, bash: bool) -> str:
    """Return the error for a command that leaves a process in the background; empty for all others.

    bash: whether /bin/sh is bash, in which `&>` redirects output to a file.
    """
    if isinstance(command, tuple):
        if len(command) < 3 or command[1] != "-c" or (name := command[0].rpartition("/")[2]) not in _SHELLS:
            return ""
        if '"$@"' in command[2] and (text := fault(command[4:], bash=bash)):
            return text  # a program that the shell starts
        command, bash = command[2], bash if name == "sh" else name in _BASHES
    if command is None:
        return ""
    if command[:4] == "wait" and _WAIT.match(command):
        return _NOTHING
    if "&" not in command or not _LONE.search(command):
        return ""
    return _TEXTS[_left_after_documents(command, bash)]


def _left_after_documents(command: str, bash: bool) -> str:
    """Return the operator that starts a background process that nothing waits for; empty when there is none."""
    inside: list[str] = []  # what is open: ( $( (( $(( ${ " `
    documents: list[str] = []  # the delimiters of here-documents that begin on the next line
    left = ""
    at = 0
    is_first = True  # whether the next word begins a command
    while at < len(command):
        pattern = _TEXT if inside and inside[-1] == '"' else _CODE
        found = pattern.match(command, at)
        assert found is not None
        at, token = found.end(), found[0]
        kind = found.lastgroup
        if kind == "here" and _ARITHMETIC not in inside:
            documents.append(re.sub(r"""['"\\]""", "", found["here"]))
        elif kind in ("open", "close"):
            is_first = _nest(inside, token)
        elif kind == "to_file":
            if not bash and _is_plain(inside):
                return "&>"
        elif kind == "operator":
            is_first = True
            if token == "&" and _is_plain(inside):
                left = "&"
            elif token == "\n" and documents:
                at = _after_documents(command, at, documents)
        elif kind == "word":
            if is_first and token in _ENDING:
                left = ""
            is_first = is_first and token in _LEADING
        elif token[0] in "\\'$":
            is_first = False
    return left


def _nest(inside: list[str], token: str) -> bool:
    """Apply a token that opens or closes something, and return whether a command begins after it."""
    top = inside[-1] if inside else ""
    if token == ")":
        if top in _PARENTHESES:
            inside.pop()
            return False
        return True  # of a pattern in `case`
    if token == top and token in _TOGGLES:
        inside.pop()
    elif token == "}":
        if top == "${":
            inside.pop()
    elif token in ("((", "$(("):
        inside += [_ARITHMETIC, "("]
    else:
        inside.append("$(" if token in ("<(", ">(") else token)
        return token not in ('"', "${")
    return False


def _is_plain(inside: list[str]) -> bool:
    """Return whether `&` is an operator here, and the shell continues without waiting for what it starts."""
    return all(each == "(" for each in inside)


def _after_documents(command: str, at: int, documents: list[str]) -> int:
    """Return the position in the command after its here-documents."""
    for end in documents:
        found = re.compile(rf"^\t*{re.escape(end)}$", re.MULTILINE).search(command, at)
        at = len(command) if found is None else found.end()
    documents.clear()
    return at
