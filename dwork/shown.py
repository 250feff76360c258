"""Names and commands as they are printed for people: escaped, and no longer than a line can bear."""

from __future__ import annotations

WIDTH = 80


def shown(text: str, width: int = WIDTH) -> str:
    """Return text fit for one line: control characters escaped, and cut in the middle when it is long."""
    if len(text) > width:
        tail = width // 4 + 1
        text = f"{text[: width - tail - 3]}...{text[-tail:]}"
    return printable(text)


def printable(text: str) -> str:
    """Return text with control characters escaped, so that it is one line and a terminal only shows it."""
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(character: str) -> str:
    if character.isprintable():
        return character
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def counted(n: int, what: str) -> str:
    """`1 task`, `1,234 tasks`."""
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"
