"""Help texts and messages are plain English: none has one of the habits that make prose read as translated."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from inspect import cleandoc
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from dwork.__main__ import PROGRAMS
from dwork.cli import verbs
from dwork.dquery._group import group
from tests.conftest import ROOT

PACKAGE = ROOT / "dwork"
#: What must not occur, and what to write instead.
HABITS = {
    r"\bso (many|long|much)\b": "name the number, the time or the size: N, TIME, SIZE",
    r"\bat the (most|least)\b": "at most, at least",
    r"(?<!there )\b(is|are|was|were) no (?!longer\b|more\b)": "is not a",
    r"\b(tells?|told|telling)\b": "print, report, show, set, send",
    r"\b(says?|said)\b": "print, report, set",
    r"\b(go(es|ing)?|went) on\b(?! (an?|its|the|their)\b)": "continue, resume",
    r"\b(is|are|was|were) over\b": "has ended",
    r"\blook(s|ed)? in\b": "inspect",
    r"\b(whoever|who comes)\b": "name the actor",
    r"\b(some|no)body's hands\b|\bin whose hands\b": "assigned to, held by",
    r"\b(heed(s|ed)?|weary|vigil|crew|how-manieth)\b": "the usual word of the field",
    r"\bas it is told\b|\bfrom nothing\b|\bmore than nothing\b": "the usual phrase",
}
#: Texts that may have such words, each with the reason.
ALLOWED: dict[str, str] = {}
#: Functions that print their arguments, and classes whose text is printed; so is that of every error.
_PRINT = {"say", "_say", "tell", "_tell", "_print", "note", "fail", "stop", "_stop", "_give_up", "Finding"}
_ERROR = re.compile(r"(Error|Refused|AllDone|NotHeld|Exception)$")

Definition = ast.FunctionDef | ast.AsyncFunctionDef


class Text(NamedTuple):
    file: Path
    line: int
    text: str

    def faults(self) -> list[str]:
        """file:line: text, and what to write, for each habit that it has."""
        if self.text in ALLOWED:
            return []
        where = f"{self.file.relative_to(ROOT)}:{self.line}"
        shown = " ".join(self.text.split())
        return [
            f'{where}: "{found[0]}" in "{shown}"; write: {better}'
            for habit, better in HABITS.items()
            if (found := re.search(habit, shown, re.IGNORECASE))
        ]


class _Messages:
    """The strings of a module that reach a user: also by way of a variable, or of a function's result."""

    def __init__(self, file: Path, source: str) -> None:
        self._file = file
        self._tree = ast.parse(source)
        self._functions = {n.name: n for n in ast.walk(self._tree) if isinstance(n, Definition)}
        self._seen: set[int] = set()

    def found(self) -> Iterator[Text]:
        yield from self._in(self._tree, self._tree)

    def _in(self, node: ast.AST, scope: ast.AST) -> Iterator[Text]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Call) and (_name(child.func) in _PRINT or _ERROR.search(_name(child.func))):
                for argument in (*child.args, *(keyword.value for keyword in child.keywords)):
                    yield from self._strings(argument, scope)
            yield from self._in(child, child if isinstance(child, Definition) else scope)

    def _strings(self, node: ast.AST, scope: ast.AST) -> Iterator[Text]:
        if id(node) in self._seen:
            return
        self._seen.add(id(node))
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield Text(self._file, node.lineno, node.value)
        elif isinstance(node, ast.Name):
            for value in (*_assigned(node.id, scope), *_assigned(node.id, self._tree, inside=False)):
                yield from self._strings(value, scope)
        elif isinstance(node, ast.Call) and (called := self._functions.get(_name(node.func))) is not None:
            for returned in (n.value for n in ast.walk(called) if isinstance(n, ast.Return) and n.value is not None):
                yield from self._strings(returned, called)
        for child in ast.iter_child_nodes(node):
            yield from self._strings(child, scope)


def _name(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _assigned(name: str, scope: ast.AST, *, inside: bool = True) -> Iterator[ast.AST]:
    """What is assigned, added or appended to a variable; inside: also in the blocks of the scope."""
    for node in ast.walk(scope) if inside else ast.iter_child_nodes(scope):
        if isinstance(node, ast.Assign) and name in {_name(n) for target in node.targets for n in ast.walk(target)}:
            yield node.value
        elif isinstance(node, ast.AugAssign | ast.AnnAssign | ast.NamedExpr) and _name(node.target) == name:
            yield from [node.value] if node.value is not None else []
        elif (
            isinstance(node, ast.Call)
            and _name(node.func) == "append"
            and _name(getattr(node.func, "value", node)) == name
        ):
            yield from node.args


def _commands() -> Iterator[click.Command]:
    yield group
    for name in group.list_commands(None):  # type: ignore[arg-type]
        command = group.get_command(None, name)  # type: ignore[arg-type]
        assert command is not None
        yield command
    for module in PROGRAMS.values():
        yield import_module(module).command


def _help() -> Iterator[Text]:
    """The help of all commands and options, with the places in the source where it is written."""
    places = {}
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                places.setdefault(" ".join(cleandoc(node.value).split()), (file, node.lineno))
    texts = [text for command in _commands() for text in (command.help, *_options(command))]
    for text in (*texts, *verbs.GROUPS, verbs.ABOUT, *verbs.DETAILS):
        whole = " ".join(cleandoc(text or "").split())
        start = next((key for key in places if key == whole or (whole and key.startswith(whole))), None)
        file, line = places[start] if start is not None else (PACKAGE / "dquery", 1)
        yield Text(file, line, whole.replace("\b", ""))


def _options(command: click.Command) -> list[str]:
    return [option.help for option in command.params if isinstance(option, click.Option) and option.help]


def test_help_texts_are_plain_english() -> None:
    texts = list(_help())
    assert len(texts) > 50 and {text.file.name for text in texts} >= {"options.py", "command.py", "dhub.py"}
    faults = sorted({fault for text in texts for fault in text.faults()})
    assert not faults, "\n".join(faults)


def test_messages_are_plain_english() -> None:
    files = list(PACKAGE.rglob("*.py"))
    texts = [text for file in files for text in _Messages(file, file.read_text()).found()]
    assert len(texts) > 50
    faults = sorted({fault for text in texts for fault in text.faults()})
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    "source",
    [
        "say('dwork', 'it ran so many times')",
        "raise UsageError(f'{name} ran so many times')",
        "def f():\n    text = 'it ran'\n    text += ' so many times'\n    self._tell(text if text else '')",
        "def f():\n    advice = []\n    advice.append('so many')\n    return Finding('time', tuple(advice))",
        "def text():\n    return f'so many {n}'\ndef f():\n    raise StoreError(self.text())",
        "WHY = 'so many'\ndef f():\n    tell(WHY)",
    ],
)
def test_a_habit_is_found_however_the_message_is_made(source: str) -> None:
    found = [fault for text in _Messages(PACKAGE / "x.py", source).found() for fault in text.faults()]
    assert len(found) == 1 and found[0].startswith("dwork/x.py:") and '"so many" in' in found[0]


def test_what_is_only_close_to_a_habit_is_no_fault() -> None:
    for text in (
        "there is no file x",
        "it is no longer there",
        "at most 3",
        "the storytelling",
        "options go on their own line",
    ):
        assert Text(PACKAGE / "x.py", 1, text).faults() == []
