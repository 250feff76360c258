"""A task graph in the language of Mermaid, which GitHub, GitLab and many editors draw."""

from __future__ import annotations

from collections.abc import Iterator

from dwork.dquery._picture.dot import words
from dwork.dquery._picture.palette import COLOURS
from dwork.history.outline import STATES, Group, Outline

#: Characters with a meaning in labels.
_CODES = str.maketrans({character: f"#{ord(character)};" for character in '#&<>"`\\[]{}()|'})


def as_mermaid(graph: Outline) -> Iterator[str]:
    """Yield the lines of the graph."""
    yield "flowchart LR"
    for i, group in enumerate(graph.groups):
        yield f"  t{i}{_shape(group)}"
    for before, after in graph.edges:
        yield f"  t{before} {'-.->' if (before, after) in graph.after_any else '-->'} t{after}"
    for state in STATES:
        yield f"  classDef {state} fill:{COLOURS[state]},stroke:#555,color:#000"
    yield "  classDef join fill:#555,stroke:#555"


def _shape(group: Group) -> str:
    if group.is_join:
        return '(("&nbsp;")):::join'
    label = "<br/>".join(word.translate(_CODES) for word in words(group))
    return f'["{label}"]:::{group.worst}' if group.worst in STATES else f'["{label}"]'
