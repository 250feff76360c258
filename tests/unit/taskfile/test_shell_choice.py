"""Which shell runs the lines of a file, and the setup block that it runs first."""

from __future__ import annotations

import pytest

from dwork.core.errors import TaskFileError
from dwork.core.shell import DEFAULT, Shell
from dwork.core.task import PLAIN, Task
from dwork.taskfile import AllProblems, ShellChoice, Source, parse
from dwork.taskfile.writing import Unwritable, as_lines, as_objects


def read(text: str, format: str = "lines", shell: ShellChoice | None = None) -> list[Task]:
    return parse([Source("t", text.encode(), format)], shell=shell)


def shells(text: str, format: str = "lines", shell: ShellChoice | None = None) -> list[Shell]:
    return [task.options.shell or DEFAULT for task in read(text, format, shell) if task.command is not None]


SETUP = "#DWORK setup\nmodule load x\nexport A=1\n#DWORK end\n"
BLOCK = ("module load x", "export A=1")


def test_the_first_line_names_the_shell_of_all_lines() -> None:
    assert shells("#!/bin/bash -e\na\nb #DWORK cores=2\n") == [Shell(("/bin/bash", "-e"))] * 2
    assert shells("#!/usr/bin/env bash\na\n") == [Shell(("bash",))]
    (task,) = read("#!/bin/sh\na\n")
    assert task.options is PLAIN, "the default costs nothing"


def test_the_first_line_may_be_repeated_further_down() -> None:
    assert shells("#!/bin/bash\na\n#!/bin/bash\nb\n") == [Shell(("/bin/bash",))] * 2


def test_the_setup_block_belongs_to_all_lines_and_names_its_places() -> None:
    first, second = shells(f"#!/bin/bash\n# about\n{SETUP}a\nb\n")
    assert first is second and first == Shell(("/bin/bash",), BLOCK)
    assert first.places == ("t:4", "t:5")


def test_a_task_may_have_another_shell_with_the_same_setup() -> None:
    assert shells(f"#!/bin/bash\n{SETUP}a\nb #DWORK shell='zsh -f'\n#DWORK shell=dash\nc\n") == [
        Shell(("/bin/bash",), BLOCK),
        Shell(("zsh", "-f"), BLOCK),
        Shell(("dash",), BLOCK),
    ]


def test_the_command_line_wins_over_the_first_line_and_its_setup_comes_first() -> None:
    given = ShellChoice(("dash",), ("umask 077",), ("s:1",))
    assert shells(f"#!/bin/bash\n{SETUP}a\nb #DWORK shell=zsh\n", shell=given) == [
        Shell(("dash",), ("umask 077", *BLOCK)),
        Shell(("zsh",), ("umask 077", *BLOCK)),
    ]
    assert shells("a,b\nb\n", "csv", given) == [Shell(("dash",), ("umask 077",))] * 2
    assert shells('{"command": "a", "shell": "bash -e"}\n', "jsonl", given)[0].words == ("bash", "-e")


def test_the_first_object_of_a_jsonl_file_may_hold_the_setup() -> None:
    text = '{"setup": "module load x\\nexport A=1", "shell": "bash -e"}\n{"command": ["a", "b"]}\n{"command": "c"}\n'
    assert shells(text, "jsonl") == [Shell(("bash", "-e"), BLOCK)] * 2


