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

from typing import Any

import click

from dwork.cli.shell_completion import files
from dwork.cli.shell_option import shell_options
from dwork.dquery._output import note, say, say_json
from dwork.dquery._session import HubChoice, json_option

FORMATS = ("lines", "csv", "jsonl", "dag", "disbatch", "greasy", "hyperqueue", "hq", "launcher", "pylauncher")


@click.command(help=__doc__)
@click.argument("file", shell_complete=files)
@click.option("--format", "form", type=click.Choice(FORMATS), help="The format of the file.")
@shell_options
@json_option
@click.pass_obj
def command(session: HubChoice, /, file: str, form: str | None, as_json: bool, **choice: Any) -> None:
    from dwork.cli.load_tasks import load
    from dwork.taskfile import format_of

    form = form or format_of(file, "csv")
    tasks = load([file], form, known=None, tell=lambda text: note(f"dquery: {text}"), **choice)
    n = sum(task.command is not None for task in tasks)
    with session.client() as client:
        client.create_all(tasks)
    if as_json:
        say_json({"created": n})
    else:
        say(f"Created {n} task{'s' * (n != 1)}")
