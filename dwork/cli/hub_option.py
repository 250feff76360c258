"""How the hub is chosen: the options of the programs that connect to one."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from dwork.cli.shell_completion import files, jobs

if TYPE_CHECKING:
    from dwork.connection.file import Connection


@dataclass(frozen=True, slots=True)
class HubOption:
    """The hub that the command line names; the fields are the arguments of `connection.choice.choose`."""

    server: str | None = None
    file: str | Connection | None = None
    job: str | None = None
    insecure: bool = False

    @classmethod
    def take(cls, parameters: Mapping[str, Any]) -> HubOption:
        """Build a HubOption from the parameters of a command that has these options."""
        return cls(**{name: parameters[name] for name in cls.__slots__})

    @property
    def is_said(self) -> bool:
        """Whether the command line names a hub; `insecure` alone does not."""
        return any(value is not None for value in (self.server, self.file, self.job))

    @property
    def is_named(self) -> bool:
        """Whether the user, or the environment of a task, names a hub; otherwise the only known one is meant."""
        return self.is_said or self.insecure or any(map(os.environ.get, _VARIABLES))

    def connection(self) -> Connection:
        """Return the connection of the hub; UsageError when there is none, or more than one to choose from."""
        from dwork.connection.choice import choose

        return choose(self.server, self.file, self.job, insecure=self.insecure)


#: The variables that name a hub.
_VARIABLES = ("DWORK_CONNECTION", "DWORK_SERVER", "DWORK_INSECURE")

#: The options that choose a hub: the field of HubOption, the names of the option, and its other attributes.
_CHOICES: Sequence[tuple[str, tuple[str, ...], dict[str, Any]]] = (
    ("server", ("-s", "--server"), {"metavar": "ADDRESS", "help": "Address of the hub: HOST:PORT or tcp://HOST:PORT."}),
    (
        "file",
        ("--connection",),
        {
            "metavar": "FILE",
            "shell_complete": files,
            "help": "Connection file of the hub.  [default: $DWORK_CONNECTION, or that of the only run in ~/.dwork, or "
            "of the only one whose task file or record is in this directory]",
        },
    ),
    ("job", ("--job",), {"metavar": "ID", "shell_complete": jobs, "help": "Use the hub of batch job ID."}),
    (
        "insecure",
        ("--insecure",),
        {"is_flag": True, "help": "The hub at ADDRESS uses no keys, like that of the C++ dwork."},
    ),
)


#: Where the context of a command keeps the values of the options that chose a hub after its name.
_AFTER = f"{__name__}.after"


def after_command(command: click.Command, chosen: Callable[[click.Context, str, Any], None]) -> None:
    """Let a command take the options that choose a hub, too, unless it has others of these names.

    chosen(ctx, field, value) is called for each that is given. They are not in its help.
    """
    taken = {name for parameter in command.params for name in parameter.opts}

    def choose(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:
        assert parameter.name is not None
        if value not in (None, False):
            field = parameter.name.removeprefix("hub_")
            ctx.meta.setdefault(_AFTER, {})[field] = value
            if not ctx.resilient_parsing:
                chosen(ctx, field, value)

    for field, names, more in _CHOICES:
        if not taken & set(names):
            option = click.Option([f"hub_{field}", *names], hidden=True, expose_value=False, callback=choose, **more)
            command.params.append(option)


def given(ctx: click.Context) -> HubOption:
    """Return the options that choose a hub, before and after the name of a command, as far as they are parsed."""
    before = ctx.parent.params if ctx.parent is not None else {}
    return HubOption.take({**before, **ctx.meta.get(_AFTER, {})})


def hub_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that choose a hub to a command, which gets their values as `which`."""

    @wraps(command)
    def with_which(*arguments: Any, **parameters: Any) -> Any:
        which = HubOption.take(parameters)
        others = {name: value for name, value in parameters.items() if name not in HubOption.__slots__}
        return command(*arguments, which=which, **others)

    for field, names, more in reversed(_CHOICES):
        with_which = click.option(*names, field, **more)(with_which)
    return with_which
