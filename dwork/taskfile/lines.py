"""Task files of shell commands, one per line, with options in comments.

Rules. Lines are those of a shell: a backslash at the end joins a line to the next, except in a comment. A first line
`#!SHELL FLAGS` names the shell of all lines. A line that starts with `#` is a comment; one that starts with `#DWORK` is
a directive, which sets defaults for the lines below, is a barrier, or begins the setup block. On a command line the
last ` #DWORK ` starts the options. The rest of a command is not parsed, but searched for a misspelled `#DWORK`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from dwork.core.errors import TaskFileError
from dwork.core.text import shown
from dwork.taskfile.directive import MARK, QUOTED, Defaults, alone, items, refuse_near_miss, words
from dwork.taskfile.draft import Draft, Pool
from dwork.taskfile.foreign.signs import FIRST, refuse, refuse_kind, remark_variables
from dwork.taskfile.options import checked
from dwork.taskfile.shell_choice import END, SETUP, read_first_line
from dwork.taskfile.text import BLANKS, LIMIT, SHORT, TOO_LONG, fit_command, fit_name, trimmed

# Where a comment can start.
_COMMENT = re.compile(r"(?:^|[\s;&|()<>])#")


def read(draft: Draft, text: str, pool: Pool) -> None:
    """Read the text of a file into its draft; mistakes name the line."""
    draft.globs = True
    refuse_kind(draft, text)
    remark_variables(draft, text)
    defaults = Defaults(pool)
    numbered = enumerate(text.split("\n"), 1)
    # An ordinary line takes a microsecond in this loop; functions handle whatever looks special.
    for number, line in numbered:
        try:
            if number == 1 and line.startswith("#!"):
                draft.shell.words = read_first_line(line)
                continue
            if line.endswith("\\"):
                line = _continued(line, numbered)
            command = line.strip(BLANKS)
            if not command:
                continue
            if "#" in command or command[0] in FIRST or command[-1] == "\\" or len(command) > SHORT:
                _special(draft, defaults, number, trimmed(line), numbered)
            else:
                draft.add(number, None, command, defaults.after, defaults.options, None, defaults.after_any)
        except (ValueError, TaskFileError) as error:
            draft.lose(number, error, line)


def _special(draft: Draft, defaults: Defaults, number: int, line: str, numbered: Iterator[tuple[int, str]]) -> None:
    """Add a line that has, or may have, more than a command."""
    refuse(line)
    if line[0] == "#":
        directive = alone(line)
        if directive == SETUP:
            _setup(draft, number, numbered)
        elif directive is not None:
            _directive(draft, defaults, number, directive)
        elif line.startswith(("#!/", "#! /")):
            _refuse_late_shell(draft, line)
        else:
            refuse_near_miss(line)
        return
    command, options = _split_options(line)
    refuse_near_miss(command)
    fit_command(command)
    if not options:
        draft.add(number, None, command, defaults.after, defaults.options, None, defaults.after_any)
        return
    given = words(options)
    name = given.pop("name", None)
    after = given.pop("after", None)
    after_any = given.pop("after-any", None)
    draft.add(
        number,
        None if name is None else checked("name", fit_name, name.strip(BLANKS)),
        command,
        defaults.after if after is None else checked("after", items, after),
        defaults.plus(given) if given else defaults.options,
        None,
        defaults.after_any if after_any is None else checked("after-any", items, after_any, "after-any"),
    )


def _setup(draft: Draft, number: int, numbered: Iterator[tuple[int, str]]) -> None:
    if draft.tasks:
        raise ValueError("the setup block runs before every line; move it above the first command")
    draft.lost[number] = ""  # all lines below, unless the block has an end
    block = _block(draft, numbered)
    del draft.lost[number]
    draft.shell.add(draft.source, number + 1, block)


def _block(draft: Draft, numbered: Iterator[tuple[int, str]]) -> str:
    """Return the text of a setup block, up to its end. Raise ValueError when that is missing."""
    lines: list[str] = []
    for number, line in numbered:
        text = line.strip(BLANKS)
        directive = alone(text)
        if directive == END:
            return "\n".join(lines)
        if directive is not None:
            draft.report(number, f'"{shown(text)}" has no effect in the setup block; write {MARK} {END} above it')
        elif text[:1] == "#":
            try:
                refuse_near_miss(text)
            except ValueError as error:
                draft.report(number, str(error))
        lines.append(line)
    raise ValueError(f"the setup block has no end; write {MARK} {END} on a line of its own below it")


def _refuse_late_shell(draft: Draft, line: str) -> None:
    """Raise ValueError for a `#!` line that would have no effect, unless it repeats the first line."""
    if read_first_line(line) != draft.shell.words:
        raise ValueError(
            f'"{shown(line, 40)}" chooses the shell only at the very beginning of the file; move it there, or remove it'
        )


def _directive(draft: Draft, defaults: Defaults, number: int, text: str) -> None:
    if text == "barrier":
        draft.barriers.append((len(draft.tasks), number))
    elif text == END:
        raise ValueError(f"no setup block ends here; write {MARK} {SETUP} above its first line")
    else:
        defaults.change(words(text))


def _split_options(line: str) -> tuple[str, str]:
    """Split a command line at the last `#DWORK` between blanks, into command and options."""
    at = line.rfind(MARK)
    while at > 0:
        end = at + len(MARK)
        if line[at - 1] in BLANKS and line[end : end + 1] in BLANKS:
            return trimmed(line[:at]), line[end:].strip(BLANKS)
        at = line.rfind(MARK, 0, at)
    return line, ""


def _continued(line: str, numbered: Iterator[tuple[int, str]]) -> str:
    """Return the line joined with the lines that continue it."""
    while _is_continued(line):
        if len(line) > LIMIT:
            raise ValueError(TOO_LONG)
        line = line[:-1] + next(numbered, (0, ""))[1]
    return line


def _is_continued(line: str) -> bool:
    if (len(line) - len(line.rstrip("\\"))) % 2 == 0:
        return False
    return "#" not in line or not _COMMENT.search(QUOTED.sub("q", line[:-1]))
