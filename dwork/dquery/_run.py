"""One run of dquery: every failure becomes a DworkError whose text is one printable line."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from dwork.cli.program import prepare_completion
from dwork.core.errors import DworkError, UsageError
from dwork.core.text import shown
from dwork.dquery._group import group
from dwork.dquery._output import abandon_output, prepare_output


def run(arguments: Sequence[str] | None, program: str) -> int:
    """Run the command line and return its exit status."""
    prepare_output()
    prepare_completion(program)
    try:
        status = group.main(arguments, prog_name=program, standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()  # here, where it may fail
        return int(status or 0)
    except click.UsageError as error:
        text = " ".join(error.format_message().split()).rstrip(".")
        command = error.ctx.command_path if error.ctx else program
        raise UsageError(_line(f"{text}; see {command} -h")) from None
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


def _line(text: str) -> str:
    return shown(text, sys.maxsize)
