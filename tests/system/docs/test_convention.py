"""How pages mark what is to be run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.docs.page import Command, PageError, blocks, commands, fits
from tests.system.docs.session import Python, Shell

PAGE = """
<!-- file: tasks.txt -->
```bash
echo hello
```

- in a list

  ```console
  $ cat <<EOF \\
  > tasks.txt
  ...
  ```

<!-- before: dhub & -->
<!-- run: slurm -->
```console
$ true
```

<!-- run: no, it takes a week -->
```console
$ sleep 604800
```

```python
1 + 1
```

```text
$ nothing
```
"""


def test_blocks_are_read_with_what_stands_before_them() -> None:
    found = list(blocks(Path("page.md"), PAGE))
    assert [(b.line, b.language, b.runs) for b in found] == [
        (3, "bash", False),
        (9, "console", True),
        (17, "console", True),
        (22, "console", False),
        (26, "python", True),
        (30, "text", False),
    ]
    assert found[0].file == "tasks.txt"
    assert (found[2].needs, found[2].before) == ({"slurm"}, ("dhub &",))
    assert found[3].left_out == "it takes a week"
    assert commands("page.md", found[1]) == [Command(10, "cat <<EOF \\\ntasks.txt", ("...",))]


@pytest.mark.parametrize(
    "text",
    [
        "```sh\ntrue\n```",
        "    $ true\n",
        "<!-- run: no -->\n```console\n$ true\n```",
        "<!-- run: pbs -->\n```console\n$ true\n```",
        "<!-- file: -->\n```bash\ntrue\n```",
        "<!-- file: a -->\n\nA paragraph.\n\n```bash\ntrue\n```",
        "```console\ntrue\n```",
    ],
)
def test_a_block_that_would_escape_is_refused(text: str) -> None:
    with pytest.raises(PageError, match=r"^page\.md:\d+: "):
        for block in blocks(Path("page.md"), text):
            commands("page.md", block)


def test_three_points_stand_for_anything_in_a_line_and_for_lines() -> None:
    assert fits(("took ... s", "...", "done"), "took 1.5 s\na\nb\ndone  \n\n")
    assert fits(("a", "...", "b"), "a\nb\n")
    assert fits(("...",), "")
    assert not fits(("took ... s",), "took 1.5\ns\n")
    assert not fits(("a",), "a\nb")


def test_a_shell_keeps_its_directory_variables_and_exit_status(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    shell = Shell(tmp_path, {"PATH": "/usr/bin:/bin"})
    try:
        assert shell.type("cd below && A=1 && sh -c 'exit 3'") == (3, "")
        assert shell.type("echo $? $A; printf %s ${PWD##*/}") == (0, "3 1\nbelow")
        assert shell.type("cat; echo it\\'s") == (0, "it's\n")
        assert shell.type("if") != (0, "")
        assert shell.type("cat <<EOF\na\nEOF") == (0, "a\n")
        with pytest.raises(AssertionError, match="ended the shell"):
            shell.type("echo bye; exit 4")
    finally:
        shell.end()


def test_python_keeps_its_names_and_says_where_it_failed(tmp_path: Path) -> None:
    python = Python(tmp_path, {})
    try:
        assert python.type("import os\na = os.getcwd()", "page.md") == (0, "")
        assert python.type("print(a)", "page.md") == (0, f"{tmp_path}\n")
        status, printed = python.type("\n\na / 2", "page.md")
        assert status == 1 and 'File "page.md", line 3' in printed
    finally:
        python.end()
