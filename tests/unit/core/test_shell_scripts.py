"""A script is split into its commands, and a setup block accepts what a shell can run before every task."""

from __future__ import annotations

import pytest

from dwork.core.shell_syntax.fault import commands, setup_fault
from dwork.core.shell_syntax.features import Dialect

SCRIPT = r"""
# modules
module load gcc openmpi   # both
export WORK=/scratch/$USER; cd "$WORK"

prepare() {
    local x=$1
    for i in 1 2; do
        echo "$i"
    done
}
if [ -n "$X" ]; then
    . ./env.sh
fi
cat > conf <<EOF && cat <<-'B' > other
a = (
# not a comment, and 'not a quote
EOF
	done
	B
export TEXT='two
lines' A=\
b
: "last" #"""


def test_a_script_is_split_into_commands_with_their_first_lines() -> None:
    found = commands(SCRIPT, Dialect.POSIX)
    lines = SCRIPT.split("\n")
    assert [line for line, _ in found] == [2, 3, 5, 11, 14, 20, 23]
    assert [text.split("\n")[0] for _, text in found] == [
        "module load gcc openmpi   # both", *(lines[line] for line in (3, 5, 11, 14, 20, 23)),
    ]  # fmt: skip
    assert [text.count("\n") + 1 for _, text in found] == [1, 1, 6, 3, 6, 3, 1]
    assert found[4][1].endswith("\tdone\n\tB")


@pytest.mark.parametrize("text", ["a # b \\", "a \\\\", "a \\\n", "a '\\'", 'a "\\\\"'])
def test_a_backslash_that_continues_nothing_is_only_one_that_ends_the_script(text: str) -> None:
    assert len(commands(text, Dialect.BASH)) == 1


@pytest.mark.parametrize("text", ["", "\n \n\t\n", "# only a comment", "#a\n\n  # b \\\n"])
def test_blank_lines_and_comments_are_no_commands(text: str) -> None:
    assert commands(text, Dialect.POSIX) == []


@pytest.mark.parametrize(
    ("text", "line", "wrong"),
    [
        ("a\n\nif x; then\n  b\n", 2, '"if" has no "fi" in the script'),
        ("a\nb 'c\nd\n", 1, "a single quote (') is not closed"),
        ('a\nb "$(c\nd\n', 1, '"$(" has no ")"'),
        ("a\ncat <<E\nx\n", 1, 'the here-document "<<E" has no end'),
        ("a\nfi\n", 1, '"fi" makes no sense here'),
        ("a\nb; }\n", 1, '"}" makes no sense here'),
        ("a\nb)\n", 1, '")" makes no sense here'),
        ("a |\n\n", 0, 'nothing follows "|"'),
        ("a\nb &&", 1, 'nothing follows "&&"'),
        ("a\nb; ; c", 1, '";" makes no sense here'),
        ("a\nb \\", 1, "the backslash at the end of the script continues nothing"),
        ("a\nexport B=c\\", 1, "the backslash at the end of the script continues nothing"),
        ("( " * 10000, 0, "commands are nested too deeply"),
    ],
)
def test_a_script_that_is_not_complete_is_refused_with_the_line(text: str, line: int, wrong: str) -> None:
    with pytest.raises(ValueError) as refused:
        commands(text, Dialect.BASH)
    assert refused.value.args[1] == line
    assert refused.value.args[0].startswith(wrong)
    assert "; " in refused.value.args[0]


@pytest.mark.parametrize(
    "command",
    ["cd /scratch", "export A=1", "module load gcc", ". ./env", "set -e", "f() {\n  a\n}", "ulimit -s unlimited"],
)
def test_a_setup_block_changes_the_shell(command: str) -> None:
    assert setup_fault(command, dialect=Dialect.POSIX) == ""


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        ("Xvfb :1 &", '"&" in the setup block would start a process for every task'),
        ("f() { a & }; f", '"&" in the setup block'),
        ("exec > log 2>&1", '"exec > log 2>&1" in the setup block would take away the output'),
        ("cd x && exec 2> log", "would take away the output of every task"),
        ("source env.sh", '"source" is an unknown command in this shell'),
        ("if x", '"if" has no "fi"'),
    ],
)
def test_a_setup_block_starts_nothing_and_leaves_the_output_where_it_is(command: str, wrong: str) -> None:
    assert wrong in setup_fault(command, dialect=Dialect.POSIX)
    assert "; " in setup_fault(command, dialect=Dialect.POSIX)


def test_what_bash_understands_passes_in_a_setup_block_for_bash() -> None:
    assert setup_fault("source env.sh; a=(1 2)", dialect=Dialect.BASH) == ""
