"""The command-line options that several programs share, and their types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import click
from click.shell_completion import CompletionItem

from dwork.core.amounts import duration, end_warning, memory
from dwork.core.errors import UsageError
from dwork.core.glob import matcher
from dwork.core.halt import Halt
from dwork.core.messages import Execution, Leftovers
from dwork.core.min_time import MinTime
from dwork.core.task import EndWarning
from dwork.core.text import UserText, from_system
from dwork.host import gpus
from dwork.host.cores import SMT
from dwork.host.slots import AUTO, slots
from dwork.hub.policy import Policy


class _Parsed(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A parameter type made from a function, which raises ValueError or UsageError with a message for the user.

    offers: some of the possible values, which shell completion suggests.
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
    """Return the command with these options, listed in this order in its help."""
    for option in reversed(options):
        command = option(command)
    return command


def _positive(text: str) -> float:
    seconds = duration(text)
    if seconds <= 0:
        raise ValueError("a duration must be greater than 0")
    return seconds


def _with_unit(text: str) -> float:
    """Return seconds. Raise ValueError for a number without a unit: batch systems differ in what they take it for."""
    seconds = _positive(text)
    if text.replace(".", "").isdecimal():
        raise ValueError(
            f"{text} would be minutes in Slurm and seconds here; write {text}m for minutes or {text}s for seconds"
        )
    return seconds


def _min_time(text: str) -> MinTime:
    number = text.removesuffix("%")
    if number != text and number.isdecimal() and int(number):
        return MinTime(part=int(number) / 100)
    if number != text:
        raise ValueError(f'"{text}" is not a percentage; write for example 120%')
    return MinTime(_positive(text))


def _gpus(text: str) -> str:
    gpus.found({}, text)
    return text


#: Seconds, greater than 0, from `90s`, `2h` or `1:30:00`.
DURATION = _Parsed("duration", _positive)
#: The same, but not `90`.
WALLTIME = _Parsed("duration", _with_unit)
#: A MinTime.
MIN_TIME = _Parsed("min-time", _min_time)
#: Bytes, from `2G`.
MEMORY = _Parsed("memory", memory)
#: `N` or `auto`, as text, since the value of auto differs between ranks.
SLOTS = _Parsed("slots", lambda text: str(slots(text)) if text != AUTO else text, (AUTO,))
#: `N` or `id,id,...`, as text.
GPUS = _Parsed("gpus", _gpus)
#: A Halt, or None for `never`.
HALT = _Parsed("halt", Halt.parse, ("never", "soon,fail=1", "soon,fail=10%", "now,fail=1", "now,fail=10%"))

gpus_option = click.option(
    "--gpus",
    type=GPUS,
    metavar="N|ID,...",
    help="GPUs of each node that tasks may use.  [default: those in the batch system's variables, or all]",
)

smt_option = click.option(SMT, is_flag=True, help="Count each hardware thread as a core, not each core once.")

max_output_option = click.option(
    "--max-output",
    type=MEMORY,
    metavar="SIZE",
    default="64M",
    show_default=True,
    help="Keep at most SIZE of each output stream of a task; longer output loses its middle, which is marked. "
    "0: no limit.",
)


def _variable(text: str) -> tuple[UserText, UserText]:
    name, equals, value = from_system(text).partition("=")
    if not name or not equals:
        raise ValueError(f'"{text}" does not have the form NAME=VALUE')
    return UserText(name), UserText(value)


def _glob(text: str) -> UserText:
    matcher(text)
    return from_system(text)


_EXECUTION = (
    click.option(
        "--pin/--no-pin", default=None,
        help="Pin each task to its own CPUs.  [default: pin if a worker runs several tasks]",
    ),
    click.option(
        "--enforce-memory", is_flag=True,
        help="End a task that uses more memory than it requested: at once if workers can create control groups, "
        "otherwise within a second.",
    ),
    click.option(
        "--leftovers", type=click.Choice([each.value for each in Leftovers]), default=Leftovers.KEEP.value,
        show_default=True,
        help="What happens to processes that a task leaves in the background when it ends: keep them until their "
        "worker leaves, end them, or end them and fail the task.",
    ),
    click.option(
        "--env", "variables", type=_Parsed("variable", _variable), multiple=True, metavar="NAME=VALUE",
        help="Set a variable in the environment of tasks; repeatable.",
    ),
    click.option(
        "--env-keep", type=_Parsed("glob", _glob), multiple=True, metavar="GLOB",
        help="Keep variables of the launcher that tasks do not get by default, such as 'SLURM_PROCID'; repeatable.",
    ),
    click.option(
        "--env-drop", type=_Parsed("glob", _glob), multiple=True, metavar="GLOB",
        help="Remove variables from the environment of tasks, such as 'SLURM_*'; repeatable.",
    ),
)  # fmt: skip


def execution_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options for how tasks are run to a command, which gets them as `execution`."""

    @wraps(command)
    def with_execution(
        *arguments: Any,
        variables: tuple[tuple[UserText, UserText], ...],
        env_keep: tuple[UserText, ...],
        env_drop: tuple[UserText, ...],
        pin: bool | None,
        enforce_memory: bool,
        leftovers: str,
        **others: Any,
    ) -> Any:
        execution = Execution(
            keep=env_keep, drop=env_drop, set=variables, pin=pin, enforce_memory=enforce_memory,
            leftovers=Leftovers(leftovers),
        )  # fmt: skip
        return command(*arguments, execution=execution, **others)

    return _decorated(with_execution, _EXECUTION)


