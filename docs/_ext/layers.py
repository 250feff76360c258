"""The layers of the package: which folder may import which. A test refuses what breaks this, and a picture shows it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple

PACKAGE: Final = Path(__file__).parents[2] / "dwork"

#: A file imports its own folder, and folders of lower levels. A module at the top of the package is its own folder.
LEVELS: Final[Mapping[str, int]] = {
    "core": 0,
    "hub": 1,
    "worker": 1,
    "taskfile": 1,
    "history": 1,
    "host": 2,
    "transport": 3,
    "runner": 3,
    "record": 3,
    "output": 3,
    "connection": 4,
    "progress": 4,
    "client": 5,
    "server": 5,
    "worker_loop": 5,
    "cli": 6,
    "doctor": 7,
    "pool": 8,
    "dhub": 8,
    "kworker": 8,
    "dquery": 8,
    "__init__": 9,
    "__main__": 9,
}

#: Values in, values out: no clock, socket, process, thread, disk. Folders, and single files of others.
PURE: Final = frozenset({"core", "hub", "worker", "taskfile", "history"})
PURE_FILES: Final = frozenset(
    {
        "connection/endpoint.py",
        "doctor/facts.py",
        "doctor/judge.py",
        "output/notices.py",
        "output/totals.py",
        "progress/lines.py",
        "progress/listener.py",
        "progress/pace.py",
        "progress/standing.py",
        "progress/words.py",
        "server/no_workers.py",
        "server/rank_arrivals.py",
        "server/worker_rows.py",
        "transport/curve_keys.py",
    }
)
#: What a pure file may import from outside the package.
HARMLESS: Final = frozenset(
    "__future__ array bisect collections contextlib csv dataclasses difflib enum fnmatch fractions functools heapq io "
    "itertools json math posixpath re shlex typing unicodedata".split()
)
#: What single files may import beside that, and why.
ALSO: Final[Mapping[str, frozenset[str]]] = {
    "core/text.py": frozenset({"os"}),  # how Python decodes file names
    "taskfile/foreign/hyperqueue/toml.py": frozenset({"sys", "tomllib", "tomli"}),  # which Python has a TOML reader
    "doctor/facts.py": frozenset({"dwork/host/mounts.py"}),  # for a tuple of values
}
#: Built-in functions that reach out.
REACHING: Final = frozenset({"open", "print", "input", "exec", "eval", "compile", "__import__", "breakpoint"})


@dataclass(frozen=True)
class Imported:
    """An import at a line of a file; name: dotted, for what is of the package the path of the file that it names."""

    line: int
    name: str

    @property
    def is_ours(self) -> bool:
        return self.name.startswith("dwork/")

    @property
    def path(self) -> str:
        """That of a file of the package, from there."""
        return self.name.removeprefix("dwork/")


class Contents(NamedTuple):
    """statements: (line, M, N) of each `from M import N`, with an empty M of each `import N`; reaching: (line, name) of
    each call of a built-in function that reaches out; classes: their names."""

    statements: list[tuple[int, str, str]]
    reaching: list[tuple[int, str]]
    classes: list[str]


def sources(package: Path = PACKAGE) -> dict[str, str]:
    """The text of each file of the package, by its path in there; generated code is not ours."""
    paths = sorted(package.rglob("*.py"))
    return {str(p.relative_to(package)): p.read_text() for p in paths if "_pb" not in p.parts}


def folder(path: str) -> str:
    """Of a file: that at the top of the package, or the file itself when it stands there."""
    return path.partition("/")[0].removesuffix(".py")


def imports(path: str, text: str, files: Collection[str]) -> list[Imported]:
    """All that a file imports, also inside functions, and for type checkers alone. files: all of the package."""
    found = []
    for line, module, name in contents(path, text).statements:
        full = f"{module}.{name}" if module and name else module or name
        found.append(Imported(line, _file(full, files) or _file(module, files) or module or name))
    return found


@cache
def contents(path: str, text: str) -> Contents:
    """What the rules look at in a file; only this is kept of its syntax tree, which is large."""
    found = Contents([], [], [])
    for node in ast.walk(ast.parse(text, path)):
        if isinstance(node, ast.Import):
            found.statements.extend((node.lineno, "", alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"{path}:{node.lineno}: imports are absolute")
            found.statements.extend((node.lineno, node.module or "", alias.name) for alias in node.names)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in REACHING:
            found.reaching.append((node.lineno, node.func.id))
        elif isinstance(node, ast.ClassDef):
            found.classes.append(node.name)
    return found


def _file(name: str, known: Collection[str]) -> str:
    """dwork/ and the path of a module of ours, or nothing."""
    package, _, rest = name.partition(".")
    if package != "dwork":
        return ""
    base = rest.replace(".", "/")
    if base.startswith("transport/_pb"):
        return f"dwork/{base}"
    paths = [f"{base}.py", f"{base}/__init__.py"] if base else ["__init__.py"]
    return next((f"dwork/{path}" for path in paths if path in known), "")


def trouble(texts: Mapping[str, str]) -> Iterator[str]:
    """A line for each import that breaks a rule, for each file that has no level, and for each circle."""
    graph = {}
    for path, text in texts.items():
        found = imports(path, text, texts)
        graph[path] = sorted({i.path for i in found if i.is_ours and i.path != path})
        if folder(path) not in LEVELS:
            yield f"{path}: give {folder(path)} a level"
            continue
        for one in found:
            if one.is_ours and one.path in texts and folder(one.path) in LEVELS:
                yield from _upward(path, one)
        if is_pure(path):
            yield from _impure(path, text, found)
    if knot := circle(graph):
        yield f"{', '.join(knot)}: these import each other"


def is_pure(path: str) -> bool:
    return folder(path) in PURE or path in PURE_FILES


def _upward(path: str, one: Imported) -> Iterator[str]:
    here, there = folder(path), folder(one.path)
    if here != there and LEVELS[there] >= LEVELS[here]:
        yield f"{path}:{one.line}: {here} (level {LEVELS[here]}) imports {there} (level {LEVELS[there]})"


def _impure(path: str, text: str, found: Iterable[Imported]) -> Iterator[str]:
    for one in found:
        allowed = one.name in ALSO.get(path, ()) or (
            is_pure(one.path) if one.is_ours else one.name.partition(".")[0] in HARMLESS
        )
        if not allowed:
            yield f"{path}:{one.line}: {one.name} in a pure file"
    for line, name in contents(path, text).reaching:
        yield f"{path}:{line}: {name}() in a pure file"


def circle(graph: Mapping[str, Iterable[str]]) -> list[str]:
    """The files that import each other, in one circle or more."""
    left = {name: set(others) & graph.keys() for name, others in graph.items()}
    while ends := {name for name, others in left.items() if not others & left.keys()}:
        left = {name: others - ends for name, others in left.items() if name not in ends}
    while starts := left.keys() - set(chain.from_iterable(left.values())):
        left = {name: others for name, others in left.items() if name not in starts}
    return sorted(left)


def arrows(texts: Mapping[str, str]) -> dict[str, set[str]]:
    """Of each folder, those that its files import."""
    found: dict[str, set[str]] = {folder(path): set() for path in texts}
    for path, text in texts.items():
        found[folder(path)] |= {folder(i.path) for i in imports(path, text, texts) if i.is_ours}
    return {name: others - {name} for name, others in found.items()}


if __name__ == "__main__":
    lines = list(trouble(sources()))
    print("\n".join(lines))
    sys.exit(bool(lines))
