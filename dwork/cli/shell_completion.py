"""Shell completions beyond the options and choices that click knows: files, directories, batch jobs.

The shell's completion function sets a variable such as _DQUERY_COMPLETE, which makes click print completions. In bash
that function is ours: bash splits words at `:` and `=`, which are common in names of tasks and workers, and inserts
completions as they are, so blanks must be escaped. (zsh and fish handle both themselves.)
"""

from __future__ import annotations

import os
import re
from typing import Final

from click import Context, Parameter
from click.shell_completion import BashComplete, CompletionItem, add_completion_class, split_arg_string

from dwork.core.errors import UsageError

#: Characters at which bash splits words.
_SEPARATORS: Final = ":="
_SPECIAL: Final = re.compile(r"([^\w@%+,./:=#-])|^(#)")


def files(_ctx: Context, _parameter: Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell complete a file name."""
    return [CompletionItem(incomplete, type="file")]


def directories(_ctx: Context, _parameter: Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell complete a directory name."""
    return [CompletionItem(incomplete, type="dir")]


def jobs(_ctx: Context, _parameter: Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the batch jobs whose runs are known, with their task files."""
    from dwork.connection.choice import known
    from dwork.connection.file import Connection

    try:
        runs = [run for run in known().values() if isinstance(run, Connection) and run.job]
    except UsageError:
        return []
    found = {run.element or run.job: run.tasks for run in runs}
    return [CompletionItem(job, help=tasks) for job, tasks in found.items() if job.startswith(incomplete)]


def variable(program: str) -> str:
    """Return the name of the environment variable by which a shell requests completions from the program."""
    return f"_{program}_COMPLETE".replace("-", "_").upper()


def register() -> None:
    """Make click use our completion for bash."""
    add_completion_class(Bash)


class Bash(BashComplete):
    """Reads the line up to the cursor, and prints what should follow the last separator of bash."""

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
        words = split_arg_string(f"{line}.")  # so that there is a last word even if it is empty
        self._incomplete = words[-1][:-1]
        self._is_quoted = _opening_quote(line) != ""
        return words[1:-1], self._incomplete

    def format_completion(self, item: CompletionItem) -> str:
        value = item.value
        if item.type == "plain" and not self._is_quoted:
            cut = 1 + max(self._incomplete.rfind(mark) for mark in _SEPARATORS)
            if value.startswith(self._incomplete[:cut]):
                value = value[cut:]
            value = _SPECIAL.sub(r"\\\1\2", value)
        return f"{item.type},{value}"


def _opening_quote(line: str) -> str:
    """Return the quote that is still open at the end of the line, or an empty string."""
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