_ENDPOINT = (
    click.option(
        "--bind",
        metavar="ADDRESS",
        envvar="DWORK_BIND",
        help="Address to listen on.  [default: $DWORK_BIND, or all addresses; with --insecure 127.0.0.1]",
    ),
    click.option(
        "--insecure",
        is_flag=True,
        help="Disable authentication and encryption: anyone who can reach the port can run commands as you. "
        "The C++ dwork needs this.",
    ),
)


def endpoint_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options for where the hub listens (`bind`) and who may connect (`insecure`) to a command."""
    return _decorated(command, _ENDPOINT)


_JOB_END = (
    click.option(
        "--walltime",
        type=WALLTIME,
        metavar="TIME",
        help="Assume the job ends in TIME (90m).  [default: the time left that Slurm, PBS or Grid Engine reports]",
    ),
    click.option(
        "--drain-before",
        type=DURATION,
        metavar="TIME",
        default="60s",
        show_default=True,
        help="Stop starting tasks TIME before the end of the job, and end the running ones; they run again later.",
    ),
)


def job_end_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options for the end of the batch job, `walltime` and `drain_before`, to a command."""

    @wraps(command)
    def with_job_end(*arguments: Any, walltime: float | None, drain_before: float, **others: Any) -> Any:
        if walltime is not None and walltime <= drain_before:
            raise UsageError(
                f"--walltime {walltime:g}s is not longer than --drain-before ({drain_before:g} s), so no task would "
                f"start; give the time until the end of the job, or a shorter --drain-before"
            )
        return command(*arguments, walltime=walltime, drain_before=drain_before, **others)

    return _decorated(with_job_end, _JOB_END)


_POLICY = (
    click.option(
        "--retries",
        type=click.IntRange(0),
        default=0,
        show_default=True,
        metavar="N",
        help="Retry a failed task up to N times, unless the task sets `retries`.",
    ),
    click.option(
        "--retry-delay",
        type=_Parsed("duration", duration),
        default="1s",
        show_default=True,
        metavar="TIME",
        help="Wait TIME before the first retry of a task; each further retry waits twice as long, up to a minute.",
    ),
    click.option(
        "--max-attempts-lost",
        type=click.IntRange(1),
        default=5,
        show_default=True,
        metavar="N",
        help="Fail a task after its worker or the whole run has died N times while running it; earlier runs count.",
    ),
    click.option(
        "--exclude/--no-exclude",
        default=True,
        show_default=True,
        help="Exclude a worker on which task after task fails that succeeds elsewhere: it gets no more tasks, and what "
        "failed there runs again, without a retry.",
    ),
    click.option(
        "--worker-timeout",
        type=DURATION,
        metavar="TIME",
        default="60s",
        show_default=True,
        help="Treat a kworker as lost after TIME without a message from it; its tasks run elsewhere.",
    ),
    click.option(
        "--timeout",
        type=DURATION,
        metavar="TIME",
        help="End a task after TIME, such as 90s, 2h or 1:30:00, unless the task sets `timeout`.",
    ),
    click.option(
        "--grace",
        type=_Parsed("duration", duration),
        metavar="TIME",
        help="When a task must end (its timeout, a cancellation, the end of the job), send KILL TIME after TERM, "
        "unless the task sets `grace`.  [default: 5s]",
    ),
    click.option(
        "--warn",
        type=_Parsed("warn", end_warning, ("USR1@5m",)),
        metavar="SIGNAL@TIME",
        help="Send SIGNAL to running tasks TIME before the end of the job, as in USR1@5m, unless the task sets `warn`.",
    ),
    click.option(
        "--halt",
        type=HALT,
        metavar="WHEN",
        default="never",
        show_default=True,
        help="When failed tasks stop the run: never; soon (running tasks finish) or now (they are ended), with fail=N "
        "or fail=N%, as in soon,fail=3.",
    ),
    click.option(
        "--unknown-pred",
        type=click.Choice(["error", "done"]),
        default="error",
        show_default=True,
        help="How to treat a predecessor that does not exist; the C++ dwork treats it as done.",
    ),
)


def policy_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options for the hub's decisions to a command, which gets them as `policy`."""

    @wraps(command)
    def with_policy(
        *arguments: Any,
        retries: int,
        retry_delay: float,
        max_attempts_lost: int,
        exclude: bool,
        worker_timeout: float,
        timeout: float | None,
        grace: float | None,
        warn: EndWarning | None,
        halt: Halt | None,
        unknown_pred: str,
        **others: Any,
    ) -> Any:
        policy = Policy(
            retries=retries,
            delay=retry_delay,
            losses=max_attempts_lost,
            exclude=exclude,
            silence=worker_timeout,
            timeout=timeout,
            grace=grace,
            warn=warn,
            halt=halt,
            unknown_is_done=unknown_pred == "done",
        )
        return command(*arguments, policy=policy, **others)

    return _decorated(with_policy, _POLICY)
