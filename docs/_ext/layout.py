"""The layers of the package for readers, made of the sources: a table in CONTRIBUTING.md, and a picture of the arrows.

`make layout` writes both; a test says when they are stale. The picture's colours are readable on light and on dark.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Final

import layers

ROOT: Final = layers.PACKAGE.parent
PAGE: Final = ROOT / "CONTRIBUTING.md"
PICTURE: Final = ROOT / "docs" / "_static" / "layers.svg"
BEGIN: Final = "<!-- made by `make layout`: -->\n"
END: Final = "<!-- end of what `make layout` makes -->\n"

#: Where a box stands in its row, which is its level; the unit is a box and a gap.
COLUMNS: Final[Mapping[str, float]] = {
    "dwork": 2.4,
    "dhub": 0.4, "pool": 1.7, "kworker": 3.0, "dquery": 4.3,
    "doctor": 4.0,
    "cli": 3.6,
    "server": 0.7, "worker_loop": 2.2, "client": 5.0,
    "progress": 0.0, "connection": 4.2,
    "output": 0.0, "record": 1.1, "runner": 2.2, "transport": 3.5,
    "host": 2.5,
    "hub": 0.9, "history": 2.0, "worker": 3.1, "taskfile": 4.2,
    "core": 2.5,
}  # fmt: skip
WIDTH, HEIGHT, UNIT, ROW, LEFT, TOP = 96, 28, 116, 62, 60, 34
INK, LINE, PURE, OTHER = "#1b2733", "#7d8b99", "#bfe3c6", "#cfdcec"


def table(texts: Mapping[str, str]) -> str:
    """A row for each folder, the highest level first: what it is, and its modules."""
    lines = ["| level | folder of `dwork/` | what is there | modules |", "|---|---|---|---|"]
    for name in sorted(layers.LEVELS, key=lambda name: (-layers.LEVELS[name], list(layers.LEVELS).index(name))):
        files = [path for path in texts if layers.folder(path) == name]
        if not files or name == "__init__":
            continue
        head = f"{name}/__init__.py" if f"{name}/__init__.py" in texts else f"{name}.py"
        shown = f"`{name}/`" if "/" in head else f"`{name}.py`"
        lines.append(f"| {layers.LEVELS[name]} | {shown} | {_about(texts[head])} | {_modules(name, files)} |")
    return "\n".join(lines) + "\n"


def _about(text: str) -> str:
    """The first sentence of a module's text, without the name of its program."""
    words = " ".join((ast.get_docstring(ast.parse(text)) or "").partition("\n\n")[0].split())
    _, colon, rest = words.partition(": ")
    sentence = (rest if colon and " " not in words.partition(": ")[0] else words).partition(". ")[0].rstrip(".")
    return sentence[:1].upper() + sentence[1:]


def _modules(name: str, files: list[str]) -> str:
    """By name; folders in it with /. Of the commands of dquery, their number."""
    inside = [path.removeprefix(f"{name}/") for path in files if path != f"{name}.py"]
    names = sorted({p.partition("/")[0] + "/" if "/" in p else p.removesuffix(".py") for p in inside} - {"__init__"})
    public = [module for module in names if not module.startswith("_") or module == "__main__"]
    return f"{len(public)} commands" if name == "dquery" else " ".join(f"`{module}`" for module in public)


