"""Random graphs of tasks that leave traces, and the states in which they must end."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: $1: name; $2: seconds that it takes; $3: lines that it prints; $4: how often it fails before it succeeds, -1: always.
#: All traces are lines appended to one file, so their order is the order in which things happened. A process of a task
#: holds its lock as long as it lives, so a second one notices that it is not alone.
_STEP: Final = """\
note() { echo "$1 $name $DWORK_ATTEMPT $$ $DWORK_WORKER" >> "DIRECTORY/trace"; }
name=$1
exec 9>> "DIRECTORY/locks/$1"
flock -n 9 || note beside
note start
[ "$3" = 0 ] || seq -f "$1 $DWORK_ATTEMPT %.0f" "$3"
[ "$2" = 0 ] || sleep "$2"
if [ "$4" != 0 ]; then
    tries=$(cat "DIRECTORY/tries/$1" 2>/dev/null)
    if [ "$4" = -1 ] || [ ${#tries} -lt "$4" ]; then
        printf x >> "DIRECTORY/tries/$1"
        note failed
        exit 1
    fi
fi
echo "$1 $DWORK_ATTEMPT end"
note end
"""


@dataclass(frozen=True, slots=True)
class Task:
    """One task. fails: how often it fails before it succeeds; -1: always. options: as in a task file."""

    name: str
    after: tuple[str, ...] = ()
    after_any: tuple[str, ...] = ()
    seconds: float = 0.0
    lines: int = 0
    fails: int = 0
    options: str = ""

    def output(self, attempt: int) -> bytes:
        """Return what it prints on stdout when it succeeds."""
        lines = [f"{self.name} {attempt} {i}\n" for i in range(1, self.lines + 1)]
        return "".join([*lines, f"{self.name} {attempt} end\n"]).encode()


def random_graph(chance: random.Random, most: int) -> list[Task]:
    """Return up to `most` tasks, at least half as many; each may come after some of those before it.

    The last one needs a second try.
    """
    tasks: list[Task] = []
    for i in range(chance.randint(most // 2, most)):
        before = [task.name for task in tasks[-8:]]
        chosen = chance.sample(before, min(len(before), chance.choice([0, 0, 1, 1, 2, 3])))
        is_any = bool(chosen) and chance.random() < 0.1
        fails = chance.choices([0, 1, 2, -1], [90, 6, 3, 1])[0]
        tasks.append(
            Task(
                f"t{i}",
                after=() if is_any else tuple(chosen),
                after_any=tuple(chosen) if is_any else (),
                seconds=chance.choices([0.0, 0.05, 0.2, 1.0, 3.0], [30, 30, 25, 12, 3])[0],
                lines=chance.choices([0, 1, 20, 1000, 20_000], [40, 20, 20, 15, 5])[0],
                fails=fails,
                options=chance.choice(["", "", "", "priority=2", "timeout=10m"])
                + (" retries=2" if fails and chance.random() < 0.7 else ""),
            )
        )
    # By then nothing else wakes a worker that waits.
    tasks.append(Task("last", after=tuple(task.name for task in tasks[-3:]), lines=1, fails=1, options="retries=2"))
    return tasks


def write(tasks: Iterable[Task], directory: Path) -> Path:
    """Write the task file and what its tasks need; return its path."""
    for name in ("locks", "tries"):
        (directory / name).mkdir()
    script = directory / "step.sh"
    script.write_text(_STEP.replace("DIRECTORY", str(directory)))
    path = directory / "tasks.txt"
    path.write_text("".join(_line(task, script) for task in tasks))
    return path


def _line(task: Task, script: Path) -> str:
    options = [f"name={task.name}"]
    options += [f"after={','.join(task.after)}"] if task.after else []
    options += [f"after-any={','.join(task.after_any)}"] if task.after_any else []
    command = f"sh {script} {task.name} {task.seconds:g} {task.lines} {task.fails}"
    return f"{command}   #DWORK {' '.join([*options, task.options]).rstrip()}\n"


def expected(tasks: Sequence[Task]) -> dict[str, str]:
    """Return the state in which each task must end, by name."""
    states: dict[str, str] = {}
    for task in tasks:
        states[task.name] = "failed" if task.fails < 0 else "done"
        if any(states[name] != "done" for name in task.after):
            states[task.name] = "skipped"
    return states
