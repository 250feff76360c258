"""The command line of a pool, which rank 0 parses, and the dismissal of the other ranks at the end."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import click

from dwork import taskfile
from dwork.cli.load_tasks import load
from dwork.cli.options import (
    MIN_TIME,
    SLOTS,
    endpoint_options,
    execution_options,
    gpus_option,
    job_end_options,
    max_output_option,
    policy_options,
    smt_option,
)
from dwork.cli.program import ExitCode, click_main, guarded, leave, say
from dwork.cli.shell_completion import directories, files
from dwork.cli.shell_option import shell_options
from dwork.connection.endpoint import Endpoint
from dwork.core.errors import UsageError
from dwork.core.min_time import UNKNOWN
from dwork.core.text import from_system
from dwork.core.version import __version__
from dwork.host import launcher, signals
from dwork.hub.policy import Policy
from dwork.output.relay import Relay
from dwork.pool.job_end import check_times
from dwork.pool.next_steps import again
from dwork.pool.ranks import send_home
from dwork.pool.run import run, unwritten
from dwork.pool.settings import PoolSettings
from dwork.progress.choice import WAYS
from dwork.runner.job_environment import packed
from dwork.transport import mpi

if TYPE_CHECKING:
    from mpi4py import MPI

PROGRAM = "dwork"
#: Seconds to flush the output of a pool that is about to abort all ranks.
_LAST_FLUSH = 2.0


@dataclass
class Given:
    """What the command line starts from. trouble: why there are no ranks though there should be. typed: the program.

    unwritten: the message for a run whose tasks are all done, but whose output could not be written completely.
    """

    ranks: mpi.Mpi | None
    trouble: UsageError | None
    typed: str = "dwork-pool"
    relay: Relay = field(default_factory=Relay)
    unwritten: str = ""


def _doctor(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    """Run the doctor instead of the pool; like --help, it ignores the other options."""
    if wanted and not ctx.resilient_parsing:
        from dwork.doctor.visit import examine_ranks

        ctx.exit(examine_ranks(ctx.obj.ranks, ctx.obj.trouble))


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("files", nargs=-1, required=True, metavar="FILE...", shell_complete=files)
@click.option(
    "--format", "form", type=click.Choice(taskfile.FORMATS), help="Format of the files.  [default: by their extension]"
)
@shell_options
@policy_options
@click.option(
    "-f",
    "--file",
    "record",
    metavar="FILE",
    shell_complete=files,
    help="Record the run in FILE, and continue from it.  [default: the first task file's name plus .db]",
)
@click.option("--no-record", is_flag=True, help="Keep no record; a rerun starts from scratch.")
@click.option(
    "--fresh", is_flag=True, help="Start over; an earlier record and its logs are renamed, with .1 at the end."
)
@click.option(
    "--logs",
    metavar="DIRECTORY",
    shell_complete=directories,
    help="Store the output of tasks in DIRECTORY.  [default: the name of the record with .logs in place of .db]",
)
@click.option("--no-logs", is_flag=True, help="Do not store the output of tasks.")
@execution_options
@max_output_option
@click.option(
    "--joblog",
    metavar="FILE",
    shell_complete=files,
    help="Write one row per attempt, with GNU parallel's columns; - is stdout.",
)
@click.option("-k", "--keep-order", is_flag=True, help="Print the output of tasks in the order of the file.")
@click.option("-q", "--quiet", is_flag=True, help="Print only errors and the output of tasks.")
@click.option(
    "--progress",
    type=click.Choice(WAYS),
    default="auto",
    show_default=True,
    help="Show progress on stderr: as a bar, as plain lines now and then, or not at all; auto: a bar on a terminal, "
    "otherwise plain lines. Under mpirun, stderr is not a terminal, but --progress bar works.",
)
@click.option(
    "-p",
    "--port",
    type=click.IntRange(1, 65535),
    metavar="PORT",
    help="Port for dquery and kworker.  [default: 6125, or any free port]",
)
@endpoint_options
@click.option(
    "--slots",
    type=SLOTS,
    metavar="N|auto",
    help="Number of tasks that each rank runs at a time; auto: one per core it may use, which it shares with the other "
    "ranks of its node. Spare cores of rank 0 run tasks, too.  [default: 1; without mpirun, the cores of this machine]",
)
@gpus_option
@smt_option
@click.option(
    "--elastic",
    is_flag=True,
    help="Expect more workers to join: a task that requests more than any rank has waits for them.  "
    "[default: such a task is refused at the start]",
)
@job_end_options
@click.option(
    "--min-time",
    type=MIN_TIME,
    metavar="TIME|N%",
    default=UNKNOWN,
    help="Do not start a task when less than TIME is left of the job, unless the task sets `min-time`; "
    "N%: N percent of the mean run time so far.",
)
@click.option(
    "--transport",
    type=click.Choice(["mpi", "zmq"]),
    default="mpi",
    show_default=True,
    help="How ranks communicate; zmq uses MPI only to start, needs TCP between the nodes, and ranks never poll.",
)
@click.option("--no-bridge", is_flag=True, help="Do not listen for dquery and kworker.")
@click.option(
    "--doctor",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_doctor,
    help="Run nothing; report what the ranks see and what should be changed. Exit code 1 if anything should.",
)
@click.option(
    "--check",
    "--dry-run",
    "is_check",
    is_flag=True,
    help="Run and write nothing; print all mistakes in the files or, if there are none, what would run and why. Exit "
    "code 2 for mistakes.",
)
@click.version_option(__version__)
@click.pass_obj  # fmt: skip
def command(
    given: Given,
    /,
    files: tuple[str, ...],
    form: str | None,
    shell: tuple[str, ...],
    setup: str | None,
    is_check: bool,
    as_json: bool = False,
    **options: Any,
) -> int:
    """Run the tasks in FILEs: shell commands that may depend on one another, on every rank except the first.

    Without mpirun, or with one rank, they run on the cores of this machine. A FILE has one command per line, or is
    a .csv, .jsonl, .dag, or HyperQueue .toml file; with --format it can also be a task file of disBatch, GREASY,
    the TACC launcher or pylauncher. `-` is standard input. The output of a task is printed in one piece when the
    task ends; each line from a failed task is marked with its name. Ctrl-C lets running tasks finish; a second
    Ctrl-C ends them.

    \b
    Examples:
      mpirun -n 17 dwork-pool tasks.txt           16 workers, one task at a time each
      srun --ntasks-per-node 1 dwork-pool --slots auto tasks.txt    all cores of all nodes
      dwork-pool --retries 2 tasks.txt            this machine
      dquery status                               from another terminal: show the progress

    Results are recorded (in tasks.txt.db), so the same command, run again, continues where the pool stopped. Only tasks
    that succeeded count as done; tasks that were running when the pool was killed run again.

    \b
    Exit code:
      0  all tasks are done
      1  some tasks failed, were skipped or cancelled
      2  bad usage or input; nothing was run
      3  stopped before the end; run the same command again to continue
    """
    words = [from_system(word) for word in sys.argv[1:]]
    settings = _settings(files, again=again(given.typed, words, has_ranks=given.ranks is not None), **options)

    def tell(text: str) -> None:
        if not settings.quiet:
            say(PROGRAM, text)

    _refuse_commands(files, given.typed)
    if is_check:
        from dwork.pool.check import check

        return check(files, form, shell, setup, settings, as_json=as_json)
    known = None if settings.policy.unknown_is_done else ()
    tasks = load(files, form, known=known, tell=tell, shell=shell, setup=setup, execution=settings.execution)
    check_times(tasks, settings)
    if given.trouble is not None:
        raise given.trouble
    if not tasks:
        tell("there is nothing to do")
        return ExitCode.DONE
    given.unwritten = unwritten(settings.logs)
    return run(tasks, settings, given.ranks, given.relay)


def _settings(
    files: tuple[str, ...],
    *,
    policy: Policy,
    elastic: bool,
    bind: str | None,
    port: int | None,
    insecure: bool,
    no_bridge: bool,
    record: str | None,
    no_record: bool,
    logs: str | None,
    no_logs: bool,
    joblog: str | None,
    fresh: bool,
    quiet: bool,
    progress: str,
    transport: str,
    **others: Any,
) -> PoolSettings:
    """Return the settings that these options mean; UsageError when they contradict. others: named like their fields."""
    if no_bridge and port is not None:
        raise UsageError("--port and --no-bridge contradict each other; drop one")
    if transport == "zmq" and no_bridge:
        raise UsageError("--transport zmq and --no-bridge contradict each other; drop one")
    if quiet and progress in ("bar", "plain"):
        raise UsageError(f"--quiet and --progress {progress} contradict each other; drop one")
    file, directory = _places(files, record, no_record, logs, no_logs)
    if fresh and not file:
        raise UsageError("--fresh needs a record, but this run keeps none; drop --fresh")
    endpoint = Endpoint(
        bind=bind,
        port=port,
        insecure=insecure,
        public=not no_bridge,
        tasks=from_system(os.path.abspath(files[0])),
        record=from_system(file and os.path.abspath(file)),
    )
    return PoolSettings(
        policy=replace(policy, elastic=elastic),
        endpoint=endpoint,
        record=file,
        fresh=fresh,
        logs=directory,
        joblog=joblog or "",
        quiet=quiet,
        progress="none" if quiet else progress,
        transport=transport,
        **others,
    )


def _refuse_commands(files: tuple[str, ...], typed: str) -> None:
    """Raise UsageError for a command in place of a task file, as GNU parallel and xargs take it."""
    first = (files[0].split() or [""])[0]
    if not os.path.lexists(files[0]) and first and first != "-" and shutil.which(first):
        line = shlex.quote(" ".join(files))
        raise UsageError(
            f"{first} is a command, not a task file; write commands into a file, one per line, or pipe them in: "
            f"echo {line} | {typed} -"
        )


def _places(
    files: tuple[str, ...], record: str | None, no_record: bool, logs: str | None, no_logs: bool
) -> tuple[str, str]:
    """Return the file of the record and the directory of the logs; empty for those not wanted."""
    for one, other, given in (("-f", "--no-record", record), ("--logs", "--no-record", logs)):
        if given and no_record:
            raise UsageError(f"{one} and {other} contradict each other; drop one")
    if logs and no_logs:
        raise UsageError("--logs and --no-logs contradict each other; drop one")
    if no_record or (record is None and files[0] == "-"):
        return "", ""
    from dwork.record.opening import places

    return places(record or f"{files[0]}.db", logs, no_logs)


def main(world: MPI.Intracomm | None, trouble: UsageError | None, typed: str = "dwork-pool") -> None:
    """Run the command line. world: None without MPI. trouble: why MPI could not start, when it should have."""
    ranks = None if world is None else mpi.Mpi(world)
    if ranks is not None and launcher.forgets_environment(os.environ):
        ranks.share(packed(os.environb))
    given = Given(ranks, trouble, typed)

    def body() -> int:
        signals.interrupt()
        try:
            return click_main(PROGRAM, command, given, typed=typed)
        finally:
            given.relay.catch(signals.ENDS)

    code = guarded(PROGRAM, body)
    if ranks is not None:
        if code == ExitCode.BUG:
            given.relay.close(_LAST_FLUSH)
            ranks.abort(code)
        send_home(ranks)
    if given.relay.close() and code == ExitCode.DONE:  # flushing may have taken hours
        say(PROGRAM, given.unwritten)
        code = ExitCode.FAILED
    leave(code, at_once=ranks is not None and not ranks.is_whole)
