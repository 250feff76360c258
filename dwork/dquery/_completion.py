"""Names of tasks and workers that a shell offers on TAB, from the record or hub that the command line names so far.

The user waits at a terminal, so the time is limited, and after any failure nothing is offered and nothing printed.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from itertools import islice
from typing import Final

from click import Context, Group, Parameter
from click.shell_completion import CompletionItem

from dwork.cli.hub_option import given
from dwork.core.errors import DworkError
from dwork.core.task import worded
from dwork.dquery._session import HubChoice

#: Time limit in seconds, and maximum number of names.
PATIENCE: Final = 0.5
MOST: Final = 200

Completer = Callable[[Context, Parameter, str], list[CompletionItem]]


class _Late(Exception):
    """The time limit has passed."""


def tasks(*states: str, held: bool = False) -> Completer:
    """Return a completer for tasks in one of these states, by default in any; held: only held tasks."""

    def offer(ctx: Context, parameter: Parameter, incomplete: str) -> list[CompletionItem]:
        from dwork.dquery._source import source

        typed = set(_typed(ctx, parameter))
        found: list[CompletionItem] = []
        with _quietly():
            glob = None if incomplete.startswith("#") else f"{_literal(incomplete)}*"
            with source(_session(ctx), ctx.params.get("file")) as where:
                rows = where.tasks(states, glob)
                for row in islice((row for row in rows if row["held"] or not held), MOST):
                    value = f"#{row['id']}" if glob is None else row["name"]
                    if value.startswith(incomplete) and value not in typed and _can_be_typed(value):
                        found.append(CompletionItem(value, help=row["name"] if glob is None else worded(row["state"])))
        return found

    return offer


def workers(ctx: Context, parameter: Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the workers of the hub."""
    typed = set(_typed(ctx, parameter))
    names: list[str] = []
    with _quietly(), _session(ctx).client() as client:
        names = [row["location"] for row in client.workers()]
    fitting = (name for name in names if name.startswith(incomplete) and name not in typed)
    return [CompletionItem(name) for name in islice(fitting, MOST)]


def commands(ctx: Context, _parameter: Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the other commands."""
    group = ctx.find_root().command
    assert isinstance(group, Group)
    return [CompletionItem(name) for name in group.list_commands(ctx) if name.startswith(incomplete)]


def _session(ctx: Context) -> HubChoice:
    return HubChoice(given(ctx), PATIENCE)


def _typed(ctx: Context, parameter: Parameter) -> tuple[str, ...]:
    """Return the values already typed for this argument, if it may be repeated."""
    value = ctx.params.get(parameter.name or "")
    return value if isinstance(value, tuple) else ()


def _can_be_typed(value: str) -> bool:
    return value.isprintable() and not value.startswith("-")


def _literal(text: str) -> str:
    return "".join(f"[{character}]" if character in "*?[" else character for character in text)


@contextmanager
def _quietly() -> Iterator[None]:
    """Run the body until it ends, fails, or exceeds the time limit; suppress its errors."""

    def give_up(_number: int, _frame: object) -> None:
        raise _Late

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    try:
        with redirect_stderr(None):
            yield
    except (_Late, DworkError, ImportError, OSError):  # ImportError: the limit came while a module was imported
        pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
