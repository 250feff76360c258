"""Every mistake is reported with file and line, with what to do, in one line."""

from __future__ import annotations

import pytest

from dwork.core.errors import TaskFileError
from dwork.core.shell_syntax.features import Dialect
from dwork.taskfile import AllProblems, Source, format_of, parse


def refusal(name: str, data: bytes, form: str) -> str:
    with pytest.raises(TaskFileError) as refused:
        parse([Source(name, data, form)])
    text = str(refused.value)
    assert text.isprintable()
    assert "; " in text, "it must say what to do"
    problems = AllProblems([name])
    assert parse([Source(name, data, form)], problems=problems) == []
    assert text in [line[: len(text)] for line in problems.lines()], "a check reports it, too"
    return text


LINES = [
    ("a\nb\0c\n", 2, "NUL byte", "remove it"),
    ("a\rb\r", 1, "end with bare carriage returns", "convert them with: tr"),
    ("a #DWORK cores", 1, 'option "cores" after #DWORK has no "="', "write key=value without spaces, such as"),
    ("a #DWORK timout=1h", 1, 'unknown key "timout"', "did you mean timeout?"),
    ("a #DWORK min_time=1h", 1, 'unknown key "min_time"', "did you mean min-time?"),
    ("a #DWORK cpus=2", 1, 'unknown key "cpus"', "did you mean cores?"),
    ("a #DWORK xyzzy=2", 1, 'unknown key "xyzzy"', "the keys are name, after, after-any, cores, memory"),
    ("a #DWORK =2", 1, 'unknown key ""', "the keys are"),
    ("a #DWORK cores=2 cores=2", 1, "cores= is given twice", "keep one"),
    ("a #DWORK name='b", 1, "cannot be split into shell words", "close every quote"),
    ("a #DWORK cores=2 \\\nb", 1, "cannot be split", "a backslash does not continue a comment"),
    ("\n#DWORK barrier x", 2, '"barrier" is not an option', 'write "#DWORK barrier" on its own line'),
    ("a #DWORK barrier", 1, '"barrier" is not an option', 'write "#DWORK barrier" on its own line'),
    ("#DWORK barier", 1, '"barier"', "write key=value without spaces, such as"),
    ("a\n  #DWORK name=x", 2, "name= needs a command", "sets defaults"),
    ("#DWORK cores=0", 1, "cores: out of range", "from 1 to 2147483647"),
    ("a #DWORK cores=2.5", 1, 'cores: "2.5" is not a whole number', "cores=2"),
    ("a #DWORK gpus=-1", 1, "gpus: out of range", "from 0"),
    ("a #DWORK retries=x", 1, 'retries: "x"', "retries=2"),
    ("a #DWORK priority=99999999999", 1, "priority: out of range", "from -2147483648"),
    ("a #DWORK timeout=0", 1, "timeout: 0 would stop the task at once", "or remove this option"),
    ("a #DWORK timeout=soon", 1, 'timeout: "soon" is not a duration', "write 90, 90s, 5m"),
    ("a #DWORK warn=5m", 1, 'warn: "5m" is not a signal and a time', "write USR1@5m"),
    ("a #DWORK warn=KILL@5m", 1, 'no program can catch "KILL"', "write USR1@5m"),
    ("a #DWORK warn=USR1@0", 1, "warn: 0 s before the end of the job is too late", "write USR1@5m"),
    ("a #DWORK min-time=-1", 1, 'min-time: "-1" is not a duration', "write 90"),
    ("a #DWORK memory=lots", 1, 'memory: "lots" is not an amount', "write 512M, 2G"),
    ("a #DWORK memory=4", 1, 'memory: "4" is that number of bytes', "write a unit, as in 4G or 4M"),
    ("a #DWORK memory=128000", 1, 'memory: "128000" is that number of bytes', "as in 128000G or 128000M"),
    ("a\n#!/bin/bash -e\nb", 2, '"#!/bin/bash -e" chooses the shell only at the very beginning', "move it there"),
    ("#!/bin/sh\na\n#! /bin/bash", 3, '"#! /bin/bash" chooses the shell only', "or remove it"),
    ("a\nexit 0\nb", 2, '"exit 0" ends only its own shell: the commands below run all the same', "remove it"),
    ("a #DWORK cwd=", 1, "cwd: must not be empty", "or remove cwd"),
    (
        "a #DWORK cwd=~/run",
        1,
        'cwd: "~/run" is used as it is, without a shell',
        "begin the command with cd DIRECTORY &&",
    ),
    ("#DWORK cwd=$HOME", 1, 'cwd: "$HOME" is used as it is, without a shell', "write the name of a directory"),
    ("a #DWORK name = b", 1, 'option "name" after #DWORK has no "="', "write key=value without spaces"),
    ("a\nb #DWORK after=a, c", 2, 'option "c" after #DWORK has no "="', "such as after=mesh,grid"),
    ("a #DWORK name=b # first", 1, '"#" begins a comment after the options of #DWORK', "move it to its own line"),
    ("a #DWORK name=", 1, "name: must not be empty", "or remove this option"),
    ("a #DWORK name=b,c", 1, "contains a comma", "use another character"),
    ("a #DWORK name='b\x01c'", 1, '"b\\x01c" contains a control character', "use printable"),
    ("a #DWORK name=" + "n" * 131072, 1, "name: must not be longer than 131071 bytes", "use a shorter one"),
    ("a #DWORK after=", 1, "after: empty name", "without extra commas"),
    ("a\nb #DWORK after=a,", 2, "after: empty name", "without extra commas"),
    ("mesh\na \\\n  #DWORK after=mash", 2, 'unknown predecessor "mash"', 'did you mean "mesh"?'),
    ("echo a #DWORK name=x\necho b #DWORK after='echo a'", 2, 'unknown predecessor "echo a"', "correct the name"),
    ("a #DWORK after=zzz", 1, 'unknown predecessor "zzz"', "correct the name"),
    ("a\nb #DWORK after=c*", 2, '"c*" matches no other task', "correct the pattern"),
    ("a\nb #DWORK after=b*", 2, '"b*" matches no other task', "correct the pattern"),
    ("a\nb #DWORK name=x\n\nc #DWORK name=x", 4, 'the name "x" is already used by the task at t:2', "rename one"),
    ("a\nb #DWORK after=b", 2, "these tasks wait for one another: b -> b;", "remove one of these dependencies"),
    (
        "a\nb #DWORK after=d\nc #DWORK after=b\nd #DWORK after=c",
        2,
        "wait for one another: b -> c -> d -> b;",
        "remove one",
    ),
    ("a #DWORK after=b\n#DWORK barrier\nb", 1, "wait for one another: a -> t:2: barrier -> b -> a;", "remove one"),
    ("x1 #DWORK after=y\nx2\ny #DWORK after=x*\nz #DWORK after=x*", 1, "x1 -> t:3: after=x* -> y -> x1;", "remove one"),
    ("a1 #DWORK after=a*\na2 #DWORK after=a*", 1, "wait for one another: a1 -> a2 -> a1;", "remove one"),
]