def picture(texts: Mapping[str, str]) -> str:
    """A box for each folder in the row of its level, and an arrow for each import that others do not imply."""
    arrows: dict[str, set[str]] = {}
    for name, others in layers.arrows(texts).items():
        arrows.setdefault(_box(name), set()).update(_box(other) for other in others)
    levels = {_box(layers.folder(path)): layers.LEVELS[layers.folder(path)] for path in texts}
    top = max(levels.values())
    places = {name: (LEFT + COLUMNS[name] * UNIT, TOP + (top - level) * ROW) for name, level in sorted(levels.items())}
    width = max(x for x, _ in places.values()) + WIDTH + 12
    height = TOP + top * ROW + HEIGHT + 52
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" font-family="system-ui, sans-serif" font-size="14">',
        "<title>The folders of dwork by level; an arrow is an import</title>",
        f'<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0 8 4 0 8z" fill="{LINE}"/></marker></defs>',
    ]
    lines += [_level(level, top) for level in sorted(set(levels.values()))]
    for name, others in sorted(arrows.items()):
        lines += [_arrow(places[name], places[other]) for other in sorted(_needed(name, others, arrows))]
    lines += [_drawn(name, place, arrows[name]) for name, place in places.items()]
    lines += _legend(height - 20)
    return "\n".join([*lines, "</svg>"]) + "\n"


def _box(folder: str) -> str:
    """What is at the top of all is one box."""
    return "dwork" if folder in ("__init__", "__main__") else folder


def _needed(name: str, others: set[str], arrows: Mapping[str, set[str]]) -> set[str]:
    """Those that no other one imports already."""
    return {one for one in others if not any(one in _below(other, arrows) for other in others - {one})}


def _below(name: str, arrows: Mapping[str, set[str]]) -> set[str]:
    found = set(arrows[name])
    for other in arrows[name]:
        found |= _below(other, arrows)
    return found


def _level(level: int, top: int) -> str:
    y = TOP + (top - level) * ROW + HEIGHT / 2 + 5
    return f'<text x="10" y="{y:g}" fill="{LINE}">{level}</text>'


def _arrow(upper: tuple[float, float], lower: tuple[float, float]) -> str:
    """A curve from the lower edge of a box to the upper edge of another."""
    x, y = upper[0] + WIDTH / 2, upper[1] + HEIGHT
    to_x, to_y = lower[0] + WIDTH / 2, lower[1]
    bend = (to_y - y) / 2
    return (
        f'<path d="M{x:g} {y:g}C{x:g} {y + bend:g} {to_x:g} {to_y - bend:g} {to_x:g} {to_y:g}" '
        f'fill="none" stroke="{LINE}" stroke-width="1.3" marker-end="url(#head)"/>'
    )


def _drawn(name: str, place: tuple[float, float], others: set[str]) -> str:
    x, y = place
    fill = PURE if name in layers.PURE else OTHER
    said = f"{name} imports {', '.join(sorted(others))}" if others else f"{name} imports nothing of dwork"
    return (
        f'<g><title>{escape(said)}</title><rect x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="5" '
        f'fill="{fill}" stroke="{LINE}"/><text x="{x + WIDTH / 2:g}" y="{y + HEIGHT / 2 + 5:g}" fill="{INK}" '
        f'text-anchor="middle">{name}</text></g>'
    )


def _legend(y: float) -> Iterator[str]:
    for x, fill, text in (
        (LEFT, PURE, "pure: no clock, socket, process, disk"),
        (LEFT + 2.6 * UNIT, OTHER, "knows the outside; an arrow is an import"),
    ):
        yield f'<rect x="{x:g}" y="{y - 10:g}" width="12" height="12" rx="2" fill="{fill}" stroke="{LINE}"/>'
        yield f'<text x="{x + 20:g}" y="{y:g}" fill="{LINE}" font-size="13">{text}</text>'


def made(page: str, texts: Mapping[str, str]) -> str:
    """A page with the table as it should be."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name} has no place for the table")
    return f"{before}{begin}\n{table(texts)}\n{end}{after}"


def stale(texts: Mapping[str, str]) -> list[Path]:
    """What `make layout` would change."""
    wanted = {PAGE: made(PAGE.read_text(), texts), PICTURE: picture(texts)}
    return [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]


def main() -> None:
    texts = layers.sources()
    PICTURE.write_text(picture(texts))
    PAGE.write_text(made(PAGE.read_text(), texts))


if __name__ == "__main__":
    main()