def test_a_shell_without_use_is_reported_once_where_it_is_chosen_and_its_lines_are_not_judged() -> None:
    given = ShellChoice(("gsh",))
    for text, format, shell, place in (
        ("#!/own/xsh\n\na ;; b\nc\n", "lines", None, "t:1: "),
        ("a\n\nb ;; #DWORK shell=xsh\nc #DWORK shell=xsh\n", "lines", None, "t:3: "),
        ('\n{"setup": "x=1", "shell": "xsh"}\n{"command": ["a"]}\n', "jsonl", None, "t:2: "),
        ("a ;; b\n", "csv", given, "--shell: "),
    ):
        problems = AllProblems(["t"])
        sources = [Source("t", text.encode(), format), Source("u", b"d ;;\n", "csv")]
        parse(sources, shell=shell, problems=problems, unfit=lambda o: f"no {o.shell.name}" if o.shell else "")
        assert problems.lines() == [f"{place}no {'gsh' if shell else 'xsh'}"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "#!/bin/csh -f\na\n",
            "t:1: csh is not a shell like sh; write one such as /bin/bash, ",
        ),
        ("#!/usr/bin/python3\nprint(1)\n", "t:1: python3 is not a shell like sh; "),
        (f"a\n{SETUP}", "t:2: the setup block runs before every line; move it above the first command"),
        ("#DWORK setup\na\n", "t:1: the setup block has no end; write #DWORK end on a line of its own below it"),
        ("#DWORK setup\na\n#DWORK END\nb\n", 't:3: "#DWORK END" has no effect in the setup block; write #DWORK end'),
        ("#DWORK setup\n# DWORK end\nb\n", 't:2: "# DWORK end" would be ignored; did you mean #DWORK'),
        ("#DWORK setup\n#DWORK timeout=2h\n#DWORK end\nb\n", 't:2: "#DWORK timeout=2h" has no effect in the setup'),
        ("#DWORK setup\na\nb \\\n#DWORK end\nc\n", "t:3: the backslash at the end of the script continues nothing"),
        ("a\n#DWORK end\n", "t:2: no setup block ends here; write #DWORK setup above its first line"),
        (f"{SETUP}a\nb #DWORK shell=fish\n", "t:6: fish cannot run a setup block, which is written for sh"),
        ("a #DWORK shell=perl\n", "t:1: shell: perl is not a shell like sh"),
        ("#DWORK setup\nif true\n#DWORK end\na\n", "t:2: "),
        (
            "#DWORK setup\na\nexec 3<a 4<b 5<c 6<d 7<e\n#DWORK end\na\n",
            "t:5: the setup block uses too many descriptors",
        ),
        (
            "#DWORK setup\n: " + "x" * 100_000 + "\n#DWORK end\na\nb " + "y" * 40_000,
            "t:5: the command with its setup block is",
        ),
        ("#DWORK setup\na\nX=b\\\n#DWORK end\nc\n", "t:3: the backslash at the end of the script continues nothing"),
        ("#!/bin/bash 'a\x1b'\nb\n", 't:1: "a\\x1b" is not a flag of bash'),
    ],
)
def test_what_cannot_be_honoured_is_refused(text: str, problem: str) -> None:
    with pytest.raises(TaskFileError) as error:
        read(text)
    assert str(error.value).startswith(problem)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"command": "a"}\n{"setup": "b"}\n', 't:2: "setup" applies to all tasks of the file; put it into the first'),
        ('{"setup": "b", "command": "a"}\n', 't:1: an object with "setup" is not a task'),
        ('{"setup": 7}\n', "t:1: "),
        (
            f'{{"setup": ": {"x" * 131_000}"}}\n{{"command": ["a"]}}\n',
            "t:2: the command with its setup block is longer than",
        ),
        ('{"setup": "a \\\\"}\n', "t:1: the backslash at the end of the script continues nothing"),
        ('{"setup": "a", "shell": "csh"}\n', "t:1: shell: csh is not a shell like sh"),
    ],
)
def test_what_an_object_cannot_say_is_refused(text: str, problem: str) -> None:
    with pytest.raises(TaskFileError) as error:
        read(text, "jsonl")
    assert str(error.value).startswith(problem)


@pytest.mark.parametrize("format", ["greasy", "disbatch", "launcher", "dag"])
def test_the_formats_of_other_systems_keep_their_shell(format: str) -> None:
    with pytest.raises(TaskFileError, match="have their own shell; remove --shell and --setup"):
        read("", format, ShellChoice(("bash",)))


@pytest.mark.parametrize(
    "text",
    [
        "#!/bin/bash -e\na\nb\n",
        f"{SETUP}a\nb\n",
        f"#!/usr/bin/env -S bash -e\n{SETUP}a\nb #DWORK shell=dash after=a\n#DWORK barrier\nc\n",
        "a #DWORK shell='bash -eo pipefail'\nb #DWORK shell=\"'/opt/my shells/zsh'\"\nc\n",
    ],
)
def test_what_is_left_of_a_run_names_the_same_shells(text: str) -> None:
    tasks = read(text)
    assert read("\n".join(as_lines(tasks, {}))) == tasks
    again = read("\n".join(as_objects(tasks)), "jsonl")
    assert [task.options for task in again] == [task.options for task in tasks if task.command is not None]


def test_tasks_with_different_setup_blocks_do_not_fit_into_one_file() -> None:
    with pytest.raises(Unwritable, match="different setup blocks"):
        as_lines([*read(f"{SETUP}a\n"), Task("b", "b")], {})