A_TABLE = "a table of parameters is no task file: write a command for each of its rows"
CSV = [
    ('a\n"b', 2, "invalid CSV", 'quote a field as "..."'),
    ('\n"b"c\n', 2, "invalid CSV", 'quote a field as "..."'),
    ("a\rb\n", 1, "bare carriage return", "end rows with a newline"),
    (",a", 1, "the command (first field) is empty", "write command,predecessor"),
    ("a\nb,,a", 2, "empty predecessor", "remove the extra comma"),
    ("a\na", 2, 'the name "a" is already used by the task at t:1', "rename one"),
    ('"a\nb"\nc,d', 3, 'unknown predecessor "d"', "a row is command,predecessor,..."),
    ("name,nx,dt\na,10,0.1", 1, 'unknown predecessor "nx"', A_TABLE),
    ("a,b\nb,a", 1, "wait for one another: a -> b -> a;", "remove one"),
    ("x" * 131072, 1, "longer than Linux allows", "put it in a script"),
    ("x" * 131073, 1, "longer than Linux allows", "put it in a script"),
]

JSONL = [
    ("{", 1, "invalid JSON", "write one object per line"),
    ('{"command": "a"} {}', 1, "invalid JSON", "write one object per line"),
    ("[" * 100000, 1, "nested too deeply", "write one task object per line"),
    ("\n[]", 2, "not a JSON object", 'write {"command"'),
    ('{"name": "a"}', 1, '"command" is missing', "add a string"),
    ('{"command": " "}', 1, "command: must not be empty", "write a command"),
    ('{"command": []}', 1, "command: the program is missing", 'write ["program"'),
    ('{"command": ["", "a"]}', 1, "command: the program is missing", 'write ["program"'),
    ('{"command": ["a", 1]}', 1, "command: must be a string, not the number 1", "in double quotes"),
    ('{"command": "a", "env": {"N": 0.5}}', 1, "env: must be a string, not the number 0.5", "in double quotes"),
    ('{"command": 1}', 1, "command: must be a string for the shell, or a list", "in quotes"),
    ('{"command": "a\\u0000"}', 1, "command: contains a NUL", "remove it"),
    (
        '{"command": "a\\ud800"}',
        1,
        'command: "a\\ud800" contains an unpaired surrogate',
        "write the complete character",
    ),
    ('{"command": ["' + "x" * 131072 + '"]}', 1, "command: the command or an argument is longer", "in a script"),
    (
        '{"command": ["' + "x" * 99999 + '", "' + "x" * 99999 + '"]}',
        1,
        "too long to serve as the task's name",
        "add a name",
    ),
    ('{"command": "a", "command": "b"}', 1, 'duplicate key "command"', "keep one"),
    ('{"command": "a", "env": {"A": "", "A": ""}}', 1, 'duplicate key "A"', "keep one"),
    ('{"cmd": "a"}', 1, 'unknown key "cmd"', "did you mean command?"),
    ('{"command": "a", "comand": "b"}', 1, 'unknown key "comand"', "did you mean command?"),
    ('{"command": "a", "name": 1}', 1, "name: must be a string", "in double quotes"),
    ('{"command": "a", "name": null}', 1, "name: must be a string", "in double quotes"),
    ('{"command": "a", "after": [["b"]]}', 1, "after: must be a string", "in double quotes"),
    ('{"command": "a", "after": [""]}', 1, "after: empty name", "remove it"),
    ('{"command": "a", "cores": true}', 1, "cores: must be a whole number", '"cores": 2'),
    ('{"command": "a", "cores": "2"}', 1, "cores: must be a whole number", '"cores": 2'),
    ('{"command": "a", "cores": 2.0}', 1, "cores: must be a whole number", '"cores": 2'),
    ('{"command": "a", "gpus": -1}', 1, "gpus: out of range", "from 0"),
    ('{"command": "a", "timeout": true}', 1, "timeout: must be a number or a string", "write 7200"),
    ('{"command": "a", "timeout": NaN}', 1, "NaN is not a valid JSON number", "use a finite number"),
    ('{"command": "a", "timeout": 1e999}', 1, "timeout: must be finite and not negative", "write seconds"),
    ('{"command": "a", "timeout": ' + "9" * 5000 + "}", 1, "too many digits", "use a smaller one"),
    ('{"command": "a", "timeout": "soon"}', 1, 'timeout: "soon" is not a duration', "write 90"),
    ('{"command": "a", "memory": -1}', 1, "memory: out of range", "write a number of bytes"),
    ('{"command": "a", "memory": 1e999}', 1, "memory: out of range", "write a number of bytes"),
    ('{"command": "a", "cwd": 1}', 1, "cwd: must be a string", "in double quotes"),
    ('{"command": "a", "env": []}', 1, "env: must be an object of strings", 'write {"NAME"'),
    ('{"command": "a", "env": {"A": 1}}', 1, "env: must be a string", "in double quotes"),
    (
        '{"command": "a", "env": {"A": "' + "x" * 131072 + '"}}',
        1,
        'variable "A" is longer than Linux allows',
        "in a file",
    ),
    ('{"command": "a", "env": {"A=B": ""}}', 1, 'env: "A=B" is not a valid variable name', 'without "="'),
    ('{"command": "a", "env": {"": ""}}', 1, 'env: "" is not a valid variable name', "use a non-empty name"),
]

