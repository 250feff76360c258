"""Text of help and comments, in which backticks mean what they mean in Markdown, as reStructuredText."""

from __future__ import annotations

import re


def inline(text: str) -> str:
    """One paragraph: `code` and *emphasis* are that, all else is as it is."""
    pieces = re.split(r"(`[^`]+`|(?<!\S)\*\w+\*(?!\S))", " ".join(text.split()))
    return "".join(piece if i % 2 else _escaped(piece) for i, piece in enumerate(pieces))


def _escaped(text: str) -> str:
    """No emphasis, no link to tcp://HOST, and no list."""
    return re.sub(r"([\\*`_|]|(?<=tcp)(?=://)|^(?=-))", r"\\\1", text)
