"""What the user wrote runs and comes back byte for byte, whatever the locale; so does a record that moves to another.

The locales are C without Python's UTF-8 mode (where Python knows only ASCII), one of ISO-8859-1, and C.UTF-8.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from dwork.core.text import user_bytes, user_text
from tests.conftest import environment
from tests.needs import missing
from tests.ports import free_port

ASCII, LATIN, UTF8 = "C", "de_DE.ISO-8859-1", "C.UTF-8"
LOCALES = (ASCII, LATIN, UTF8)
CODECS = {ASCII: "ascii", LATIN: "iso-8859-1", UTF8: "utf-8"}
#: Text in UTF-8, a byte that is not, and a character that ISO-8859-1 lacks.
ODD = "ü€".encode() + b"\xff\xe9"


@pytest.fixture(scope="module")
def locales(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the locale LATIN."""
    if shutil.which("localedef") is None or not os.path.exists("/usr/share/i18n/charmaps/ISO-8859-1.gz"):
        missing("locales")
    place = tmp_path_factory.mktemp("locales")
    built = subprocess.run(["localedef", "-i", "de_DE", "-f", "ISO-8859-1", place / LATIN], capture_output=True)
    assert (place / LATIN / "LC_CTYPE").exists(), built.stderr
    return place


class Place:
    """A directory with an odd name, in which programs run."""

    def __init__(self, directory: Path, locales: Path) -> None:
        self.path = os.path.join(os.fsencode(directory), b"place-" + ODD)
        os.mkdir(self.path)
        self._variables = {
            **{user_bytes(name): user_bytes(value) for name, value in environment().items()},
            b"DWORK_DIR": os.path.join(self.path, b".dwork-" + ODD),
            b"LOCPATH": os.fsencode(locales),
            b"PYTHONUTF8": b"0",
            b"PYTHONCOERCECLOCALE": b"0",
            b"KEPT_" + ODD: b"kept-" + ODD,
            b"GONE_" + ODD: b"gone",
        }
        self._started: list[subprocess.Popen[bytes]] = []

    def write(self, name: bytes, data: bytes) -> None:
        with open(os.path.join(self.path, name), "wb") as file:
            file.write(data)

    def read(self, name: bytes) -> bytes:
        with open(os.path.join(self.path, name), "rb") as file:
            return file.read()

    def start(
        self, locale: str, program: str, *words: bytes | str, under: Sequence[str] = ()
    ) -> subprocess.Popen[bytes]:
        command = [*under, sys.executable, "-m", f"dwork.{program}", *words]
        process = subprocess.Popen(
            command,
            cwd=self.path,
            env={**self._variables, b"LC_ALL": user_bytes(locale)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def run(self, locale: str, program: str, *words: bytes | str, code: int = 0, under: Sequence[str] = ()) -> bytes:
        """Run a program to its end and return its output. under: a launcher."""
        process = self.start(locale, program, *words, under=under)
        out, err = process.communicate(timeout=60)
        print(f"{program} in {locale}: exit code {process.returncode}; standard error: {err!r}")
        assert process.returncode == code, err
        own = [line for line in err.split(b"\n") if line.startswith((b"dwork:", b"dhub:", b"kworker:", b"dquery:"))]
        assert all(line.decode(CODECS[locale]).isprintable() for line in own), err
        return out

    def close(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()


@pytest.fixture
def place(tmp_path: Path, locales: Path) -> Iterator[Place]:
    place = Place(tmp_path, locales)
    yield place
    place.close()


LINE = b"printf '[%s]' '" + ODD + b"'"
#: Prints its second argument, the end of its working directory, and variables; exits with its first argument.
SCRIPT = b"""import os, sys
argument = os.fsencode(sys.argv[2])
names = [b"V", *(start + argument for start in (b"V_", b"KEPT_", b"RUN_", b"GONE_"))]
directory = os.getcwdb().rpartition(b"/")[2]
sys.stdout.buffer.write(b" ".join([argument, directory, *map(os.environb.get, names, [b"-"] * 5)]))
sys.exit(int(sys.argv[1]))"""
PROGRAM = (os.fsencode(sys.executable), b"-I", b"-c", SCRIPT, b"0", ODD)
#: By a line, for which a shell is between, which drops variables with such names.
PRINTED = b"%s dir-%s value-%s - - - -" % (ODD, ODD, ODD)
PRINTED_THERE = b"%s dir-%s value-%s - kept-%s run-%s -" % (ODD, ODD, ODD, ODD, ODD)
PRINTED_HERE = b"%s place-%s - value-%s kept-%s run-%s -" % (ODD, ODD, ODD, ODD, ODD)
RUN_OPTIONS = ("--env", b"RUN_" + ODD + b"=run-" + ODD, "--env-drop", b"GONE_" + ODD)


def of_jsonl(name: str, words: Sequence[bytes], variable: bytes = b"V", **more: bytes) -> bytes:
    command = [user_text(word) for word in words]
    env = {user_text(variable): user_text(b"value-" + ODD)}
    values = {"name": name, "command": command, "env": env, **{key: user_text(text) for key, text in more.items()}}
    return user_bytes(json.dumps(values) + "\n")


@pytest.mark.parametrize(("first", "second"), [(ASCII, LATIN), (LATIN, UTF8), (UTF8, ASCII)])
def test_a_pool_runs_the_bytes_of_its_files_and_gives_them_back(place: Place, first: str, second: str) -> None:
    lines, objects, record, log = b"a-%s.txt" % ODD, b"b-%s.jsonl" % ODD, b"r-%s.db" % ODD, b"log-" + ODD
    os.mkdir(os.path.join(place.path, b"dir-" + ODD))
    place.write(lines, LINE + b" #DWORK name=line\n" + LINE + b"; pwd #DWORK name=pwd cwd='dir-%s'\n" % ODD)
    here = of_jsonl("here", PROGRAM, b"V_" + ODD)
    there = of_jsonl("there", PROGRAM, cwd=b"dir-" + ODD)
    failing = of_jsonl("failing", (*PROGRAM[:-2], b"3", ODD), b"V_" + ODD)
    absent = of_jsonl("absent", [b"no-such-" + ODD], cwd=b"dir-" + ODD)
    nowhere = of_jsonl("nowhere", PROGRAM, cwd=b"no-such-" + ODD)
    place.write(objects, here + there + failing + absent + nowhere)
    words = ("-f", record, "--joblog", log, *RUN_OPTIONS, lines, objects)
    out = place.run(first, "pool", *words, code=1)
    for expected in (b"[%s]%s/dir-%s\n" % (ODD, place.path, ODD), PRINTED_THERE, PRINTED_HERE):
        assert expected in out
    assert place.read(log).count(LINE) == 2
    again = place.run(second, "pool", *words, code=1)
    assert b"[%s]%s/dir" % (ODD, place.path) not in again  # only those that failed run again
    assert len(place.read(log).splitlines()) == 1 + 7 + 3

    logs = os.listdir(os.path.join(place.path, b"r-%s.logs" % ODD))
    assert any(PRINTED_THERE in place.read(b"r-%s.logs/%s" % (ODD, each)) for each in logs)
    assert place.run(second, "dquery", "log", "pwd", "-f", record) == b"[%s]%s/dir-%s\n" % (ODD, place.path, ODD)
    assert place.run(second, "dquery", "log", "there", "-f", record) == PRINTED_THERE
    row = shown(place, second, "there", record)
    assert tuple(map(user_bytes, row["arguments"])) == PROGRAM
    assert user_bytes(row["options"]["cwd"]) == b"dir-" + ODD
    (variable,) = shown(place, second, "here", record)["options"]["env"]
    assert tuple(map(user_bytes, variable)) == (b"V_" + ODD, b"value-" + ODD)
    assert user_bytes(shown(place, second, "line", record)["command"]) == LINE
    for task in ("absent", "nowhere"):
        place.run(second, "dquery", "show", task, "-f", record)
    rest = place.run(second, "dquery", "rest", "--json", "-f", record)
    assert [json.loads(line) for line in rest.splitlines()] == [json.loads(line) for line in (failing, absent, nowhere)]
    place.run(second, "dquery", "list", "-f", record)
    place.run(second, "dquery", "trace", "-f", record)


def shown(place: Place, locale: str, task: str, record: bytes) -> Any:
    return json.loads(place.run(locale, "dquery", "show", "--json", task, "-f", record))


@pytest.mark.parametrize("locale", LOCALES)
def test_what_is_left_of_a_run_is_written_as_lines_byte_for_byte(place: Place, locale: str) -> None:
    line = b"false '" + ODD + b"' #DWORK cwd='dir-%s'" % ODD
    place.write(b"tasks.txt", line + b"\n")
    place.run(locale, "pool", "tasks.txt", code=1)
    rest = place.run(locale, "dquery", "rest", "-f", "tasks.txt.db")
    assert rest.splitlines()[-1] == line


@pytest.mark.parametrize("locale", LOCALES)
def test_a_rank_runs_the_bytes_of_a_file(place: Place, locale: str, mpirun: list[str]) -> None:
    place.write(b"tasks.jsonl", of_jsonl("here", PROGRAM, b"V_" + ODD))
    out = place.run(locale, "pool", "--no-record", *RUN_OPTIONS, "tasks.jsonl", under=(*mpirun, "-n", "2"))
    assert out == PRINTED_HERE


@pytest.mark.parametrize("locale", LOCALES)
def test_tasks_of_dquery_run_at_a_kworker_byte_for_byte(place: Place, locale: str) -> None:
    """Each of hub, dquery and worker in another locale."""
    first, second, third = (LOCALES[(LOCALES.index(locale) + i) % 3] for i in range(3))
    os.mkdir(os.path.join(place.path, b"dir-" + ODD))
    place.write(b"more-%s.txt" % ODD, LINE + b" #DWORK name=added\n")
    hub = place.start(first, "dhub", "-p", str(free_port()), "-f", b"r-%s.db" % ODD, *RUN_OPTIONS)
    assert hub.stderr is not None and b"listening" in hub.stderr.readline()
    command = b" ".join(b"'" + word + b"'" for word in PROGRAM)
    env = b"V=value-" + ODD
    place.run(second, "dquery", "create", ODD, "--command", command, "--cwd", b"dir-" + ODD, "--env", env)
    place.run(second, "dquery", "create", LINE)
    place.run(second, "dquery", "addfile", "--format", "lines", b"more-%s.txt" % ODD)
    place.run(third, "kworker")
    assert place.run(first, "dquery", "log", ODD) == PRINTED
    assert place.run(first, "dquery", "log", LINE) == b"[%s]" % ODD
    assert place.run(first, "dquery", "log", "added") == b"[%s]" % ODD
    assert b"done" in place.run(first, "dquery", "lookup", ODD)