DAG = [
    ("TASK", 1, "a TASK needs an id and an executable", "write TASK id"),
    ("TASK a", 1, "a TASK needs an id and an executable", "write TASK id"),
    ("TASK a -m 1", 1, "the executable is missing", "write TASK id"),
    ('TASK a ""', 1, "the executable is missing", "write TASK id"),
    ("TASK a -m", 1, "-m needs a value", "write TASK id"),
    ("TASK a -m 1 -c", 1, "-c needs a value", "write TASK id"),
    ("TASK a -m 10MB x", 1, '-m: "10MB" is not a number', "write digits only"),
    ("TASK a -c -1 x", 1, '-c: "-1" is not a number', "write digits only"),
    ("TASK a -t 0 x", 1, "-t: a task is tried at least once", "write 1 or more"),
    ("TASK a --tries 1.5 x", 1, '--tries: "1.5" is not a whole number', "--tries 2"),
    ("TASK a -p x x", 1, '-p: "x" is not a whole number', "2"),
    ('TASK a sh -c "echo $PMC_RANK"', 1, "PMC_RANK is not set by dwork", "DWORK_WORKER"),
    ("TASK a x\nTASK b x ${PMC_HOST_RANK}", 2, "PMC_HOST_RANK is not set by dwork", "DWORK_SLOT"),
    ('TASK a -c 2 sh -c "echo $PMC_AFFINITY"', 1, "PMC_AFFINITY is not set by dwork", "taskset -cp"),
    ("TASK a -f A=b x", 1, "-f: forwarding is not supported", "let the task write the file"),
    ("TASK a --file-forward a=b x", 1, "--file-forward: forwarding is not supported", "let the task"),
    ("TASK a -m=10 x", 1, '"-m=10" is one word', "-m VALUE"),
    ("TASK a -x 1 x", 1, 'unknown option "-x"', "the options are -m, -c, -t and -p"),
    ('TASK a x "it\'s"', 1, "unclosed quote", "close it"),
    ("TASK a x 'b", 1, "unclosed quote", "close it"),
    ("TASK a\x01 x", 1, 'id: "a\\x01" contains a control character', "use printable"),
    ("TASK a x\nTASK a y", 2, 'the name "a" is already used by the task at t:1', "rename one"),
    ("EDGE a", 1, "an EDGE needs two ids", "write EDGE parent child"),
    ("EDGE a b c", 1, "an EDGE needs two ids", "write EDGE parent child"),
    ("TASK a x\nEDGE a b\n", 2, 'no TASK "b" in this file', "correct the EDGE"),
    ("TASK a x\nEDGE b a\n", 2, 'no TASK "b" in this file', "correct the EDGE"),
    ("TASKS a x", 1, 'unknown record "TASKS"', "write TASK id"),
    ("TASK a x\nTASK b x\nEDGE a b\nEDGE b a", 1, "wait for one another: a -> b -> a;", "remove one"),
    ("TASK a " + "x" * 131072, 1, "longer than Linux allows", "put it in a script"),
]

DISBATCH = [
    (
        "a\n#DISBATCH BARIER",
        2,
        '"#DISBATCH BARIER" is not a valid directive',
        "write #DISBATCH followed by PREFIX, SUFFIX, REPEAT",
    ),
    ("#DISBATCH barrier", 1, '"#DISBATCH barrier" is not a valid directive', "BARRIER, separated by one space"),
    ("#DISBATCH  PREFIX x", 1, "is not a valid directive", "separated by one space"),
    ("#DISBATCH PREFIX", 1, "is not a valid directive", "separated by one space"),
    ("#DISBATCH", 1, "is not a valid directive", "write #DISBATCH"),
    ("#DISBATCH BARRIER key", 1, 'does not support the key "key"', "write #DISBATCH BARRIER"),
    ("#DISBATCH BARRIER CHECK key", 1, 'does not support the key "CHECK key"', "or #DISBATCH BARRIER CHECK"),
    ("#DISBATCH PERENGINE START x", 1, "PERENGINE is not supported", "in the job script"),
    ("#DISBATCH REPEAT x", 1, "invalid REPEAT", "write #DISBATCH REPEAT n"),
    ("#DISBATCH REPEAT -1 x", 1, "invalid REPEAT", "write #DISBATCH REPEAT n"),
    ("#DISBATCH REPEAT 5x", 1, "invalid REPEAT", "write #DISBATCH REPEAT n"),
    ("#DISBATCH REPEAT 1 start " + "9" * 5000 + " x", 1, "invalid REPEAT", "write #DISBATCH REPEAT n"),
    ("#DISBATCH REPEAT 5", 1, "REPEAT has nothing to run", "write #DISBATCH REPEAT n"),
    ("#DISBATCH REPEAT 99999999 x", 1, "more than 10,000,000 tasks", "correct the number"),
    ("a\nb $DISBATCH_ENGINE_RANK", 2, "DISBATCH_ENGINE_RANK is not set by dwork", "DWORK_WORKER"),
    ("#DISBATCH REPEAT 2 a ${DISBATCH_CYLINDER_RANK}", 1, "DISBATCH_CYLINDER_RANK is not set by dwork", "DWORK_SLOT"),
    ("a\n\nb\rc\n", 3, "a carriage return, which disBatch reads as the end of a line", "split the line"),
    ("#DISBATCH PREFIX\tx", 1, "is not a valid directive", "separated by one space"),
    ("a #DWORK cores=2", 1, "in this format #DWORK options go on their own line", "move them there"),
    ("#DWORK name=x", 1, "#DWORK name is not supported in this format", "remove it"),
    ("#DWORK barrier", 1, "#DWORK barrier is not supported in this format", "remove it"),
    ("#DWORK after=x cores=2", 1, "#DWORK after is not supported in this format", "remove it"),
    ("#DWORK coers=2", 1, 'unknown key "coers"', "did you mean cores?"),
    ("#DISBATCH PREFIX " + "x" * 131071 + "\n\na", 3, "longer than Linux allows", "put it in a script"),
]

