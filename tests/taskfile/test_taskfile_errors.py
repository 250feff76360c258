"""Every mistake is told by file and line, with what to do, in one line."""

from __future__ import annotations

import pytest

from dwork.errors import TaskFileError
from dwork.taskfile import Source, parse


def refusal(name: str, data: bytes, form: str) -> str:
    with pytest.raises(TaskFileError) as refused:
        parse([Source(name, data, form)])
    text = str(refused.value)
    assert text.isprintable()
    assert "; " in text, "it must say what to do"
    return text


LINES = [
    ("a\nb\0c\n", 2, "NUL byte", "remove it"),
    ("a #DWORK cores", 1, '"cores" in the options after #DWORK has no "="', "write key=value words"),
    ("a #DWORK timout=1h", 1, 'unknown key "timout"', "did you mean timeout?"),
    ("a #DWORK min_time=1h", 1, 'unknown key "min_time"', "did you mean min-time?"),
    ("a #DWORK cpus=2", 1, 'unknown key "cpus"', "did you mean cores?"),
    ("a #DWORK xyzzy=2", 1, 'unknown key "xyzzy"', "the keys are name, after, cores, memory"),
    ("a #DWORK =2", 1, 'unknown key ""', "the keys are"),
    ("a #DWORK cores=2 cores=2", 1, "cores= stands twice", "keep one"),
    ("a #DWORK name='b", 1, "cannot be split as a shell splits words", "close every quote"),
    ("a #DWORK cores=2 \\\nb", 1, "cannot be split", "a backslash does not continue a comment"),
    ("\n#DWORK barrier x", 2, '"barrier" among options', "stands alone on its line"),
    ("a #DWORK barrier", 1, '"barrier" among options', "stands alone on its line"),
    ("#DWORK barier", 1, '"barier"', "write key=value words"),
    ("a\n  #DWORK name=x", 2, "name= needs a command", "sets defaults"),
    ("#DWORK cores=0", 1, "cores: it is out of range", "from 1 to 2147483647"),
    ("a #DWORK cores=2.5", 1, 'cores: "2.5" is not a whole number', "cores=2"),
    ("a #DWORK gpus=-1", 1, "gpus: it is out of range", "from 0"),
    ("a #DWORK retries=x", 1, 'retries: "x"', "retries=2"),
    ("a #DWORK priority=99999999999", 1, "priority: it is out of range", "from -2147483648"),
    ("a #DWORK timeout=0", 1, "timeout: 0 would stop the task at once", "leave timeout out"),
    ("a #DWORK timeout=soon", 1, 'timeout: "soon" is not a duration', "write 90, 90s, 5m"),
    ("a #DWORK min-time=-1", 1, 'min-time: "-1" is not a duration', "write 90"),
    ("a #DWORK memory=lots", 1, 'memory: "lots" is not an amount', "write 512M, 2G"),
    ("a #DWORK cwd=", 1, "cwd: it is empty", "leave cwd out"),
    ("a #DWORK name=", 1, "name: it is empty", "leave it out"),
    ("a #DWORK name=b,c", 1, "has a comma", "use another character"),
    ("a #DWORK name='b\x01c'", 1, '"b\\x01c" has a control character', "use printable"),
    ("a #DWORK name=" + "n" * 131072, 1, "name: it is longer than 131071 bytes", "use a shorter one"),
    ("a #DWORK after=", 1, "after: there is an empty name", "without a stray comma"),
    ("a\nb #DWORK after=a,", 2, "after: there is an empty name", "without a stray comma"),
    ("mesh\na \\\n  #DWORK after=mash", 2, 'unknown predecessor "mash"', 'did you mean "mesh"?'),
    ("a #DWORK after=zzz", 1, 'unknown predecessor "zzz"', "correct it"),
    ("a\nb #DWORK after=c*", 2, '"c*" matches no other task', "correct the pattern"),
    ("a\nb #DWORK after=b*", 2, '"b*" matches no other task', "correct the pattern"),
    ("a\nb #DWORK name=x\n\nc #DWORK name=x", 4, 'the name "x" is taken by the task at t:2', "another"),
    ("a\nb #DWORK after=b", 2, "in a circle: b -> b;", "take one of these dependencies out"),
    ("a\nb #DWORK after=d\nc #DWORK after=b\nd #DWORK after=c", 2, "circle: b -> c -> d -> b;", "take one"),
    ("a #DWORK after=b\n#DWORK barrier\nb", 1, "circle: a -> t:2: barrier -> b -> a;", "take one"),
    ("x1 #DWORK after=y\nx2\ny #DWORK after=x*\nz #DWORK after=x*", 1, "x1 -> t:3: after=x* -> y -> x1;", "take"),
    ("a1 #DWORK after=a*\na2 #DWORK after=a*", 1, "circle: a1 -> a2 -> a1;", "take one"),
]

