"""Print the shell completion script for dwork's programs.

Load it where the shell reads its settings, as below. TAB then completes commands, options, their values, files, batch
jobs with known runs, and names of tasks and workers. For these names the hub or record is queried for at most half a
second.

\b
Examples:
  eval "$(dquery completion bash)"                                in ~/.bashrc
  eval "$(dquery completion zsh)"                                 in ~/.zshrc, after compinit
  dquery completion fish > ~/.config/fish/conf.d/dwork.fish       once
"""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from dwork.cli.shell_completion import register, variable
from dwork.dquery._output import say_exactly

PROGRAMS = ("dwork", "dwork-pool", "dhub", "kworker", "dquery")


@click.command(help=__doc__)
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def command(shell: str) -> None:
    register()
    script = get_completion_class(shell)
    assert script is not None
    for program in PROGRAMS:
        say_exactly(script(click.Command(program), {}, program, variable(program)).source())