LAUNCHER = [
    ("a\nb $LAUNCHER_TSK_ID", 2, "LAUNCHER_TSK_ID is not set by dwork", "DWORK_WORKER"),
    ("#DWORK cores", 1, 'option "cores" after #DWORK has no "="', "write key=value"),
    ("a #DWORK cores=2", 1, "in this format #DWORK options go on their own line", "move them there"),
    ("b ${LAUNCHER_NPROCS}", 1, "LAUNCHER_NPROCS is not set by dwork", "export it where the pool is started"),
    ("cd $LAUNCHER_WORKDIR", 1, "LAUNCHER_WORKDIR is not set by dwork", "export it"),
    ("a $LAUNCHER_BIND_HT", 1, "LAUNCHER_BIND_HT is not set by dwork", "remove it"),
    ("a\n5,b", 2, '"5," has no meaning here', "use --format pylauncher"),
    ("a PYLTID", 1, '"PYLTID" has no meaning here', "use --format pylauncher"),
    ("x" * 131072, 1, "longer than Linux allows", "put it in a script"),
]

PYLAUNCHER = [
    ("a\n5,b", 2, "this line has a number of cores, unlike line 1", "write CORES,command on each line"),
    ("#\n5,a\n\nb", 4, "this line has no number of cores, unlike line 2", "or on none"),
    ("5,", 1, "the command is missing", "write CORES,command"),
    ("0,a", 1, "cores: out of range", "from 1 to 2147483647"),
    ("9999999999,a", 1, "cores: out of range", "from 1 to 2147483647"),
    ("a PYL_MPIEXEC b", 1, "PYL_MPIEXEC is not filled in", "such as mpirun"),
    ("a\n__barrier__\nb", 2, '"__barrier__" is not supported', "with #DWORK barrier"),
    ("a\nbarrier\nb", 2, '"barrier" is not supported', "with #DWORK barrier"),
    ("a #DWORK cores=2", 1, "in this format #DWORK options go on their own line", "move them there"),
    ("#DWORK name=x", 1, "#DWORK name is not supported in this format", "remove it"),
    ("x" * 131072, 1, "longer than Linux allows", "put it in a script"),
]

GREASY = [
    ("#DWORK cores=0", 1, "cores: out of range", "from 1"),
    ("[# #] a #DWORK cores=2", 1, "in this format #DWORK options go on their own line", "move them"),
    ("a\n[#1 ] b", 2, "[# is not closed", "write #] after it"),
    ("[@ x b", 1, "[@ is not closed", "write @] after it"),
    ("a\n[# 1 #][# 1 #] b", 2, "[# #] is given twice", "combine them"),
    ("a\n[# 1 #]", 2, "the command is missing", "write [# dependencies #]"),
    ("[@ @] a", 1, "the directory is empty", "write [# dependencies #]"),
    ("a\n[# +1 #] b", 2, '"+1" is not a dependency', "as in [# 1,3-5,-2 #]"),
    ("a\n[# 1,,1 #] b", 2, '"" is not a dependency', "as in [# 1,3-5,-2 #]"),
    ("a\n[# 2->6 #] b", 2, '"2->6" is not a dependency', "as in [# 1,3-5,-2 #]"),
    ("a\n[# " + "9" * 5000 + " #] b", 2, "is not a dependency", "as in [# 1,3-5,-2 #]"),
    ("a\n[# 2 #] b", 2, "line 2 is not above this one", "only depend on tasks above"),
    ("a\n[# 1-1000 #] b", 2, "line 1000 is not above this one", "only depend on tasks above"),
    ("a\n[# -2 #] b", 2, "line 0 is not above this one", "only depend on tasks above"),
    ("a\n[# 0-1 #] b", 2, "line 0 is not above this one", "only depend on tasks above"),
    ("#\n[# 1 #] b", 2, "line 1 has no task", "correct the dependency"),
    ("a\n\nb\n[# 1-3 #] b", 4, "line 2 has no task", "correct the dependency"),
    ("a\nb\n#\n[# 1-3 #] b", 4, "line 3 has no task", "correct the dependency"),
    ("a [@ d @] b", 1, "[@ @] must come before the command", "write [# dependencies #]"),
    ("a\n[# 1 #] b [@ d @]", 2, "[@ @] must come before the command", "write [# dependencies #]"),
    ("[@ d @]" + "x" * 131071, 1, "longer than Linux allows", "put it in a script"),
]

