"""What a shell offers on TAB, beside the options and choices that click knows: files, directories, batch jobs.

click asks for the words of a program when a variable such as _DQUERY_COMPLETE is set, which the shell's own function
does. In bash that function is ours: bash cuts words at `:` and `=`, of which names of tasks and workers are full, and
inserts what it is given as it is, so blanks must be escaped. (zsh and fish see to both by themselves.)
"""

from __future__ import annotations

import os
import re
from typing import Final

from click import Context, Parameter
from click.shell_completion import BashComplete, CompletionItem, add_completion_class, split_arg_string

from dwork.core.errors import UsageError

#: Is cut there by bash.
_CUT: Final = ":="
_SPECIAL: Final = re.compile(r"([^\w@%+,./:=#-])|^(#)")


def files(_ctx: Context, _parameter: Parameter, incomplete: str) -> list[CompletionItem]:
    """The shell completes the name of a file."""
    return [CompletionItem(incomplete, type="file")]


def directories(_ctx: Context, _parameter: Parameter, incomplete: str) -> list[CompletionItem]:
    """The shell completes the name of a directory."""
    return [CompletionItem(incomplete, type="dir")]


def jobs(_ctx: Context, _parameter: Parameter, incomplete: str) -> list[CompletionItem]:
    """Batch jobs whose runs are known, with their task files."""
    from dwork.connection.file import Connection, known

    try:
        runs = [run for run in known().values() if isinstance(run, Connection) and run.job]
    except UsageError:
        return []
    found = {run.element or run.job: run.tasks for run in runs}
    return [CompletionItem(job, help=tasks) for job, tasks in found.items() if job.startswith(incomplete)]


def variable(program: str) -> str:
    """By which a shell tells the program that it asks."""
    return f"_{program}_COMPLETE".replace("-", "_").upper()


def register() -> None:
    """From now on click speaks to bash in our way."""
    add_completion_class(Bash)


class Bash(BashComplete):
    """Gets the line up to the cursor, and answers with what is to stand after bash's last cut."""

    source_template = """\
%(complete_func)s() {
    local kind value
    COMPREPLY=()
    while IFS=, read -r kind value; do
        case $kind in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain) COMPREPLY+=("$value") ;;
        esac
    done < <(COMP_LINE="${COMP_LINE:0:COMP_POINT}" %(complete_var)s=bash_complete "$1" 2> /dev/null)
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ["COMP_LINE"]
        words = split_arg_string(f"{line}.")  # so that the last word is there, also when nothing of it is
        self._incomplete = words[-1][:-1]
        self._is_quoted = _opening_quote(line) != ""
        return words[1:-1], self._incomplete

    def format_completion(self, item: CompletionItem) -> str:
        value = item.value
        if item.type == "plain" and not self._is_quoted:
            cut = 1 + max(self._incomplete.rfind(mark) for mark in _CUT)
            if value.startswith(self._incomplete[:cut]):
                value = value[cut:]
            value = _SPECIAL.sub(r"\\\1\2", value)
        return f"{item.type},{value}"


def _opening_quote(line: str) -> str:
    """The quote that is open at its end, or nothing."""
    quote, escaped = "", False
    for character in line:
        if escaped:
            escaped = False
        elif character == "\\" and quote != "'":
            escaped = True
        elif character == quote:
            quote = ""
        elif character in "'\"" and not quote:
            quote = character
    return quote
