"""Which run is meant: the one that is named, the only known one, or the only one of this directory."""

from __future__ import annotations

import os
import time

from dwork.connection.address import server_address
from dwork.connection.directory import all_files, beside, directory, ended, withdraw
from dwork.connection.file import Connection, read
from dwork.connection.reach import refuses
from dwork.core.errors import UsageError
from dwork.core.text import counted, printable, shown, to_system
from dwork.host.batch_job import are_meant

#: The path of a connection file, and its content.
_Run = tuple[str, Connection]


class NoRun(UsageError):
    """No run that fits is known. place: the directory where it was searched; empty: a run at an address."""

    place = ""


def choose(
    server: str | None = None, file: str | Connection | None = None, job: str | None = None, *, insecure: bool = False
) -> Connection:
    """Find the run given by its address, file or job, by $DWORK_CONNECTION or $DWORK_SERVER, or the only known run.

    file: the path of a connection file, or its content.
    insecure, or $DWORK_INSECURE: the address is that of a hub without keys; by default one on this machine.
    UsageError when no run is found, or several are.
    """
    insecure = insecure or bool(os.environ.get("DWORK_INSECURE"))
    given = {"-s": server, "--connection": file, "--job": job}
    named = [name for name, value in given.items() if value is not None]
    if len(named) > 1:
        raise UsageError(f"{' and '.join(named)} contradict each other; drop one")
    if not named:
        file = os.environ.get("DWORK_CONNECTION") or None
        server = None if file else os.environ.get("DWORK_SERVER") or None
    if file is not None:
        return file if isinstance(file, Connection) else _of_path(file)
    if insecure:
        return Connection((server_address(server),))
    if server is None:
        return find(job)
    address = server_address(server)
    found = with_address(address)
    if found is None:
        raise NoRun(
            f"no run is known at {address}; specify its connection file with --connection FILE, "
            "or add --insecure if the hub has no keys"
        )
    return found


def _of_path(file: str) -> Connection:
    try:
        return read(file)
    except UsageError as error:
        if file == "-" or os.path.lexists(file):
            raise
        raise _no_run(str(error), os.path.dirname(file)) from None


def _no_run(text: str, place: str) -> NoRun:
    error = NoRun(text)
    error.place = place
    return error


def last_ended(server: str | None = None, file: str | None = None, job: str | None = None) -> Connection | None:
    """Return the last run that has ended among those so named, without a name among those of this directory."""
    if file is not None:
        fits = ended(file)
    elif job is not None:
        fits = [run for run in ended() if any(are_meant(job, run.job, run.element))]
    elif server is not None:
        fits = [run for run in ended() if server_address(server) in run.addresses]
    else:
        fits = list(filter(is_here, ended()))
    return fits[0] if fits else None


def find(job: str | None = None) -> Connection:
    """Return the only known run, or the only one of this directory, or the run of a batch job.

    UsageError, which lists the known runs, when there is none (NoRun) or more than one. Files of runs on this machine
    that have ended are removed. Of several runs those are left out whose hosts refuse a connection; their files stay,
    since a firewall may be what refuses.
    """
    found, gone = [], 0
    for path, connection in _usable():
        if connection.is_gone or (connection.may_be_gone and refuses(connection)):
            withdraw(path)
            gone += 1
        else:
            found.append((path, connection))
    found = _without_the_dead(found)
    chosen = found if job is None else _of_job(found, job)
    for keep in (_is_any, is_here, _listens):
        fits = [entry for entry in chosen if keep(entry[1])]
        if len(fits) == 1:
            return fits[0][1]
    if chosen:
        raise UsageError(f"there are several runs; choose one with --connection FILE: {'; '.join(map(_line, chosen))}")
    raise _none(job, found, gone)


def _none(job: str | None, found: list[_Run], gone: int) -> NoRun:
    what = f"no run of job {shown(job)}" if job is not None else "no run"
    also = f" (removed the files of {counted(gone, 'run')} that had ended)" if gone else ""
    others = f"; known runs: {'; '.join(map(_line, found))}" if found else ""
    return _no_run(
        f"{what} is known in {shown(directory())}{also}{others}; specify its connection file with --connection FILE, "
        "or the address of a hub without keys with -s ADDRESS --insecure",
        directory(),
    )


def _is_any(_connection: Connection) -> bool:
    return True


def is_here(connection: Connection) -> bool:
    """Whether a run was started in the working directory, or has its task file or its record there."""
    here = os.path.realpath(".")
    files = [to_system(path) for path in (connection.tasks, connection.record) if path.startswith("/")]
    places = [*map(os.path.dirname, files), *([to_system(connection.directory)] if connection.directory else [])]
    return here in map(os.path.realpath, places)


def _listens(connection: Connection) -> bool:
    return not refuses(connection)


def _usable() -> list[_Run]:
    """Return all connection files; UsageError when one cannot be used."""
    found = []
    for path, connection in all_files():
        if isinstance(connection, UsageError):
            raise connection
        found.append((path, connection))
    return found


def known() -> dict[str, Connection | UsageError]:
    """Return the runs that have not ended, by the path of their files; for an unusable file, the error."""
    return {path: it for path, it in all_files() if isinstance(it, UsageError) or not it.is_gone}


def _known() -> list[_Run]:
    return [(path, it) for path, it in known().items() if isinstance(it, Connection)]


def of_file(path: str) -> Connection | None:
    """Return the run whose record or task file this is; None when no such run is known."""
    wanted = os.path.realpath(path)
    runs = [connection for _, connection in _known()]
    for file in map(beside, (path, f"{path}.db")):
        if os.path.exists(file):
            runs.append(read(file))
    for each in runs:
        if wanted in [os.path.realpath(to_system(file)) for file in (each.record, each.tasks) if file]:
            return each
    return None


def successor(of: Connection, after: float) -> str | None:
    """Return the file of the latest run that continues this one: started after that time, same tasks or address."""
    found = {
        path: it
        for path, it in _known()
        if it.started > after and ((it.tasks and it.tasks == of.tasks) or set(it.addresses) & set(of.addresses))
    }
    return max(found, key=lambda path: found[path].started) if found else None


def with_address(address: str) -> Connection | None:
    """Return the run whose connection file has this address, tcp://HOST:PORT; None when there is none."""
    return next((it for _, it in _usable() if address in it.addresses and not it.is_gone), None)


def is_only(path: str) -> bool:
    """Whether no other run than that of this file is known."""
    return [os.path.basename(each) for each in known()] == [os.path.basename(path)]


def _without_the_dead(found: list[_Run]) -> list[_Run]:
    """Keep only the last run of a job that was started again, since the node of the earlier one has died."""
    last: dict[object, float] = {}
    for path, c in found:
        which = (c.job, c.tasks) if c.job else path
        last[which] = max(last.get(which, c.started), c.started)
    return [(path, c) for path, c in found if c.started == last[(c.job, c.tasks) if c.job else path]]


def _of_job(found: list[_Run], text: str) -> list[_Run]:
    """Return the runs of this job; if there are none, those of its array elements."""
    meant = [(entry, are_meant(text, entry[1].job, entry[1].element)) for entry in found]
    return [entry for entry, (it, _) in meant if it] or [entry for entry, (_, array) in meant if array]


def _line(found: _Run) -> str:
    path, connection = found
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(connection.started))
    return f"{printable(path)} ({described(connection)}, since {when})"


def described(connection: Connection) -> str:
    """Return what a person knows a run by: its task file, host and job."""
    job = f", job {shown(connection.element or connection.job)}" if connection.job else ""
    return f"{shown(connection.tasks)} on {shown(connection.host)}{job}"