CSV = [
    ('a\n"b', 2, "not a CSV row", 'quote a field as "..."'),
    ('\n"b"c\n', 2, "not a CSV row", 'quote a field as "..."'),
    ("a\rb\n", 1, "not a CSV row", "quote a field"),
    (",a", 1, "the command, is empty", "write command,predecessor"),
    ("a\nb,,a", 2, "an empty predecessor", "take the comma out"),
    ("a\na", 2, 'the name "a" is taken by the task at t:1', "another"),
    ('"a\nb"\nc,d', 3, 'unknown predecessor "d"', "correct it"),
    ("a,b\nb,a", 1, "circle: a -> b -> a;", "take one"),
    ("x" * 131072, 1, "longer than Linux can pass", "put it in a script"),
    ("x" * 131073, 1, "longer than Linux can pass", "put it in a script"),
]

JSONL = [
    ("{", 1, "not JSON", "write one object a line"),
    ('{"command": "a"} {}', 1, "not JSON", "write one object a line"),
    ("[" * 100000, 1, "nested too deep", "write one object a line"),
    ("\n[]", 2, "not an object", 'write {"command"'),
    ('{"name": "a"}', 1, 'there is no "command"', "give a string"),
    ('{"command": " "}', 1, "command: it is empty", "write what is to run"),
    ('{"command": []}', 1, "command: there is no program", 'write ["program"'),
    ('{"command": ["", "a"]}', 1, "command: there is no program", 'write ["program"'),
    ('{"command": ["a", 1]}', 1, "command: it must be a string", "in double quotes"),
    ('{"command": 1}', 1, "command: it must be a string for the shell, or a list", "in quotes"),
    ('{"command": "a\\u0000"}', 1, "command: it has a NUL", "remove it"),
    ('{"command": "a\\ud800"}', 1, 'command: "a\\ud800" has half a character', "write it whole"),
    ('{"command": ["' + "x" * 131072 + '"]}', 1, "command: the command or an argument is longer", "in a script"),
    ('{"command": ["' + "x" * 99999 + '", "' + "x" * 99999 + '"]}', 1, "too long to be the task's name", "give it"),
    ('{"command": "a", "command": "b"}', 1, 'the key "command" stands twice', "keep one"),
    ('{"command": "a", "env": {"A": "", "A": ""}}', 1, 'the key "A" stands twice', "keep one"),
    ('{"command": "a", "comand": "b"}', 1, 'unknown key "comand"', "did you mean command?"),
    ('{"command": "a", "name": 1}', 1, "name: it must be a string", "in double quotes"),
    ('{"command": "a", "name": null}', 1, "name: it must be a string", "in double quotes"),
    ('{"command": "a", "after": [["b"]]}', 1, "after: it must be a string", "in double quotes"),
    ('{"command": "a", "after": [""]}', 1, "after: there is an empty name", "take it out"),
    ('{"command": "a", "cores": true}', 1, "cores: it must be a whole number", '"cores": 2'),
    ('{"command": "a", "cores": "2"}', 1, "cores: it must be a whole number", '"cores": 2'),
    ('{"command": "a", "cores": 2.0}', 1, "cores: it must be a whole number", '"cores": 2'),
    ('{"command": "a", "gpus": -1}', 1, "gpus: it is out of range", "from 0"),
    ('{"command": "a", "timeout": true}', 1, "timeout: it must be a number or a string", "write 7200"),
    ('{"command": "a", "timeout": NaN}', 1, "NaN is not a number in JSON", "give a finite one"),
    ('{"command": "a", "timeout": 1e999}', 1, "timeout: it is negative or not finite", "give seconds"),
    ('{"command": "a", "timeout": ' + "9" * 5000 + "}", 1, "more digits", "give a smaller one"),
    ('{"command": "a", "timeout": "soon"}', 1, 'timeout: "soon" is not a duration', "write 90"),
    ('{"command": "a", "memory": -1}', 1, "memory: it is out of range", "give bytes"),
    ('{"command": "a", "memory": 1e999}', 1, "memory: it is out of range", "give bytes"),
    ('{"command": "a", "cwd": 1}', 1, "cwd: it must be a string", "in double quotes"),
    ('{"command": "a", "env": []}', 1, "env: it must be an object of strings", 'write {"NAME"'),
    ('{"command": "a", "env": {"A": 1}}', 1, "env: it must be a string", "in double quotes"),
    ('{"command": "a", "env": {"A=B": ""}}', 1, 'env: "A=B" cannot be the name', 'without "="'),
    ('{"command": "a", "env": {"": ""}}', 1, 'env: "" cannot be the name', "give one"),
]