X = '[[task]]\ncommand = ["x"]\n'
ARRAY = "[array]\ncommand = ['x']\n"
HYPERQUEUE = [
    ("", 1, "a job needs either tasks or an array", "write [[task]]"),
    (ARRAY + X, 1, "a job needs either tasks or an array", "write [[task]]"),
    ("a = 1\nb = ", 2, "invalid TOML (Invalid value)", 'command = ["sleep", "1"]'),
    ("a = 1\nb = [1", 2, "invalid TOML", 'command = ["sleep", "1"]'),
    ("a = " + "9" * 5000, 1, "too many digits", "use a smaller one"),
    ("a = " + "[" * 100000, 1, "nested too deeply", 'command = ["sleep", "1"]'),
    ("[task]\ncommand = ['x']", 1, "task: must be a table", "write [[task]]"),
    ("task = []", 1, "task: expected at least one", "write [[task]]"),
    ("array = [{}, {}]", 1, "array: expected only one", "write [[task]]"),
    ("#\nnam = 1", 2, 'unknown key "nam"', "did you mean name?"),
    (X + "[tsk]\nx = 1", 3, 'unknown key "tsk"', "did you mean task?"),
    ("name = 1\n" + X, 1, "name: must be a string", "in double quotes"),
    ("name = 'a,b'\n" + X, 1, 'name: "a,b" contains a comma', "use another character"),
    ("name = 'a'\n\ndata_layer = true\n" + X, 3, "data_layer: dwork does not pass data between tasks", "use files"),
    ("max_fails = -1\n" + X, 1, "max_fails: must be a whole number from 0", "correct it"),
    ("\n[[task]]\ncomand = ['x']", 2, 'unknown key "comand"', "did you mean command?"),
    (X + "cpus = 4", 1, 'unknown key "cpus"', "the keys are id, deps"),
    ("[[task]]", 1, "the command is missing", 'write command = ["program"'),
    ("[[task]]\ncommand = 'x'", 1, "command: must be a list of strings", 'write ["program"'),
    ("[[task]]\ncommand = []", 1, "command: the program is missing", 'write ["program"'),
    ('[[task]]\ncommand = ["\\u0000"]', 1, "command: contains a NUL", "remove it"),
    (X + "id = -1", 1, "id: must be a whole number from 0", "correct it"),
    (X + "id = 4294967296", 1, "id: must be a whole number from 0 to 4294967295", "correct it"),
    (X + "id = 1\n" + X + "id = 1", 4, 'the name "task-1" is already used by the task at t:1', "rename one"),
    (X + "deps = 1", 1, "deps: must be a list of numbers", "[1, 3]"),
    (X + X + "deps = [7]", 3, "deps: no task with the id 7", "correct the id"),
    (
        X + "id = 1\ndeps = [2]\n" + X + "id = 2\ndeps = [1]",
        1,
        "wait for one another: task-1 -> task-2 -> task-1",
        "remove one",
    ),
    (X + "data_deps = [1]", 1, "data_deps: dwork does not pass data between tasks", "use files and deps"),
    (X + "env = ['A']", 1, "env: must be an object of strings", "write { NAME"),
    (X + "env = { A = 1 }", 1, "env: must be a string", "in double quotes"),
    (X + "cwd = ''", 1, "cwd: must not be empty", "or remove cwd"),
    (X + "cwd = '%{CWD}'", 1, 'cwd: unknown placeholder "%{CWD}"', "use one of %{JOB_ID}"),
    (X + "stdout = '%{DATE}'", 1, 'stdout: unknown placeholder "%{DATE}"', "use one of %{JOB_ID}"),
    (X + "stdout = '%{SERVER_UID}'", 1, "stdout: %{SERVER_UID} is not supported", "remove it"),
    (X + "stdout = ''", 1, "stdout: must not be empty", 'write a file, or "none"'),
    (X + "stderr = { on_close = 'none' }", 1, "stderr: must be a string", "in double quotes"),
    (X + "stderr = { path = 'a', mode = 'none' }", 1, 'stderr: unknown key "mode"', "the keys are path, on_close"),
    (X + "stderr = { path = 'a', on_close = 'x' }", 1, "stderr: on_close: unknown value", 'write "none"'),
    (X + "stdin = '" + "x" * 131072 + "'", 1, "longer than Linux allows", "in a script"),
    (X + "pin = true", 1, "pin: unknown value", 'write "none"'),
    (X + "task_dir = true", 1, "task_dir: dwork creates no directory", "with mktemp -d"),
    (X + "time_limit = 10", 1, "time_limit: must be a string", "in double quotes"),
    (X + "time_limit = '10'", 1, 'time_limit: "10" is not a duration', 'write, for example, "90s"'),
    (X + "time_limit = '1x'", 1, 'time_limit: "1x" is not a duration', 'write, for example, "90s"'),
    (X + "time_limit = ''", 1, 'time_limit: "" is not a duration', 'write, for example, "90s"'),
    (X + "time_limit = '0s'", 1, "time_limit: 0 would stop the task at once", "or remove this option"),
    (X + "priority = 9999999999", 1, "priority: must be a whole number from -2147483648", "correct it"),
    (X + "crash_limit = 'never-restart'", 1, "crash_limit: dwork retries a task", "with --max-attempts-lost 1"),
    (X + "crash_limit = 0", 1, "crash_limit: must be a whole number from 1 to 65535", "correct it"),
    (X + "request = {}", 1, "request: must be a list of tables", "write [[task.request]]"),
    (X + "request = [{ n_nodes = 2 }]", 1, "request: n_nodes: a task runs on one node", "remove it"),
    (X + "request = [{ cpus = 2 }]", 1, 'request: unknown key "cpus"', "the keys are resources"),
    (X + "request = [{ resources = 2 }]", 1, "request: resources: must be a table", "{ cpus = 4"),
    (X + "request = [{ resources = { fpgas = 1 } }]", 1, 'unknown resource "fpgas"', "use cpus, mem, gpus"),
    (
        X + "request = [{ resources = { cpus = 'all' } }]",
        1,
        'cpus: "all" is not supported',
        "write the number",
    ),
    (X + "request = [{ resources = { cpus = '4 x' } }]", 1, 'cpus: "4 x" is not an amount', '"4 compact"'),
    (X + "request = [{ resources = { cpus = 0 } }]", 1, "cpus: must be a number above 0", "write, for example, 4"),
    (X + "request = [{ resources = { cpus = nan } }]", 1, "cpus: must be a number above 0", "write, for example, 4"),
    (X + "request = [{ resources = { cpus = 3e9 } }]", 1, "cpus: out of range", "from 1 to 2147483647"),
    (X + "request = [{ time_request = 1 }]", 1, "request: time_request: must be a string", "in double quotes"),
    ("[[task]]\ncommand = ['sh', '-c', 'a $HQ_INSTANCE_ID']", 1, "HQ_INSTANCE_ID is not set by dwork", "DWORK_ATTEMPT"),
    (
        "[[task]]\ncommand = ['sh', '-c', 'a $HQ_RESOURCE_VALUES_gpus']",
        1,
        "HQ_RESOURCE_VALUES_gpus is",
        "CUDA_VISIBLE_DEVICES",
    ),
    (ARRAY, 1, "an array needs ids or entries", 'ids = "1-100"'),
    (ARRAY + "ids = '2-1'", 1, 'ids: "2-1" is not a range of ids', '"1,2,50-100"'),
    (ARRAY + "ids = '1-2:0'", 1, 'ids: "1-2:0" is not a range of ids', '"1,2,50-100"'),
    (ARRAY + "ids = '1,x'", 1, 'ids: "x" is not a range of ids', '"1,2,50-100"'),
    (ARRAY + "ids = '1-3,2'", 1, "ids: an id is given twice", "do not overlap"),
    (ARRAY + "ids = '0-4000000000'", 1, "ids: more than 10,000,000", "correct the numbers"),
    (ARRAY + "ids = '1-3'\nentries = ['a']", 1, "3 ids but 1 entries", "make the numbers equal"),
    (ARRAY + "entries = [1]", 1, "entries: must be a string", "in double quotes"),
    (ARRAY + "entries = 'a'", 1, "entries: must be a list of strings", '["a", "b"]'),
    (ARRAY + "deps = [1]\nids = '1'", 1, 'unknown key "deps"', "the keys are ids"),
]

