"""The command-line options that several programs share, and their types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import click
from click.shell_completion import CompletionItem

from dwork.core.errors import UsageError
from dwork.core.glob import matcher
from dwork.core.halt import Halt
from dwork.core.messages import Execution
from dwork.core.min_time import MinTime
from dwork.host import gpus
from dwork.host.cores import AUTO, slots
from dwork.hub.hub import Policy
from dwork.taskfile import duration, memory


class _Parsed(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A type by a function that raises ValueError or UsageError with a text for people.

    offers: values that a shell offers, of the many that can be.
    """

    def __init__(self, name: str, parse: Any, offers: Sequence[str] = ()) -> None:
        self.name = name
        self._parse = parse
        self._offers = offers

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(value) for value in self._offers if value.startswith(incomplete)]

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


def _min_time(text: str) -> MinTime:
    number = text.removesuffix("%")
    if number != text and number.isdecimal() and int(number):
        return MinTime(part=int(number) / 100)
    if number != text:
        raise ValueError(f'"{text}" is no part of the mean run time; write 120%')
    return MinTime(_positive(text))


def _gpus(text: str) -> str:
    gpus.found({}, text)
    return text


#: Seconds, more than 0, from `90s`, `2h`, `1:30:00`.
DURATION = _Parsed("duration", _positive)
#: A MinTime.
MIN_TIME = _Parsed("min-time", _min_time)
#: Bytes, from `2G`.
MEMORY = _Parsed("memory", memory)
#: `N` or `auto`, as text: what auto is differs from rank to rank.
SLOTS = _Parsed("slots", lambda text: str(slots(text)) if text != AUTO else text, (AUTO,))
#: `N` or `id,id,...`, as text.
GPUS = _Parsed("gpus", _gpus)
#: A Halt, or None for `never`.
HALT = _Parsed("halt", Halt.parse, ("never", "soon,fail=1", "soon,fail=10%", "now,fail=1", "now,fail=10%"))

gpus_option = click.option(
    "--gpus",
    type=GPUS,
    metavar="N|ID,...",
    help="GPUs of each node that tasks can have.  [default: those that the batch system's variables tell, or all]",
)

max_output_option = click.option(
    "--max-output",
    type=MEMORY,
    metavar="SIZE",
    default="64M",
    show_default=True,
    help="Of more than that on stdout or stderr of a task leave out the middle, with a mark; 0 for no limit.",
)


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise ValueError(f'"{text}" is no NAME=VALUE')
    return name, value


def _glob(text: str) -> str:
    matcher(text)
    return text


_WISHES = (
    click.option(
        "--pin/--no-pin", default=None,
        help="Give each task CPUs of its own.  [default: where a worker runs several tasks]",
    ),
    click.option(
        "--enforce-memory", is_flag=True,
        help="End a task that uses more memory than it has asked for: at once where workers may make control groups, "
        "else within a second.",
    ),
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


def execution_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options about how tasks are run; it gets them as `wishes`."""

    @wraps(command)
    def with_wishes(
        *arguments: Any,
        variables: tuple[tuple[str, str], ...],
        env_keep: tuple[str, ...],
        env_drop: tuple[str, ...],
        pin: bool | None,
        enforce_memory: bool,
        **others: Any,
    ) -> Any:
        execution = Execution(env_keep, env_drop, variables, pin, enforce_memory)
        return command(*arguments, execution=execution, **others)

    return _decorated(with_wishes, _WISHES)


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


def endpoint_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say where its hub listens, `bind`, and for whom, `insecure`."""
    return _decorated(command, _DOOR)


_JOB_END = (
    click.option(
        "--walltime",
        type=DURATION,
        metavar="TIME",
        help="The job ends after so long from now.  [default: what Slurm or PBS says]",
    ),
    click.option(
        "--drain-before",
        type=DURATION,
        metavar="TIME",
        default="60s",
        show_default=True,
        help="So long before the job ends nothing more is started, and what runs is ended, to run again.",
    ),
)


def job_end_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options about the end of the job that it is in, `walltime` and `drain_before`."""
    return _decorated(command, _JOB_END)


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
        help="Fail a task after its worker or the whole run has died N times while it ran, also in earlier runs.",
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
