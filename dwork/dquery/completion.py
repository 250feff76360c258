"""Print what lets a shell complete the command lines of dwork's programs.

It goes where the shell reads its settings, as below. TAB then offers commands, options, their values, files, batch jobs
whose runs are known, and names of tasks and workers, for which hub or record is asked for half a second at the most.

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
    speaks = get_completion_class(shell)
    assert speaks is not None
    for program in PROGRAMS:
        say_exactly(speaks(click.Command(program), {}, program, variable(program)).source())
