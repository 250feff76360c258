"""The commands that change tasks; they differ only in the verb."""

from __future__ import annotations

import click

from dwork.core.messages import Verb
from dwork.core.text import counted
from dwork.dquery._completion import Completer
from dwork.dquery._output import say, say_json
from dwork.dquery._session import HubChoice, json_option, name


def control(verb: Verb, past: str, text: str, offered: Completer) -> click.Command:
    """Return the command for a verb.

    past: the verb's participle for the output, such as `cancelled`. offered: the completer for its tasks.
    """

    @click.command(help=text)
    @click.argument("tasks", metavar="TASK...", nargs=-1, required=True, type=name, shell_complete=offered)
    @json_option
    @click.pass_obj
    def command(session: HubChoice, tasks: tuple[str, ...], as_json: bool) -> None:
        with session.changing_client() as client:
            n = getattr(client, verb.value)(*tasks)
        if as_json:
            say_json({past: n})
        else:
            say(f"{past.capitalize()} {counted(n, 'task')}")

    return command
