"""Add all tasks in a file; - is standard input.

The extension selects the format, unless --format is given: .txt is lines, .jsonl is jsonl, .dag is dag, .toml is
HyperQueue, and anything else is csv as for the original dquery: NAME,DEP,DEP,... A file with an error is rejected as a
whole. Tasks that already exist with the same definition are left unchanged, and counted.

\b
Examples:
  dquery addfile more.txt
  sh tasks.sh | dquery addfile --format lines -
  dquery addfile --format greasy study.txt
"""

from __future__ import annotations

import sys

import click

from dwork.cli.shell_completion import files
from dwork.core.text import from_system
from dwork.dquery._output import note, say, say_json
from dwork.dquery._session import HubChoice, json_option

FORMATS = ("lines", "csv", "jsonl", "dag", "disbatch", "greasy", "hyperqueue", "hq", "launcher", "pylauncher")


def _read(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read()
    with open(file, "rb") as stream:
        return stream.read()


@click.command(help=__doc__)
@click.argument("file", shell_complete=files)
@click.option("--format", "form", type=click.Choice(FORMATS), help="The format of the file.")
@json_option
@click.pass_obj
def command(session: HubChoice, file: str, form: str | None, as_json: bool) -> None:
    from dwork import taskfile
    from dwork.host import shell

    source = taskfile.Source(from_system(file), _read(file), form or taskfile.format_of(file, "csv"))
    tasks = taskfile.parse([source], known=None, tell=lambda text: note(f"dquery: {text}"), bash=shell.is_bash())
    n = sum(task.command is not None for task in tasks)
    with session.client() as client:
        client.create_all(tasks)
    if as_json:
        say_json({"created": n})
    else:
        say(f"Created {n} task{'s' * (n != 1)}")
