"""Files of shell commands, one a line."""

from __future__ import annotations

import pytest

from dwork.core.errors import TaskFileError
from dwork.core.task import PLAIN, EndWarning, Options, Task
from dwork.taskfile import Source, parse


def tasks_of(text: str | bytes) -> list[Task]:
    return parse([Source("t.txt", text.encode() if isinstance(text, str) else text)])


def commands_of(text: str | bytes) -> list[object]:
    return [task.command for task in tasks_of(text)]


def test_the_example_of_the_manual_is_one_graph() -> None:
    tasks = tasks_of(
        "# Blank lines and comments are no tasks.\n"
        "\n"
        "#DWORK timeout=2h retries=1\n"
        "mesh in.geo mesh.h5                    #DWORK name=mesh\n"
        "solve mesh.h5 --case 1 > 1.out         #DWORK name=solve-1 after=mesh cores=4\n"
        "solve mesh.h5 --case 2 > 2.out         #DWORK name=solve-2 after=mesh cores=4\n"
        "report 1.out 2.out                     #DWORK after=solve-*\n"
        "#DWORK barrier\n"
        "tar cf all.tar *.out\n"
    )
    default = Options(timeout=7200.0, retries=1)
    wide = Options(timeout=7200.0, retries=1, cores=4)
    barrier = "t.txt:8: barrier"
    assert tasks == [
        Task("mesh", "mesh in.geo mesh.h5", (), default),
        Task("solve-1", "solve mesh.h5 --case 1 > 1.out", ("mesh",), wide),
        Task("solve-2", "solve mesh.h5 --case 2 > 2.out", ("mesh",), wide),
        Task("report 1.out 2.out", "report 1.out 2.out", ("solve-1", "solve-2"), default),
        Task(barrier, None, ("mesh", "solve-1", "solve-2", "report 1.out 2.out")),
        Task("tar cf all.tar *.out", "tar cf all.tar *.out", (barrier,), default),
    ]
    assert tasks[1].options is tasks[2].options


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        ("", []),
        ("\n\n  \n\t\n", []),
        ("a", ["a"]),
        (b"\xef\xbb\xbfa\r\nb\r\n", ["a", "b"]),
        ("  a b \t\n", ["a b"]),
        ("ls a\\ \n", ["ls a\\ "]),
        ("ls a\\\\ \n", ["ls a\\\\"]),
        ("ls a\\  #DWORK cores=2", ["ls a\\ "]),
        ("a \\\n  b\\\nc\nd", ["a   bc", "d"]),
        (b"a \\\r\nb\r\n", ["a b"]),
        ("a \\", ["a"]),
        ("a \\\\\nb", ["a \\\\", "b"]),
        ("# a \\\nb", ["b"]),
        ("#DWORKER x\n#dwork y\n#DWORKbarriers\n#DWORK\n#DWORK \n", []),
        ("a # see C:\\\nb", ["a # see C:\\", "b"]),
        ("a '# see' \\\nb", ["a '# see' b"]),
        ("a x#y \\\nb", ["a x#y b"]),
        ("echo x#DWORK y", ["echo x#DWORK y"]),
        ("echo #DWORKER y", ["echo #DWORKER y"]),
        ("echo 'a #DWORK b' #DWORK", ["echo 'a #DWORK b'"]),
        ("echo a #DWORK", ["echo a"]),
        ("echo a\t#DWORK\tcores=2", ["echo a"]),
        ("echo $((1+1)) \x0c", ["echo $((1+1)) \x0c"]),
    ],
)
def test_a_line_is_what_a_shell_takes_for_one(text: str | bytes, commands: list[object]) -> None:
    assert commands_of(text) == commands


def test_a_command_keeps_bytes_that_are_not_utf8_and_its_name_shows_them() -> None:
    (task,) = tasks_of(b"cat caf\xe9 \xc3\xa9\n")
    assert isinstance(task.command, str)
    assert task.command.encode("utf-8", "surrogateescape") == b"cat caf\xe9 \xc3\xa9"
    assert task.name == "cat caf\\xe9 é"


def test_a_name_in_bytes_that_are_not_utf8_is_found_again() -> None:
    first, second = tasks_of(b"a #DWORK name=caf\xe9 cwd=d\xff\nb #DWORK after=caf\xe9\n")
    assert (first.name, second.after) == ("caf\\xe9", ("caf\\xe9",))
    assert first.options.cwd == "d\udcff"


def test_name_and_command_are_one_object_when_they_are_equal() -> None:
    for task in tasks_of("echo a\necho é\necho b #DWORK name='echo b'\n"):
        assert task.name is task.command


def test_repeats_are_numbered_past_names_that_are_taken() -> None:
    tasks = tasks_of("a\na\na #2\ntrue #DWORK name='a #3'\na\nb #DWORK name=c\nc\n")
    assert [task.name for task in tasks] == ["a", "a #4", "a #2", "a #3", "a #5", "c", "c #2"]


def test_defaults_hold_for_the_lines_below_and_a_line_overrides_them_key_by_key() -> None:
    tasks = tasks_of(
        "a\n#DWORK cores=2 memory=1G after=a\nb\nc #DWORK cores=3 after=b\n"
        "#DWORK cores=4 priority=-1\nd\ne #DWORK cores=1"
    )
    assert [(task.options, task.after) for task in tasks] == [
        (PLAIN, ()),
        (Options(cores=2, memory=2**30), ("a",)),
        (Options(cores=3, memory=2**30), ("b",)),
        (Options(cores=4, memory=2**30, priority=-1), ("a",)),
        (Options(memory=2**30, priority=-1), ("a",)),
    ]


def test_defaults_end_with_their_file() -> None:
    tasks = parse([Source("1.txt", b"#DWORK cores=2\na\n"), Source("2.txt", b"b\n")])
    assert [task.options.cores for task in tasks] == [2, 1]


def test_every_key_can_stand_in_quotes() -> None:
    (task,) = tasks_of(
        "a #DWORK name='my task' cores=2 memory=\"2 G\" gpus=1 timeout=1:30:00 retries=3 priority=-2 "
        "cwd=my\\ dir min-time=90s grace='2m' warn=usr1@5m\n"
    )
    options = Options(2, 2**31, 1, 5400.0, 3, -2, "my dir", 90.0, grace=120.0, warn=EndWarning(10, 300.0))
    assert task == Task("my task", "a", (), options)


def test_after_takes_names_that_come_later_and_names_with_blanks_around() -> None:
    tasks = tasks_of("a #DWORK after='b , c,b'\nb #DWORK name=b\nc")
    assert tasks[0].after == ("b", "c")


def test_equal_options_are_one_object_however_they_are_written() -> None:
    a, b, c = tasks_of("a #DWORK memory=2G\nb #DWORK memory=2048M\nc #DWORK cores=1")
    assert a.options is b.options
    assert c.options is PLAIN


def test_a_command_may_be_as_long_as_linux_allows_and_no_longer() -> None:
    assert commands_of("x" * 131071) == ["x" * 131071]
    assert commands_of("é" * 65535 + " #DWORK cores=2") == ["é" * 65535]
    for text in ("x" * 131072, "a\n" + "é" * 65536, ("x" * 1000 + " \\\n") * 140):
        with pytest.raises(TaskFileError, match=r"^t\.txt:[12]: .*put it in a script$"):
            tasks_of(text)
