"""The page about the protocol, of the comments in proto/dwork.proto.

Its head is prose, with a table where the text has columns; messages and enums are sections, each with a table.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)
from grpc_tools import protoc
from prose import inline

#: Numbers of fields in descriptor.proto, of which the path to a comment is made.
_MESSAGE, _FIELD, _NESTED, _ENUM, _VALUE, _SYNTAX = 4, 2, 3, 4, 2, 12
Path_ = tuple[int, ...]


def page(proto: Path) -> str:
    """The text of the page, reStructuredText."""
    file = _parsed(proto)
    comments = {tuple(place.path): place for place in file.source_code_info.location}
    lines = ["Protocol", "========", ""]
    for text in comments[(_SYNTAX,)].leading_detached_comments:
        lines += _head(text)
    told = {path: " ".join(f"{c.leading_comments} {c.trailing_comments}".split()) for path, c in comments.items()}
    for i, message in enumerate(file.message_type):
        lines += _message(message, message.name, (_MESSAGE, i), told)
    return "\n".join(lines) + "\n"


def _parsed(proto: Path) -> FileDescriptorProto:
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory, "descriptor")
        where = [f"-I{proto.parent}", f"-I{resources.files('grpc_tools') / '_proto'}"]
        if protoc.main(["protoc", *where, "--include_source_info", f"-o{output}", proto.name]):
            raise ValueError(f"{proto} cannot be read")
        return FileDescriptorSet.FromString(output.read_bytes()).file[0]


def _head(text: str) -> Iterator[str]:
    """A comment before all messages. `WORDS. ` begins a section, two more blanks a table."""
    for paragraph in re.split(r"\n *\n", text.rstrip()):
        lines = [line.removeprefix(" ") for line in paragraph.splitlines()]
        if all(line.startswith("  ") for line in lines):
            yield from _columns([line.removeprefix("  ") for line in lines])
            continue
        words = " ".join(line.strip() for line in lines)
        titled = re.match(r"([A-Z ]{4,})(\.|, )", words)
        if titled:
            title = titled[1].capitalize()
            yield from (title, "-" * len(title), "")
            words = words[titled.end() :].strip() if titled[2] == "." else words.replace(titled[1], title, 1)
        yield from (inline(words), "")


def _columns(lines: list[str]) -> Iterator[str]:
    """A table whose columns begin where the words of its first line do; what has no first column goes on."""
    starts = [word.start() for word in re.finditer(r"\S+", lines[0])]
    ends = [*starts[1:], None]
    rows: list[list[str]] = []
    for line in lines:
        cells = [line[start:end].strip() for start, end in zip(starts, ends, strict=True)]
        if cells[0]:
            rows.append(cells)
        else:
            rows[-1] = [f"{above} {cell}".strip() for above, cell in zip(rows[-1], cells, strict=True)]
    yield from _table(rows)


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Its first row is the head; a last column in which nothing stands is left out."""
    if not any(row[-1] for row in rows[1:]):
        rows = [row[:-1] for row in rows]
    yield from (".. list-table::", "   :header-rows: 1", "")
    for row in rows:
        for i, cell in enumerate(row):
            yield f"   {'  -' if i else '* -'} {inline(cell)}".rstrip()
    yield ""


def _message(message: DescriptorProto, name: str, path: Path_, told: dict[Path_, str]) -> Iterator[str]:
    mark = "~" if "." in name else "-"
    yield from (name, mark * len(name), "", inline(told.get(path, "")), "")
    rows = [(str(f.number), f.name, _type(f), told.get((*path, _FIELD, i), "")) for i, f in enumerate(message.field)]
    yield from _table([("number", "field", "type", "meaning"), *rows])
    for i, enum in enumerate(message.enum_type):
        yield from _enum(enum, f"{name}.{enum.name}", (*path, _ENUM, i), told)
    for i, nested in enumerate(message.nested_type):
        yield from _message(nested, f"{name}.{nested.name}", (*path, _NESTED, i), told)


def _enum(enum: EnumDescriptorProto, name: str, path: Path_, told: dict[Path_, str]) -> Iterator[str]:
    yield from (name, "~" * len(name), "", inline(told.get(path, "")), "")
    rows = [(str(v.number), v.name, told.get((*path, _VALUE, i), "")) for i, v in enumerate(enum.value)]
    yield from _table([("number", "value", "meaning"), *rows])


def _type(field: FieldDescriptorProto) -> str:
    kind = field.type_name.removeprefix(".dwork.") or field.Type.Name(field.type).removeprefix("TYPE_").lower()
    label = field.Label.Name(field.label).removeprefix("LABEL_").lower()
    return f"{label} {kind}{', packed' if field.options.packed else ''}"