FORMATS = {
    "lines": LINES,
    "csv": CSV,
    "jsonl": JSONL,
    "dag": DAG,
    "disbatch": DISBATCH,
    "launcher": LAUNCHER,
    "pylauncher": PYLAUNCHER,
    "greasy": GREASY,
    "hyperqueue": HYPERQUEUE,
}

FOREIGN = [
    ("lines", "a\n#DISBATCH BARRIER\nb", 2, '"#DISBATCH BARRIER" is not a shell command', "use --format disbatch"),
    ("lines", "a\n[# 1 #] b", 2, '"[# 1 #] b" is not a shell command', "use --format greasy"),
    ("lines", "  [@ x @] b", 1, '"[@ x @] b" is not a shell command', "use --format greasy"),
    ("lines", "name = 1\n[[task]]\n", 2, '"[[task]]" is not a shell command', "use --format hyperqueue"),
    ("lines", "[array]", 1, '"[array]" is not a shell command', "use --format hyperqueue"),
    ("lines", "a\n\nb \u2013c", 3, '"\u2013" (U+2013) is not the dash', "write -, or quote it if it is text"),
    (
        "lines",
        "a #DWORK name=\u00e9\nb #DWORK after=e\u0301",
        2,
        'unknown predecessor "e\u0301"',
        "t:1 has that name in other Unicode characters; copy it from there",
    ),
    ("lines", "a #DWORK name=\u201ca", 1, "name=\u201ca begins with \u201c, which is not a quote here", "write ' or"),
    ("csv", "name;after\nx;y", 1, "a semicolon separates the fields of all rows", "separate them with commas"),
    ("lines", "a\n25,echo b", 2, '"25,echo b" is not a shell command', "use --format pylauncher"),
    ("csv", "#DISBATCH PREFIX a\n", 1, "is not a shell command", "use --format disbatch"),
    ("csv", "a\n[# 1,1 #] b\n", 2, "is not a shell command", "use --format greasy"),
]

_MEANT = "did you mean #DWORK, in capitals, with a space on each side?"
NEAR_MISS = [
    ("lines", "a\ncat b # DWORK name=b after=a", 2, '"# DWORK name=" would be ignored', _MEANT),
    ("lines", "a #dwork name=b", 1, '"#dwork name="', _MEANT),
    ("lines", "a #Dwork cores=2", 1, '"#Dwork cores="', _MEANT),
    ("lines", "a #DWORK: name=b", 1, '"#DWORK: name="', _MEANT),
    ("lines", "a # dwork: min_time = 5", 1, '"# dwork: min_time ="', _MEANT),
    ("lines", "echo one#DWORK name=one", 1, '"#DWORK name="', _MEANT),
    ("lines", 'echo "one"#DWORK name=one', 1, '"#DWORK name="', _MEANT),
    ("lines", "a #DWORKname=b", 1, '"#DWORKname="', _MEANT),
    ("lines", "a #dwork cpus=2", 1, '"#dwork cpus="', _MEANT),
    ("lines", "a #DWORK name=b #DWORK cores=2", 1, '"#DWORK name="', "write all options of a line after one #DWORK"),
    ("lines", "a # dwork name=b #DWORK cores=2", 1, '"# dwork name="', _MEANT),
    ("lines", "a\n# DWORK barrier\nb", 2, '"# DWORK barrier"', _MEANT),
    ("lines", "#DWORKbarrier", 1, '"#DWORKbarrier"', _MEANT),
    ("lines", "a\n#dwork retries=1\nb", 2, '"#dwork retries="', _MEANT),
    ("lines", "a\n  #DWORK: cores=2\nb", 2, '"#DWORK: cores="', _MEANT),
    ("lines", "# dwork setup\nb", 1, '"# dwork setup"', _MEANT),
    ("lines", "#DWORK: end", 1, '"#DWORK: end"', _MEANT),
    ("lines", "#DWORK\u00a0cores=2", 1, '"#DWORK\\xa0cores="', _MEANT),
    ("lines", "a #DWROK name=b", 1, '"#DWROK name="', _MEANT),
    ("lines", "#DWORKS cores=2", 1, '"#DWORKS cores="', _MEANT),
    ("lines", "a;#DWORK name=b", 1, '"#DWORK name="', _MEANT),
    ("launcher", "a\n#dwork cores=2\nb", 2, '"#dwork cores="', _MEANT),
    ("greasy", "# DWORK cores=2\nb", 1, '"# DWORK cores="', _MEANT),
    ("disbatch", "a\n #DWORK: cores=2\nb", 2, '"#DWORK: cores="', _MEANT),
    ("launcher", "a #dwork cores=2", 1, "in this format #DWORK options go on their own line", "move them"),
    ("csv", "a\nb #DWORK name=b after=a", 2, "#DWORK options are not supported in csv", "use --format lines"),
]