DAG = [
    ("TASK", 1, "a TASK needs an id and an executable", "write TASK id"),
    ("TASK a", 1, "a TASK needs an id and an executable", "write TASK id"),
    ("TASK a -m 1", 1, "there is no executable", "write TASK id"),
    ('TASK a ""', 1, "there is no executable", "write TASK id"),
    ("TASK a -m", 1, "-m needs a value", "write TASK id"),
    ("TASK a -m 1 -c", 1, "-c needs a value", "write TASK id"),
    ("TASK a -m 10MB x", 1, '-m: "10MB" is not a number', "write digits only"),
    ("TASK a -c -1 x", 1, '-c: "-1" is not a number', "write digits only"),
    ("TASK a -t 0 x", 1, "-t: a task is tried at least once", "write 1 or more"),
    ("TASK a --tries 1.5 x", 1, '--tries: "1.5" is not a whole number', "--tries 2"),
    ("TASK a -p x x", 1, '-p: "x" is not a whole number', "2"),
    ("TASK a -f A=b x", 1, "-f: forwarding is not supported", "let the task read the file"),
    ("TASK a --file-forward a=b x", 1, "--file-forward: forwarding is not supported", "let the task"),
    ("TASK a -m=10 x", 1, '"-m=10" is one word', "-m VALUE"),
    ("TASK a -x 1 x", 1, 'unknown option "-x"', "the options are -m, -c, -t and -p"),
    ('TASK a x "it\'s"', 1, "a quote is not closed", "close it"),
    ("TASK a x 'b", 1, "a quote is not closed", "close it"),
    ("TASK a\x01 x", 1, 'id: "a\\x01" has a control character', "use printable"),
    ("TASK a x\nTASK a y", 2, 'the name "a" is taken by the task at t:1', "another"),
    ("EDGE a", 1, "an EDGE has two ids", "write EDGE parent child"),
    ("EDGE a b c", 1, "an EDGE has two ids", "write EDGE parent child"),
    ("TASK a x\nEDGE a b\n", 2, 'no TASK "b" in this file', "correct the EDGE"),
    ("TASK a x\nEDGE b a\n", 2, 'no TASK "b" in this file', "correct the EDGE"),
    ("TASKS a x", 1, 'unknown record "TASKS"', "write TASK id"),
    ("TASK a x\nTASK b x\nEDGE a b\nEDGE b a", 1, "circle: a -> b -> a;", "take one"),
    ("TASK a " + "x" * 131072, 1, "longer than Linux can pass", "put it in a script"),
]


@pytest.mark.parametrize(
    ("form", "text", "line", "wrong", "advice"),
    [
        pytest.param(form, *case, id=f"{form}-{k}")
        for form, cases in (("lines", LINES), ("csv", CSV), ("jsonl", JSONL), ("dag", DAG))
        for k, case in enumerate(cases)
    ],
)
def test_a_mistake_is_told_with_its_place_and_what_to_do(
    form: str, text: str, line: int, wrong: str, advice: str
) -> None:
    told = refusal("t", text.encode(), form)
    assert told.startswith(f"t:{line}: ")
    assert wrong in told
    assert advice in told[told.index(wrong) :]
    assert len(told) < 400


def test_a_name_in_two_files_is_told_with_both_places() -> None:
    with pytest.raises(TaskFileError, match=r'^-:2: the name "x" is taken by the task at a\.csv:1; '):
        parse([Source("a.csv", b"x\n", "csv"), Source("-", b"b\na #DWORK name=x\n")])


def test_control_characters_of_a_file_name_and_a_long_name_are_shown_harmless() -> None:
    told = refusal("a\n\x1b\udcff", b"b #DWORK after=" + b"x" * 500 + b"\x1b", "lines")
    assert told.startswith('a\\n\\x1b\\xff:1: unknown predecessor "xxx')
    assert "xxx...xxx" in told
    assert len(told) < 200
