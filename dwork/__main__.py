"""dwork: one program with a verb for each thing it does; `python -m dwork` is the same.

Nothing is imported before the verb is known, and then only that verb: a thousand ranks may start at once with
`dwork pool`, and a script may call `dwork status` again and again. Even the list of verbs is imported only when needed.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # that of `typing`, which is slow to import
if TYPE_CHECKING:
    from collections.abc import Sequence

#: The programs that are verbs, and their modules, each with a click command named `command`.
PROGRAMS = {
    "pool": "dwork.pool.command",
    "check": "dwork.pool.check_command",
    "hub": "dwork.dhub",
    "worker": "dwork.kworker",
}
USAGE = 2


def main() -> int:
    """Run the verb on the command line and return its exit status; this is the console script."""
    words = sys.argv[1:]
    first = words[0] if words else ""
    if "_DWORK_COMPLETE" in os.environ:
        return _complete()
    if first in PROGRAMS:
        return _program(first, words[1:])
    if first == "--version":
        from dwork.core.version import __version__

        return _print(f"dwork {__version__}\n")
    if first in ("", "-h", "--help", "help"):
        return _help(words[1:], status=0 if first else USAGE)
    from dwork.cli import verbs

    # An option before the verb chooses the hub; dquery parses those.
    if first not in verbs.NAMES and not first.startswith("-"):
        return _say(verbs.unknown(first, is_file=os.path.exists(first)))
    return _dquery(words)


def _program(verb: str, words: Sequence[str]) -> int:
    """Run one of the programs that also have a name of their own, such as dhub."""
    sys.argv[:] = [f"{sys.argv[0]} {verb}", *words]
    typed = f"dwork {verb}"
    if verb == "pool":
        from dwork.pool.__main__ import main as pool

        pool(typed)
    elif verb == "check":
        from dwork.pool.check_command import main as check

        check(typed)
    elif verb == "hub":
        from dwork.dhub import main as hub

        hub(typed)
    else:
        from dwork.kworker import main as worker

        worker(typed)
    return 0


def _dquery(words: Sequence[str]) -> int:
    from dwork.dquery import main as dquery

    return dquery(words, "dwork")


def _help(words: Sequence[str], status: int) -> int:
    """Print the help of a verb, or the list of verbs."""
    from dwork.cli import verbs

    verb = words[0] if words else ""
    if not verb:
        return _print(verbs.overview(), status)
    if verb in PROGRAMS:
        return _program(verb, ["--help"])
    return _dquery([verb, "--help"]) if verb in verbs.NAMES else _say(verbs.unknown(verb))


def _complete() -> int:
    """Answer a shell's request for completions."""
    from dwork.cli.program import prepare_completion
    from dwork.dquery._group import Commands, group

    prepare_completion("dwork")
    whole = Commands("dwork", params=group.params, callback=group.callback, add_help_option=False, programs=PROGRAMS)
    return int(whole.main(prog_name="dwork", standalone_mode=False) or 0)


def _print(text: str, status: int = 0) -> int:
    """Print the text and return the status: on standard output, or on standard error if the status is an error."""
    try:
        print(text, end="", file=sys.stderr if status else sys.stdout, flush=True)
    except OSError:  # the reader is gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    return status


def _say(text: str) -> int:
    return _print(f"dwork: {text}\n", USAGE)


if __name__ == "__main__":
    sys.exit(main())
