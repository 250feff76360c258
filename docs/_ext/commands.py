"""A page for each program and each command of dquery, made of its --help: for browsers, and for man."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass

import click
from prose import inline

from dwork import dhub, kworker
from dwork.cli import verbs
from dwork.dquery._group import group
from dwork.pool import check_command
from dwork.pool import command as pool_command

SEE_ALSO = (
    "dwork(1)", "dwork-pool(1)", "dwork-check(1)", "dhub(1)", "kworker(1)", "dquery(1)", "dwork-tasks(5)"
)  # fmt: skip
#: The programs, by what users type.
PROGRAMS = {
    "dwork-pool": pool_command.command,
    "dwork check": check_command.command,
    "dhub": dhub.command,
    "kworker": kworker.command,
}


@dataclass(frozen=True)
class Page:
    """stem: its name, as dquery-show; about: the first sentence, without its point; text: reStructuredText."""

    stem: str
    about: str
    text: str


def pages() -> Iterator[Page]:
    """All of them, those of dquery's commands after its own."""
    yield program()
    for name, command in PROGRAMS.items():
        yield page(click.Context(command, info_name=name, **command.context_settings))
    of_dquery = click.Context(group, info_name="dquery")
    yield page(of_dquery)
    for name in group.list_commands(of_dquery):
        command = group.get_command(of_dquery, name)
        assert command is not None
        yield page(click.Context(command, info_name=name, parent=of_dquery, **command.context_settings))


def program() -> Page:
    """That of `dwork`, whose verbs have pages of their own: under the names that they had before, and have still."""
    names = {"pool": "dwork-pool", "check": "dwork-check", "hub": "dhub", "worker": "kworker"}
    lines = ["dwork", "=====", "", *_section("Synopsis", _literal(["dwork VERB [OPTIONS] [ARGUMENTS]"]))]
    lines += _section("Description", [inline(verbs.ABOUT), "", inline(" ".join(verbs.DETAILS))])
    for title, group_of_verbs in verbs.GROUPS.items():
        rows = [
            line
            for verb, text in group_of_verbs.items()
            for line in (
                f":doc:`{verb} <{names.get(verb, f'dquery-{verb}')}>`",
                f"   {inline(text)}",
                "",
            )
        ]
        lines += _section(title, rows)
    lines += _section("See also", [", ".join(map(_link, SEE_ALSO[1:]))])
    return Page("dwork", verbs.ABOUT.rstrip("."), "\n".join(lines) + "\n")


def page(ctx: click.Context) -> Page:
    """That of the command of this context."""
    command, name = ctx.command, ctx.command_path
    if ctx.parent is not None:
        name = f"{ctx.parent.command_path} {ctx.info_name}"  # without the parent's arguments
    prose, blocks = _parts(command.help or "")
    usage = " ".join([name, *command.collect_usage_pieces(ctx)])
    lines = [name, "=" * len(name), "", *_section("Synopsis", _literal([usage]))]
    lines += _section("Description", [line for text in prose for line in (inline(text), "")])
    lines += _section("Options", [f".. program:: {name}", "", *_options(ctx)])
    if isinstance(command, click.Group):
        lines += _section("Commands", _commands(ctx, command))
    for title, block in blocks:
        lines += _section(title, _literal(block))
    others = SEE_ALSO if ctx.parent is None else ("dquery(1)",)
    lines += _section(
        "See also", [", ".join(_link(other) for other in others if other != f"{name.replace(' ', '-')}(1)")]
    )
    return Page(name.replace(" ", "-"), prose[0].partition(". ")[0].rstrip("."), "\n".join(lines) + "\n")


def _parts(text: str) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """The paragraphs of prose, and those that click must not wrap, by their titles."""
    prose, blocks = [], []
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        mark, _, rest = paragraph.partition("\n")
        if mark == "\b":
            title, *lines = rest.splitlines()
            blocks.append((title.rstrip(":"), lines))
        else:
            prose.append(paragraph)
    return prose, blocks


def _section(title: str, lines: list[str]) -> list[str]:
    return [title, "-" * len(title), "", *lines, ""]


def _literal(lines: list[str]) -> list[str]:
    return [".. code-block:: text", "", *(f"   {line.removeprefix('  ')}" for line in lines)]


def _options(ctx: click.Context) -> Iterator[str]:
    for parameter in ctx.command.get_params(ctx):
        record = parameter.get_help_record(ctx)
        if record is not None and isinstance(parameter, click.Option):
            names, text = record
            yield from (f".. option:: {names.replace(' / ', ', ')}", "", f"   {inline(text)}", "")


def _commands(ctx: click.Context, command: click.Group) -> Iterator[str]:
    for name in command.list_commands(ctx):
        found = command.get_command(ctx, name)
        assert found is not None
        yield from (_link(f"dquery-{name}(1)"), f"   {inline((found.help or '').partition(chr(10) * 2)[0])}", "")


def _link(page: str) -> str:
    stem = page.partition("(")[0]
    return f":doc:`{page} <{'/taskfile' if stem == 'dwork-tasks' else stem}>`"
