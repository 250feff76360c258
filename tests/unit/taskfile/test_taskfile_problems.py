"""A check of task files reports all mistakes, in order, and none that only follows from another."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dwork.core.errors import TaskFileError
from dwork.core.shell import words_of
from dwork.taskfile import AllProblems, Source, parse
from dwork.taskfile.shell_choice import ShellChoice

DATA = Path(__file__).parent / "data"


def found(*texts: str, form: str = "lines", most: int = 100, shell: ShellChoice | None = None) -> list[str]:
    """The mistakes of files t, u, v with these texts, each up to its mend."""
    sources = [Source(name, text.encode(), form) for name, text in zip("tuv", texts, strict=False)]
    problems = AllProblems([source.name for source in sources], most)
    tasks = parse(sources, problems=problems, shell=shell)
    lines = problems.lines()
    assert not (lines and tasks), "what is wrong must not run"
    try:
        parse(sources, shell=shell)
    except TaskFileError as error:
        assert problems.count > most or any(line.startswith(str(error)) for line in lines), "that which a run reports"
    else:
        assert not lines
    assert all(" " in line and "; " in line for line in lines if not line.startswith("and "))
    return [line.partition("; ")[0] for line in lines]


def test_files_without_mistakes_have_none() -> None:
    assert found("a\nb #DWORK after=a\n", "c\n") == []


def test_each_bad_line_is_reported_in_order_of_file_and_line() -> None:
    assert found(
        "a #DWORK cores=x\nb\nc 'open\nd #DWORK after=zz\ne #DWORK timout=3\n",
        "ok\nf #DWORK name=b,c\n",
    ) == [
        't:1: cores: "x" is not a whole number',
        found("\n\nc 'open\n")[0],
        't:4: unknown predecessor "zz"',
        't:5: unknown key "timout"',
        'u:2: name: "b,c" contains a comma, which separates names in after=',
    ]


def test_only_the_first_are_listed_and_the_others_counted() -> None:
    assert found("a #DWORK cores=x\n" * 250, most=3) == [
        *[f't:{n}: cores: "x" is not a whole number' for n in (1, 2, 3)],
        "and 247 more",
    ]
    text = "a #DWORK after=zz\n" + "b #DWORK cores=x\n" * 3
    assert found(text, most=2)[0] == 't:1: unknown predecessor "zz"', "though it is found last"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a #DWORK name=x cores=y\nb #DWORK after=x\n", [1]),
        ("a #DWORK name='x y' cores=y\nb #DWORK 'after=x y'\n", [1]),
        ("a #DWORK name=x cores=y\nb #DWORK after=z\n", [1, 2]),
        ("x #DWORK cores=y\nx\nb #DWORK 'after=x #2'\n", [1]),
        ("a1 #DWORK cores=y\nb #DWORK after=a*\n", [1]),
        ("#DWORK setup\nmodule load gcc\nx\n", [1]),
        ("#DWORK setup\nif true\n#DWORK end\nx 'open\n", [2, 4]),
        ("#DWORK after=mash\na\nb\nc\n", [2]),
        ("for i in 1 2\ndo\necho $i\ndone\n[[ a ]]\n", [1, 5]),
        ('{\n  "a": 1,\n  \'b', [1]),
    ],
)
def test_what_may_follow_from_a_bad_line_is_not_reported(text: str, lines: list[int]) -> None:
    assert [int(line.split(":")[1]) for line in found(text)] == lines


def test_a_file_that_cannot_be_read_may_have_any_task() -> None:
    assert found("a\0b\n", "c #DWORK after=x\nd 'open\n") == [
        "t:1: this line contains a NUL byte",
        found("", "\nd 'open\n")[0],
    ]


def test_an_unknown_predecessor_of_many_tasks_is_reported_once_with_its_lines() -> None:
    problems = AllProblems(["t"])
    parse([Source("t", b"a #DWORK after=z\n" * 9)], problems=problems)
    assert problems.lines() == [
        't:1: unknown predecessor "z"; add a task with that name, or correct the name '
        "(also lines 2, 3, 4, 5, 6 and 3 more)"
    ]
    problems = AllProblems(["t"])
    parse([Source("t", b"mesh\nb #DWORK after=mash\nc #DWORK after=mash\n")], problems=problems)
    assert problems.lines() == ['t:2: unknown predecessor "mash"; did you mean "mesh"? (also line 3)']


def test_names_that_are_used_twice_and_cycles_are_all_reported() -> None:
    assert found("a #DWORK name=x\nb #DWORK name=x\nc #DWORK name=x after=x\n") == [
        't:2: the name "x" is already used by the task at t:1',
        't:3: the name "x" is already used by the task at t:1',
    ]
    assert found(
        "a #DWORK after=b\nb #DWORK after=a\nc #DWORK after=d\nd #DWORK after=c\ne #DWORK after=zz\n"
        "f1 #DWORK after=f1\n"
    ) == [
        "t:1: these tasks wait for one another: a -> b -> a",
        "t:3: these tasks wait for one another: c -> d -> c",
        't:5: unknown predecessor "zz"',
        "t:6: these tasks wait for one another: f1 -> f1",
    ]
    assert found("a1 #DWORK after=a*\na2 #DWORK after=a*\na3 #DWORK after=a*\nb #DWORK after=c*\n") == [
        "t:1: these tasks wait for one another: a1 -> a2 -> a1",
        't:4: "c*" matches no other task',
    ]


def test_a_shell_that_cannot_run_the_setup_block_is_reported_once() -> None:
    text = "#DWORK setup\nmodule load gcc\n#DWORK end\n" + "a #DWORK shell=fish\n" * 3 + "b #DWORK cores=x\n"
    assert [line[:4] for line in found(text)] == ["t:4:", "t:7:"]
    twice = ShellChoice(words_of("bash"), ("a 'open",), ("s:1",))
    assert [line[:4] for line in found("a\nb #DWORK cores=2\n", shell=twice)] == ["s:1:"]


@pytest.mark.parametrize(
    ("form", "text", "lines"),
    [
        ("jsonl", '{"command": 3}\n{"command": "a", "after": "b"}\n{"comand": "b"}\n', [1, 3]),
        ("csv", "a,b\n,c\nd,,a\ne,a\n", [1, 2, 3]),
        ("csv", 'a\n"b"c\nd,,a\n"e', [2, 3, 4]),
        ("dag", "TASK a\nTASK b x\nEDGE a b\nEDGE b zz\nLINK b c\n", [1, 4, 5]),
        ("disbatch", "#DISBATCH FOO\na\n#DISBATCH REPEAT x\n#DISBATCH REPEAT 3 'open\n", [1, 3, 4]),
        ("greasy", "[# 1 \n[# 1 #] a\n[# 9 #] b\n\n[# 4 #] c\n", [1, 3, 5]),
        ("launcher", "1,a\nb\n$LAUNCHER_TSK_ID\n", [1, 3]),
        ("pylauncher", "a\nb\n3,c\n4,d\ne\n", [3, 5]),
        (
            "hyperqueue",
            '[[task]]\nid = "x"\n[[task]]\nid = 1\ndeps = [7]\ncommand = ["a"]\n[[task]]\nfoo = 1\n',
            [1, 7],
        ),
    ],
)
def test_every_format_goes_on_behind_a_bad_line(form: str, text: str, lines: list[int]) -> None:
    assert [int(line.split(":")[1]) for line in found(text, form=form)] == lines


def test_a_file_of_all_known_refusals_reports_each_that_concerns_a_line() -> None:
    """Every refusal of the cases of users is found again when what is refused stands between good lines."""
    for path in sorted(DATA.glob("*.txt")):
        _, *cases = path.read_text().split("\n== ")
        for case in cases:
            text, _, expected = case.partition("\n")[2].partition("\n--\n")
            if (match := re.match(r"! \S+?:([0-9]+): ", expected)) is not None:
                source = Source("t", f"{text}\n".encode(), path.stem)
                problems = AllProblems(["t"])
                assert parse([source], problems=problems) == []
                assert f":{match[1]}: " in "\n".join(problems.lines())
