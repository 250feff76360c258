"""What a command leaves in the background is found, and what only looks like it passes."""

from __future__ import annotations

import subprocess

import pytest

from dwork.core.shell_syntax.fault import fault, left_behind
from dwork.core.shell_syntax.features import Dialect
from dwork.core.task import Command

LEFT = [
    "a &",
    "a&",
    "a & b",
    "(a; b) &",
    "(a &)",
    "{ a; } &",
    "nohup a > x 2>&1 &",
    "a && b &",
    "a & echo please wait",
    "a & sh -c 'wait'",
    "a & # wait",
    "a & wait; b &",
    'a "$(b "c")" & d',
    'a `b "c"` & d',
    "curl http://x/?a=1&b=2",
    "echo a#b & c",
    "echo $((1 << 2)) & b\n2",
    "cat <<E\nx\nE\na &",
    "cat << E &\nx\nE",
    "a \\\n & b",
    "if x; then y & fi",
    ("sh", "-c", "a &"),
    ("sh", "-c", 'cd d && exec "$@"', "sh", "bash", "-c", "a &"),
    ("/bin/bash", "-c", "a &"),
]
PASSES = [
    "a && b",
    "a & wait",
    "a & b & wait",
    "(a & b & wait)",
    "{ a & b & wait; }",
    "for i in 1 2; do a $i & done; wait",
    "if true; then a & wait; fi",
    "case $x in y) a & wait;; esac",
    "a & { wait; }",
    "a & wait $!",
    "a &\nb &\nwait\n",
    "monitor & pid=$!; a; kill $pid",
    "a > log 2>&1",
    "a >&2",
    "a <&3",
    "a |& b",
    "case x in x) a;& y) b;; esac",
    "echo '&' \"&\" \\& a\\&b",
    'echo "it\'s & that"',
    "echo $'it\\'s & that'",
    "echo $((5 & 3)) $(( ((1 + 2)) & 5 ))",
    "((x & y))",
    "echo a # b & c",
    "a $(b & c)",  # the shell waits for what it reads from
    'a "$(b "c & d")"',
    'a "`b "c & d"`"',
    "cat <<< 'a & b'",
    "cat <<E\na & b\nE",
    "cat <<-'E' > f && b\na & b\n\tE\nc",
    "echo ${x:-a&b} \"${x:-'&'}\"",
    "awk '{print $1 & $2}' f",
    "waiting 5",
    "wait=5 a",
    "await",
    "",
    None,
    ("a", "&"),
    ("a", "-c", "&"),
    ("sh", "-x", "a &"),
]


@pytest.mark.parametrize("command", LEFT)
def test_work_left_in_the_background_is_found(command: Command) -> None:
    assert fault(command, dialect=Dialect.POSIX).startswith('"&" leaves a process in the background')
    assert fault(command, dialect=Dialect.BASH).startswith('"&" leaves a process in the background')


@pytest.mark.parametrize("command", PASSES)
def test_what_leaves_nothing_in_the_background_passes(command: Command) -> None:
    assert fault(command, dialect=Dialect.BASH) == ""


@pytest.mark.parametrize("command", ["a &> log", "a &>> log", "a &>log", "a b &> log; wait"])
def test_output_to_a_file_as_only_bash_writes_it_is_found_where_the_shell_is_not_bash(command: str) -> None:
    assert fault(command, dialect=Dialect.POSIX).endswith("write > FILE 2>&1 instead")
    assert fault(("dash", "-c", command), dialect=Dialect.BASH)
    assert not fault(command, dialect=Dialect.BASH)
    assert not fault(("/bin/bash", "-c", command), dialect=Dialect.POSIX)
    assert fault(("sh", "-c", command), dialect=Dialect.POSIX) and not fault(
        ("sh", "-c", command), dialect=Dialect.BASH
    )


@pytest.mark.parametrize("command", ["wait", "wait; a", "wait # for all", "wait $!", "wait && a", "wait\na"])
def test_a_wait_for_nothing_is_found(command: str) -> None:
    assert fault(command, dialect=Dialect.POSIX).startswith('"wait" has nothing to wait for')


@pytest.mark.parametrize("command", [case for case in PASSES if isinstance(case, str)])
def test_what_passes_is_what_a_shell_reads_without_complaint(command: str) -> None:
    subprocess.run(["bash", "-n", "-c", command], check=True)


@pytest.mark.parametrize("command", [*LEFT, "wait", "a &> log"])
def test_what_leaves_something_behind_is_also_found_alone(command: Command) -> None:
    assert left_behind(command, dialect=Dialect.POSIX)


@pytest.mark.parametrize("command", [*PASSES, "it's", "it's & x", "cd x", "f(1) & g"])
def test_nothing_else_is_required_of_a_name(command: Command) -> None:
    assert left_behind(command, dialect=Dialect.BASH) == ""
