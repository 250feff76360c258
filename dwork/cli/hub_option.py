"""How the hub is chosen: the options of the programs that connect to one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from dwork.cli.shell_completion import files, jobs

if TYPE_CHECKING:
    from dwork.connection.file import Connection


@dataclass(frozen=True, slots=True)
class HubOption:
    """The hub that the command line names; the fields are the arguments of `connection.file.choose`."""

    server: str | None = None
    file: str | None = None
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

    def connection(self) -> Connection:
        """Return the connection of the hub; UsageError when there is none, or more than one to choose from."""
        from dwork.connection.file import choose

        return choose(self.server, self.file, self.job, insecure=self.insecure)


_OPTIONS = (
    click.option("-s", "--server", metavar="ADDRESS", help="Address of the hub: HOST:PORT or tcp://HOST:PORT."),
    click.option(
        "--connection",
        "file",
        metavar="FILE",
        shell_complete=files,
        help="Connection file of the hub.  [default: $DWORK_CONNECTION, or the only one in ~/.dwork]",
    ),
    click.option("--job", metavar="ID", shell_complete=jobs, help="Use the hub of batch job ID."),
    click.option("--insecure", is_flag=True, help="The hub at ADDRESS uses no keys, like that of the C++ dwork."),
)


def hub_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that choose a hub to a command, which gets their values as `which`."""

    @wraps(command)
    def with_which(*arguments: Any, **parameters: Any) -> Any:
        which = HubOption.take(parameters)
        others = {name: value for name, value in parameters.items() if name not in HubOption.__slots__}
        return command(*arguments, which=which, **others)

    for option in reversed(_OPTIONS):
        with_which = option(with_which)
    return with_which
