"""Durations and amounts of memory, as users write them."""

from __future__ import annotations

import pytest

from dwork.core.amounts import duration, memory


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("0", 0),
        ("1.5", 1.5),
        (".5", 0.5),
        ("90s", 90),
        ("5m", 300),
        ("2h", 7200),
        ("1d", 86400),
        ("1.5h", 5400),
        ("1h30m", 5400),
        ("1d2h3m4s", 93784),
        ("2:05", 125),
        ("90:00", 5400),
        ("1:30:00", 5400),
        ("100:00:00", 360000),
        ("1-12:00:00", 129600),
        ("1-12", 129600),
        ("0-00:30", 1800),
    ],
)
def test_a_duration_is_in_seconds(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "x",
        "-5",
        "1:75",
        "1:5",
        "1:60:00",
        "1h30",
        "30m1h",
        "2 h",
        "2H",
        "1e3",
        "nan",
        "inf",
        "٣",
        "9" * 99,
        "1-",
    ],
)
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match=r"^\".*\" is not a duration; write 90, 90s, 5m"):
        duration(text)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("512", 512),
        ("512B", 512),
        ("2K", 2048),
        ("3M", 3 * 2**20),
        ("2G", 2**31),
        ("2g", 2**31),
        ("2GB", 2**31),
        ("2GiB", 2**31),
        ("2 GB", 2**31),
        ("1T", 2**40),
        ("1.5G", 3 * 2**29),
        (".5K", 512),
        ("0.0001K", 1),
        ("0", 0),
    ],
)
def test_memory_is_in_bytes_and_powers_of_1024(text: str, amount: int) -> None:
    assert memory(text) == amount


@pytest.mark.parametrize("text", ["", "G", "2X", "-1", "1e9", "2\u212a", "1_000", "nan", "9" * 99])  # a Kelvin sign
def test_anything_else_is_no_memory(text: str) -> None:
    with pytest.raises(ValueError, match=r"^\".*\" is not an amount of memory; write 512M, 2G"):
        memory(text)


def test_no_machine_has_more_memory_than_fits_the_wire() -> None:
    with pytest.raises(ValueError, match="out of range"):
        memory("8388608T")
