"""Rows as JSON: what a hub sends is written here, and what a client receives is read and checked here, once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints, is_typeddict

T = TypeVar("T")
_UNION = get_origin(int | None)


def pack(rows: Mapping[str, object] | Sequence[Mapping[str, object]]) -> bytes:
    """Return a row or a list of rows as JSON."""
    return json.dumps(rows, separators=(",", ":")).encode()


def unpack(data: bytes, kind: type[T]) -> T:
    """Return the row or rows in this JSON; ValueError unless it has this type. Keys that the type lacks are kept."""
    try:
        value: Any = json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not _test_of(cast(Any, kind))(value):
        raise ValueError(f"{value!r:.60} is not expected here")
    rows: T = value
    return rows


@cache
def _test_of(kind: Any) -> Callable[[Any], bool]:
    """Return a test of values for this type. It raises ValueError for a row with a missing or wrong key."""
    if is_typeddict(kind):
        return _test_of_row(kind)
    if get_origin(kind) is list:
        of_each = _test_of(*get_args(kind))
        return lambda value: isinstance(value, list) and all(map(of_each, value))
    if get_origin(kind) is dict:
        of_value = _test_of(get_args(kind)[1])
        return lambda value: isinstance(value, dict) and all(map(of_value, value.values()))
    options = get_args(kind) if get_origin(kind) is _UNION else (kind,)
    plain = tuple(option for option in options if option in _PLAIN)
    if len(plain) < len(options):
        (other,) = (_test_of(option) for option in options if option not in plain)
        return lambda value: isinstance(value, plain) or other(value)
    accepted = plain + (int,) * (float in plain)  # 1.0 may be written as 1
    return lambda value: isinstance(value, accepted)


_PLAIN = frozenset({int, float, bool, str, type(None)})


def _test_of_row(kind: Any) -> Callable[[Any], bool]:
    fields = [(key, _test_of(type), key in kind.__required_keys__) for key, type in get_type_hints(kind).items()]

    def test(row: Any) -> bool:
        if not isinstance(row, dict):
            return False
        for key, is_right, is_required in fields:
            if key in row:
                if not is_right(row[key]):
                    raise ValueError(f"its {key} is {row[key]!r:.60}")
            elif is_required:
                raise ValueError(f"it has no {key}")
        return True

    return test