_ONE_LINE = "give a file with one command per line"
KINDS = [
    ("lines", "#!/bin/bash\n#SBATCH -N 2\na", 2, '"#SBATCH -N 2" is for a batch system', "start dwork-pool in the job"),
    ("lines", "a\n#PBS -l nodes=2", 2, '"#PBS -l nodes=2" is for a batch system', "put the commands into another file"),
    ("lines", "#$ -pe mpi 4", 1, '"#$ -pe mpi 4" is for a batch system', "put the commands into another file"),
    ("lines", "#BSUB -n 4", 1, '"#BSUB -n 4" is for a batch system', "put the commands into another file"),
    ("lines", "#include <stdio.h>\nint x;", 1, "looks like C", _ONE_LINE),
    ("lines", '[\n  {"command": "a"}\n]', 1, "looks like JSON", _ONE_LINE),
    ("lines", '[{"command": "a"}]', 1, "looks like JSON", _ONE_LINE),
    ("lines", '{"tasks": [', 1, "looks like JSON", _ONE_LINE),
    ("lines", '# c\n{"command": "a"}\n{"command": "b"}', 2, "looks like jsonl", "use --format jsonl"),
    ("lines", "tasks:\n  - a", 1, "looks like YAML", _ONE_LINE),
    ("lines", "---\nname: x", 1, "looks like YAML", _ONE_LINE),
    ("lines", "- name: x\n  run: y", 1, "looks like YAML", _ONE_LINE),
    ("lines", "rule all:\n  input: x", 1, "looks like a Snakemake workflow", _ONE_LINE),
    ("lines", "\nimport os, sys\n", 2, "looks like Python", _ONE_LINE),
    ("lines", "import numpy as np", 1, "looks like Python", _ONE_LINE),
    ("lines", "from os import path", 1, "looks like Python", _ONE_LINE),
    ("lines", '<?xml version="1.0"?>', 1, "looks like XML or HTML", _ONE_LINE),
    ("lines", "TASK a x\nTASK b y", 1, "looks like dag", "use --format dag"),
    ("csv", "a\nb;a\nc;a;b", 2, "a semicolon separates the fields", "separate them with commas"),
    ("csv", "a\nb c\ta\n", 2, "a tab separates the fields", "separate them with commas"),
]

_SETUP = "put it in the setup block (#DWORK setup"
_SCRIPT = "put it into a script"
_BASH = 'write "#!/bin/bash" as the first line of the file, or use --shell bash'
SHELL = [
    ("lines", "a\ncat > in <<EOF\n# alpha\n", 2, 'the here-document "<<EOF" has no end', _SCRIPT),
    ("lines", "a\ncat > in <<EOF\n# alpha\nEOF\nb", 2, "lines 2 to 4 are one command", _SCRIPT),
    ("lines", "for i in 1 2; do\n  echo $i\ndone\n", 1, "lines 1 to 3 are one command", _SCRIPT),
    ("lines", "for i in 1 2; do\n  echo $i\n", 1, '"for" has no "done"', _SCRIPT),
    ("lines", "a\ndone", 2, '"done" makes no sense here', _SCRIPT),
    ("lines", "a\n}\nb", 2, '"}" makes no sense here', _SCRIPT),
    ("lines", "if a\nthen b\nfi #DWORK name=x", 1, "lines 1 to 3 are one command", _SCRIPT),
    ("lines", "f() {\n a\n}\nf", 1, "lines 1 to 3 are one command", _SCRIPT),
    ("lines", "a |\n b", 1, "lines 1 to 2 are one command", _SCRIPT),
    ("lines", "a\necho it's", 2, "a single quote (') is not closed", "escape it with a backslash"),
    ("lines", 'echo "a', 1, 'a double quote (") is not closed', "close it"),
    ("lines", "echo $(a", 1, '"$(" has no ")"', _SCRIPT),
    ("lines", "a\ncd x\nb", 2, '"cd x" changes only its own shell', _SETUP),
    ("lines", "export A=1 #DWORK name=x", 1, '"export A=1" changes only its own shell', _SETUP),
    ("greasy", "module load gcc\na", 1, "changes only its own shell", _SETUP),
    ("launcher", "a\nsource env", 2, "changes only its own shell", _SETUP),
    ("lines", "[[ -f a ]] && b", 1, '"[[" fails in this shell', _BASH),
    ("lines", "a\necho {1..3}", 2, '"{1..3}" stays as it is written', _BASH),
    ("jsonl", '{"command": "source x; a"}', 1, '"source" is an unknown command', _BASH),
    ("jsonl", '{"command": ["sh", "-ec", "echo -e a"]}', 1, '"echo -e" prints its option', _BASH),
    ("hyperqueue", "#\n[[task]]\ncommand = ['sh', '-c', 'a=(1 2)']", 2, '"a=(...)" fails', _BASH),
]

_LEFT, _AWAY = '"&" leaves a process in the background', "remove the & (dwork runs tasks in parallel anyway)"
BACKGROUND = [
    ("lines", "a\nb && c\n(d; e) & #DWORK cores=2", 3, _LEFT, _AWAY),
    ("lines", "a\nb \\\n & c", 2, _LEFT, _AWAY),
    ("lines", "a\nwait\nb", 2, '"wait" has nothing to wait for', "#DWORK barrier, or after=NAME"),
    ("lines", "a &> log", 1, '"&>" runs the command in the background', "write > FILE 2>&1"),
    ("csv", "a\nb &,a", 2, _LEFT, _AWAY),
    ("jsonl", '{"command": "a \\u0026"}', 1, _LEFT, _AWAY),
    ("jsonl", '\n{"command": ["sh", "-c", "a &"]}', 2, _LEFT, _AWAY),
    ("dag", 'TASK a x\nTASK b sh -c "c &"', 2, _LEFT, _AWAY),
    ("disbatch", "#DISBATCH SUFFIX  &\n\na", 3, _LEFT, _AWAY),
    ("disbatch", "#DISBATCH REPEAT 2 a &", 1, _LEFT, _AWAY),
    ("launcher", "a\nb &", 2, _LEFT, _AWAY),
    ("greasy", "a\n[# 1 #] [@ d @] b &", 2, _LEFT, _AWAY),
    ("hyperqueue", "#\n[[task]]\ncommand = ['bash', '-c', \"a \\u0026\"]", 2, _LEFT, _AWAY),
    ("hyperqueue", "[[task]]\ncwd = 'd'\ncommand = ['bash', '-c', \"a \\u0026\"]", 1, _LEFT, _AWAY),
    ("pylauncher", "1,a\n2,b &", 2, _LEFT, _AWAY),
]


