"""The command-line options that several programs share, and their types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import click

from dwork.cores import AUTO, slots
from dwork.errors import UsageError
from dwork.halt import Halt
from dwork.hub import Policy
from dwork.messages import Wishes
from dwork.pattern import matcher
from dwork.taskfile import duration, memory


class _Parsed(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A type by a function that raises ValueError or UsageError with a text for people."""

    def __init__(self, name: str, parse: Any) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except (ValueError, UsageError) as error:
            self.fail(str(error), param, ctx)


def _decorated(command: Callable[..., Any], options: Sequence[Callable[..., Any]]) -> Callable[..., Any]:
    """The command with these options, which its help lists in this order."""
    for option in reversed(options):
        command = option(command)
    return command


def _positive(text: str) -> float:
    seconds = duration(text)
    if seconds <= 0:
        raise ValueError("it must be more than nothing")
    return seconds


#: Seconds, more than 0, from `90s`, `2h`, `1:30:00`.
DURATION = _Parsed("duration", _positive)
#: Bytes, from `2G`.
MEMORY = _Parsed("memory", memory)
#: `N` or `auto`, as text: what auto is differs from rank to rank.
SLOTS = _Parsed("slots", lambda text: str(slots(text)) if text != AUTO else text)
#: A Halt, or None for `never`.
HALT = _Parsed("halt", Halt.parse)

max_output_option = click.option(
    "--max-output",
    type=MEMORY,
    metavar="SIZE",
    default="64M",
    show_default=True,
    help="Of more than that on stdout or stderr of a task leave out the middle, with a mark; 0 for no limit.",
)

_CONNECTION = (
    click.option("-s", "--server", metavar="ADDRESS", help="The hub, as HOST:PORT or tcp://HOST:PORT."),
    click.option(
        "--connection",
        "file",
        metavar="FILE",
        help="Its connection file.  [default: $DWORK_CONNECTION, or the only one in ~/.dwork]",
    ),
    click.option("--job", metavar="ID", help="The hub of that batch job."),
    click.option("--insecure", is_flag=True, help="The hub at ADDRESS has no keys, as that of the C++ dwork."),
)


def connection_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say which hub is meant; it gets a function that chooses as `which`."""

    @wraps(command)
    def with_which(
        *arguments: Any, server: str | None, file: str | None, job: str | None, insecure: bool, **others: Any
    ) -> Any:
        from dwork.connection import choose

        return command(*arguments, which=lambda: choose(server, file, job, insecure=insecure), **others)

    return _decorated(with_which, _CONNECTION)


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise ValueError(f'"{text}" is no NAME=VALUE')
    return name, value


def _glob(text: str) -> str:
    matcher(text)
    return text


_ENVIRONMENT = (
    click.option(
        "--env", "variables", type=_Parsed("variable", _variable), multiple=True, metavar="NAME=VALUE",
        help="Give tasks this variable; repeatable.",
    ),
    click.option(
        "--env-keep", type=_Parsed("glob", _glob), multiple=True, metavar="GLOB",
        help="Let tasks have variables of the launcher, as 'SLURM_PROCID', that they would not get; repeatable.",
    ),
    click.option(
        "--env-drop", type=_Parsed("glob", _glob), multiple=True, metavar="GLOB",
        help="Do not give tasks such variables, as 'SLURM_*'; repeatable.",
    ),
)  # fmt: skip


def environment_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options about the environment of tasks; it gets them as `wishes`."""

    @wraps(command)
    def with_wishes(
        *arguments: Any,
        variables: tuple[tuple[str, str], ...],
        env_keep: tuple[str, ...],
        env_drop: tuple[str, ...],
        **others: Any,
    ) -> Any:
        return command(*arguments, wishes=Wishes(env_keep, env_drop, variables), **others)

    return _decorated(with_wishes, _ENVIRONMENT)


_DOOR = (
    click.option(
        "--bind",
        metavar="ADDRESS",
        envvar="DWORK_BIND",
        help="Address to listen on.  [default: $DWORK_BIND, or all; with --insecure 127.0.0.1]",
    ),
    click.option(
        "--insecure",
        is_flag=True,
        help="Ask nobody for a key, as the C++ dwork needs it: whoever reaches the port gets in.",
    ),
)


def door_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say where its hub listens, `bind`, and for whom, `insecure`."""
    return _decorated(command, _DOOR)


_POLICY = (
    click.option(
        "--retries",
        type=click.IntRange(0),
        default=0,
        show_default=True,
        metavar="N",
        help="Try a failed task up to N times more, if it does not say itself.",
    ),
    click.option(
        "--retry-delay",
        type=_Parsed("duration", duration),
        default="1s",
        show_default=True,
        metavar="TIME",
        help="Wait so long before the first retry of a task; twice as long before each further one, up to a minute.",
    ),
    click.option(
        "--max-attempts-lost",
        type=click.IntRange(1),
        default=5,
        show_default=True,
        metavar="N",
        help="A task with which N workers have died has failed.",
    ),
    click.option(
        "--worker-timeout",
        type=DURATION,
        metavar="TIME",
        default="60s",
        show_default=True,
        help="A kworker that has not been heard for so long is lost; what it held runs elsewhere.",
    ),
    click.option(
        "--timeout",
        type=DURATION,
        metavar="TIME",
        help="End a task after so long, as 90s, 2h or 1:30:00, if it does not say itself.",
    ),
    click.option(
        "--halt",
        type=HALT,
        metavar="WHEN",
        default="never",
        show_default=True,
        help="Stop when tasks fail: never, or soon or now with fail=N or fail=N%.",
    ),
    click.option(
        "--unknown-pred",
        type=click.Choice(["error", "done"]),
        default="error",
        show_default=True,
        help="What a predecessor is that does not exist; the C++ dwork takes it as done.",
    ),
)


def policy_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say how its hub decides; it gets them as `policy`."""

    @wraps(command)
    def with_policy(
        *arguments: Any,
        retries: int,
        retry_delay: float,
        max_attempts_lost: int,
        worker_timeout: float,
        timeout: float | None,
        halt: Halt | None,
        unknown_pred: str,
        **others: Any,
    ) -> Any:
        policy = Policy(retries, retry_delay, max_attempts_lost, worker_timeout, timeout, halt, unknown_pred == "done")
        return command(*arguments, policy=policy, **others)

    return _decorated(with_policy, _POLICY)
