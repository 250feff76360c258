"""Print the help of COMMAND, or of dquery.

\b
Examples:
  dquery help
  dquery help list
"""

from __future__ import annotations

import click

from dwork.dquery._completion import commands
from dwork.dquery._group import show_help


@click.command(help=__doc__)
@click.argument("command_name", metavar="[COMMAND]", required=False, shell_complete=commands)
@click.pass_context
def command(ctx: click.Context, command_name: str | None) -> None:
    assert ctx.parent is not None
    show_help(ctx.parent, command_name)
