"""One run of dquery: every failure becomes a DworkError whose text is one printable line."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence

import click

from dwork.cli.program import prepare_completion
from dwork.core.errors import DworkError, UsageError
from dwork.core.text import shown
from dwork.dquery._group import group
from dwork.dquery._output import abandon_output, prepare_output
from dwork.dquery._source import no_record, reads_records


def run(arguments: Sequence[str] | None, program: str) -> int:
    """Run the command line and return its exit status."""
    prepare_output()
    prepare_completion(program)
    try:
        status = group.main(arguments, prog_name=program, standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()  # here, where it may fail
        return int(status or 0)
    except click.NoSuchOption as error:
        if error.option_name == "-f" and error.ctx is not None:
            raise UsageError(_line(no_record(error.ctx.info_name))) from None
        where = _belongs_to(error, sys.argv[1:] if arguments is None else arguments)
        text = f"{program} itself has no option {error.option_name}; {where}" if where else error.format_message()
        raise UsageError(_line(f"{text.rstrip('.')}; see {_path(error, program)} -h")) from None
    except click.UsageError as error:
        text = " ".join(error.format_message().split()).rstrip(".")
        if file := _record_without_option(error, sys.argv[1:] if arguments is None else arguments):
            text += f"; to read a record, write -f {shlex.quote(file)}"
        raise UsageError(_line(f"{text}; see {_path(error, program)} -h")) from None
    except DworkError as error:
        error.args = (_line(str(error)),)
        raise
    except BrokenPipeError:
        raise
    except OSError as error:
        abandon_output()
        raise DworkError(_line(f"{error.filename or 'the output cannot be written'}: {error.strerror}")) from None
    except UnicodeEncodeError:
        raise DworkError("the character set of your locale cannot encode the output; set LC_ALL=C.UTF-8") from None


def _path(error: click.UsageError, program: str) -> str:
    return error.ctx.command_path if error.ctx else program


def _record_without_option(error: click.UsageError, arguments: Sequence[str]) -> str:
    """Return the record that was given without -f, itself or by its task file, or an empty text."""
    if error.ctx is None or "-f" in arguments or not reads_records(error.ctx.command):
        return ""
    beside = (file if file.endswith(".db") else f"{file}.db" for file in arguments)
    return next((file for file in beside if os.path.isfile(file)), "")


def _belongs_to(error: click.NoSuchOption, arguments: Sequence[str]) -> str:
    """Return where to write an option of a command that stands before its name, or an empty text."""
    if error.ctx is None or error.ctx.parent is not None:
        return ""
    for name in arguments:
        command = group.get_command(error.ctx, name)
        if command is not None and any(error.option_name in parameter.opts for parameter in command.params):
            return f"write it after {name}"
    return ""


def _line(text: str) -> str:
    return shown(text, sys.maxsize)
