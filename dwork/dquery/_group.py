"""The command `dquery` itself: its own options, and its commands, whose modules are imported on demand."""

from __future__ import annotations

import importlib
import os
import pkgutil
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import click

from dwork.cli import suggestions
from dwork.cli.hub_option import HubOption, after_command, hub_option
from dwork.cli.program import ExitCode
from dwork.core.version import __version__
from dwork.dquery._output import note
from dwork.dquery._session import HubChoice
from dwork.dquery._source import take_record


class Commands(click.Group):
    """The modules of this package as commands; only the module of the command that runs is imported.

    programs: the modules of other commands, by name.
    """

    def __init__(self, *arguments: Any, programs: Mapping[str, str] | None = None, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.programs = programs or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        names = [module.name for module in pkgutil.iter_modules([os.path.dirname(__file__)])]
        return sorted([*(name.replace("_", "-") for name in names if not name.startswith("_")), *self.programs])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        module = self.programs.get(cmd_name) or f"dwork.dquery.{cmd_name.replace('-', '_')}"
        command: click.Command = importlib.import_module(module).command
        command.context_settings.setdefault("help_option_names", ["-h", "--help"])
        after_command(command, _choose_hub)
        taken = {name for parameter in command.params for name in parameter.opts}
        command.params += [option for option in _LATE if not taken & set(option.opts)]
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.list_commands(ctx):
            raise self.unknown(ctx, args[0])
        return super().resolve_command(ctx, args)

    def unknown(self, ctx: click.Context, name: str) -> click.UsageError:
        """Return the error for a name that is not a command."""
        near = suggestions.command(name, self.list_commands(ctx))
        advice = f"; did you mean {near}?" if near else ""
        return click.UsageError(f"there is no command {name!r}{advice}", ctx)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # before click, which would print an empty line
            raise SystemExit(ExitCode.INTERRUPTED) from None


def _choose_hub(ctx: click.Context, field: str, value: Any) -> None:
    ctx.obj.which = replace(ctx.obj.which, **{field: value})


def _set_timeout(ctx: click.Context, _parameter: click.Parameter, seconds: float | None) -> None:
    if seconds is not None and not ctx.resilient_parsing:
        ctx.obj.timeout = seconds


def _set_verbose(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        _report_time(ctx)


def _report_time(ctx: click.Context) -> None:
    ctx.call_on_close(lambda: note(f"query time (us) = {ctx.obj.seconds * 1e6:.0f}"))


_SECONDS = click.FloatRange(min=0, min_open=True)
#: The options of dquery itself that may also stand after the name of a command, unless it has others of these names.
_LATE = (
    click.Option(
        ["dquery_timeout", "--timeout"], type=_SECONDS, hidden=True, expose_value=False, callback=_set_timeout
    ),
    click.Option(
        ["dquery_verbose", "-v", "--verbose"], is_flag=True, hidden=True, expose_value=False, callback=_set_verbose
    ),
)


def _version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        click.echo(f"{ctx.find_root().info_name} {__version__}")
        ctx.exit()


@click.group(cls=Commands, add_help_option=False, invoke_without_command=True)
@hub_option
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=_SECONDS,
    default=5.0,
    show_default=True,
    help="How long to wait for an answer.",
)
@click.option("-f", "record", metavar="FILE", hidden=True, help="As after the name of a command.")
@click.option("-v", "--verbose", is_flag=True, help="Print how long the query took.")
@click.option("--version", is_flag=True, expose_value=False, callback=_version, help="Print the version.")
@click.option("-h", "--help", "wants_help", is_flag=True, help="Print this help, or that of a command: -h COMMAND.")
@click.pass_context
def group(
    ctx: click.Context,
    which: HubOption,
    timeout: float,
    record: str | None,
    verbose: bool,
    wants_help: bool,
) -> None:
    """Inspect and control a running pool or dhub.

    Exit status: 0 on success, 1 on failure, 2 when the command line is invalid; others are in the help of the commands.
    Errors are one line on stderr.

    \b
    Examples:
      dquery status                             show the progress of the only known run
      dquery watch                              the same, live on the whole screen, with all running tasks
      dquery status --wait                      wait until the run has ended, and exit as it does
      dquery failed -f tasks.txt.db             list the failed tasks of that run, with the end of their stderr
      dquery create 'echo world' 'echo hello'   add a task that runs after another
      dquery --job 4711 addfile tasks.csv       add tasks to the run of a batch job
      dquery --insecure -s node17 status        query a hub without keys, such as the C++ dhub
    """
    name = ctx.invoked_subcommand
    if wants_help:
        show_help(ctx, name)
        ctx.exit()
    if name is None:
        raise click.UsageError("Missing command.", ctx)
    ctx.obj = HubChoice(which, timeout)
    take_record(ctx, record, group.get_command(ctx, name))
    if verbose:
        _report_time(ctx)


def show_help(ctx: click.Context, name: str | None) -> None:
    """Print the help of this command, or of dquery without one."""
    if name is None:
        click.echo(ctx.get_help())
        return
    command = group.get_command(ctx, name)
    if command is None:
        raise group.unknown(ctx, name)
    with command.make_context(name, [], ctx, resilient_parsing=True) as of_command:
        click.echo(of_command.get_help())
