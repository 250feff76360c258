"""A file system that answers no more, as that of a dead server: what writes there cannot be killed."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.needs import missing
from tests.waiting import wait_until


@contextlib.contextmanager
def frozen(directory: Path) -> Iterator[Path]:
    """Make one below a directory; it answers again at the end."""
    image, path = directory / "image", directory / "frozen"
    path.mkdir()
    with image.open("wb") as file:
        file.truncate(20_000_000)
    with contextlib.ExitStack() as stack:
        for words, undo in (
            (["mkfs.ext4", "-q", image], None),
            (["mount", "-o", "loop", image, path], ["umount", path]),
            (["fsfreeze", "-f", path], ["fsfreeze", "-u", path]),
        ):
            if _run(words):
                missing("mount")
            if undo:
                stack.callback(wait_until, lambda undo=undo: not _run(undo))
        yield path


def _run(words: list[str | Path]) -> int:
    try:
        return subprocess.run(words, capture_output=True).returncode
    except FileNotFoundError:
        return 127
