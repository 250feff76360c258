"""The command `dwork check`: dwork-pool with --check, whose help shows only the options that matter for it.

It accepts all options of the pool, so that only one word of a command line must change.
"""

from __future__ import annotations

from copy import copy
from functools import partial
from typing import Final, NoReturn

import click

from dwork.cli.program import ExitCode, click_main, hold_streams, leave
from dwork.pool.command import PROGRAM, Given
from dwork.pool.command import command as pool
from dwork.transport import mpi

#: The parameters in the help, and where it differs, what it says about them.
_SHOWN: Final = {
    "files": "",
    "form": "",
    "shell": "",
    "setup": "",
    "unknown_pred": "",
    "record": "Compare with the record in FILE.  [default: the first task file's name plus .db]",
    "no_record": "Compare with no record.",
    "fresh": "Assume that the run starts over.",
    "variables": "",
    "env_keep": "",
    "env_drop": "",
    "quiet": "Print only errors.",
    "version": "",
}
_HELP: Final = """Check task files without running anything: all mistakes, what would run, and why.

    Nothing is written, and no MPI is needed. All mistakes in FILEs are printed on stderr, each with its file and line,
    and what to do. If there are none, the number of tasks, the longest chain of dependencies, the most tasks that can
    run at the same time and the largest requests are printed, and what dwork handles differently from what the files
    ask for. If there is a record, a run is compared with it: what is done and would not run, and why the rest would.
    Other options of `dwork pool` are accepted, too.

    \b
    Examples:
      dwork check tasks.txt                   before the first run, or a rerun
      dwork check --format disbatch tasks     a file of another system
      dwork check -q *.txt && sbatch job.sh   submit only what has no mistakes
      dwork check --json tasks.txt            for editors and programs

    \b
    Exit code:
      0  the files have no mistakes, and a record can be continued
      2  bad usage or input
    """


def _parameter(own: click.Parameter) -> click.Parameter:
    """Return a parameter of the pool as the check has it."""
    parameter = copy(own)
    if isinstance(parameter, click.Option):
        parameter.hidden = own.name not in _SHOWN
        parameter.help = _SHOWN.get(own.name or "") or parameter.help
    return parameter


_JSON: Final = click.Option(["--json", "as_json"], is_flag=True, help="Print all of it as one JSON object on stdout.")

assert pool.callback is not None
command = click.Command(
    "check",
    context_settings=pool.context_settings,
    params=[*(_parameter(own) for own in pool.params if own.name not in ("is_check", "doctor")), _JSON],
    callback=partial(pool.callback, is_check=True),
    help=_HELP,
)


def main(typed: str) -> NoReturn:
    """Run the verb. typed: the command that users type to start it."""
    if mpi.rank_hint() not in (None, 0):  # rank 0 prints the answer
        leave(ExitCode.DONE)
    hold_streams()
    leave(click_main(PROGRAM, command, Given(None, None, typed), typed=typed))