TABLES = {
    **{form: [(form, *case) for case in cases] for form, cases in FORMATS.items()},
    "foreign": FOREIGN,
    "shell": SHELL,
    "kind": KINDS,
    "near-miss": NEAR_MISS,
    "background": BACKGROUND,
}


@pytest.mark.parametrize("table", TABLES)
def test_a_mistake_is_reported_with_its_place_and_what_to_do(table: str, subtests: pytest.Subtests) -> None:
    for form, text, line, wrong, advice in TABLES[table]:
        with subtests.test(f"{form} {text!r}"):
            reported = refusal("t", text.encode(), form)
            assert reported.startswith(f"t:{line}: ")
            assert wrong in reported
            assert advice in reported[reported.index(wrong) :]
            assert len(reported) < 400


def test_a_name_in_two_files_is_reported_with_both_places() -> None:
    with pytest.raises(TaskFileError, match=r'^-:2: the name "x" is already used by the task at a\.csv:1; '):
        parse([Source("a.csv", b"x\n", "csv"), Source("-", b"b\na #DWORK name=x\n")])


def test_control_characters_of_a_file_name_and_a_long_name_are_shown_harmless() -> None:
    reported = refusal("a\n\x1b\udcff", b"b #DWORK after=" + b"x" * 500 + b"\x1b", "lines")
    assert reported.startswith('a\\n\\x1b\\xff:1: unknown predecessor "xxx')
    assert "xxx...xxx" in reported
    assert len(reported) < 200


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        (
            "a\nb > ${LAUNCHER_JID}.out",
            ["t:2: LAUNCHER_JID is not set in the lines format; if this is a launcher file"],
        ),
        ("a $DISBATCH_TASKID", ["t:1: DISBATCH_TASKID is not set in the lines format; if this is a disbatch file"]),
        ("ls $LAUNCHER_WORKDIR", []),
        ("DISBATCH_TASKID=3; [ -e x ]; ls [[task]]", []),
    ],
)
def test_variables_of_other_systems_are_reported(text: str, reported: list[str]) -> None:
    heard: list[str] = []
    parse([Source("t", text.encode())], tell=heard.append)
    assert [each.split(", use --format")[0] for each in heard] == reported


def test_output_to_a_file_as_bash_writes_it_is_taken_where_bash_runs_it() -> None:
    assert parse([Source("t", b"a &> log")], dialect=Dialect.BASH)[0].command == "a &> log"
    for form in "disbatch", "launcher":
        assert parse([Source("t", b"a &> log", form)])


def test_a_command_that_waits_for_its_own_background_is_taken_in_every_format() -> None:
    for form in "lines", "csv", "disbatch", "launcher", "greasy":
        assert len(parse([Source("t", b"a & b & wait\nc && d 2>&1\n", form)])) == 2


@pytest.mark.parametrize(
    "line",
    [
        "# dwork is great",
        "# see dwork's manual: name=x",
        "# dwork setup of this case",
        "# WORK dir=/scratch",
        "# DWORK reads this file",
        "# dwork: a barrier is a line of its own",
        "# dwork sets OMP_NUM_THREADS=1",
        "##DWORK cores=4",
        "# #DWORK cores=4",
        "# solve 1 #dwork name=solve-1",
        "echo a ##DWORK name=b",
        "echo '#dwork name=x' \"# DWORK name=x\" \\#dwork name=x",
        "echo a#b # dwork was here",
        "curl http://dwork/#name=x",
    ],
)
def test_what_only_speaks_of_dwork_is_no_directive(line: str) -> None:
    parse([Source("t", f"{line}\n".encode())])
    for form in "launcher", "greasy", "disbatch":
        if line[0] == "#":
            assert parse([Source("t", f"{line}\n".encode(), form)]) == []


@pytest.mark.parametrize(
    "text",
    [
        "[ -f x ] && y",
        '[ "$x" = y ] || z',
        "{ a; b; } > c",
        '{ "a" b; }',
        ": x",
        "import -window root shot.png",
        "import shot.png",
        "##SBATCH -N 1\na",
        "# SBATCH -N 1\na",
        "echo '#SBATCH -N 1'",
        "from x to y",
        "# tasks:\nTASK=1 a",
    ],
)
def test_a_command_that_resembles_another_kind_of_file_is_one(text: str) -> None:
    assert len(parse([Source("t", text.encode())])) == 1


@pytest.mark.parametrize("text", ["a;b\nc", "a; a", "a\tb\nc", "a; b\nc,a; b"])
def test_a_semicolon_in_a_row_belongs_to_its_command(text: str) -> None:
    assert parse([Source("t", text.encode(), "csv")])


def test_what_only_bash_understands_passes_where_the_shell_understands_it() -> None:
    text = b"source env && a\n[[ -f x ]] && b\necho {1..3}\n"
    assert len(parse([Source("t", text)], dialect=Dialect.BASH)) == 3
    asked: list[str] = []
    assert len(parse([Source("t", text)], runs=lambda script: not asked.append(script))) == 3
    assert len(asked) == 3


@pytest.mark.parametrize(
    "name", ["job.py", "a/b.JSON", "x.yaml", "x.slurm", "sim.c", "README.md", "Makefile", "a/Snakefile", "t.tsv"]
)
def test_the_ending_of_another_kind_of_file_is_refused_without_a_format(name: str) -> None:
    with pytest.raises(TaskFileError, match="not of a task file; give a file with one command per line, or use --form"):
        format_of(name)


@pytest.mark.parametrize("name", ["t", "t.sh", "jobs.lst", "cmds.cmd", ".py", "tasks.2026", "a.b/tasks", "t.", "-"])
def test_other_endings_are_those_of_plain_commands(name: str) -> None:
    assert format_of(name) == "lines"


@pytest.mark.parametrize("name", ["it's", "f(1)", "done", "A=1", "cd x", "[[ x ]]"])
def test_a_row_of_csv_may_be_a_name_that_no_shell_would_run(name: str) -> None:
    assert [task.command for task in parse([Source("t", name.encode(), "csv")])] == [name]
