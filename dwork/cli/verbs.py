"""The verbs of the program `dwork`, in groups, as its help lists them.

Each one-line description repeats the beginning of the verb's own help (a test compares them), so that listing the verbs
imports nothing.
"""

from __future__ import annotations

GROUPS = {
    "Run tasks": {
        "pool": "Run the tasks in FILEs",
        "check": "Check task files without running anything",
        "hub": "Serve a graph of tasks to workers",
        "worker": "Run tasks from a hub until all are finished",
    },
    "Inspect a run": {
        "status": "Print how many tasks are in each state",
        "watch": "Watch a run",
        "list": "List tasks",
        "show": "Show the details and the history of a task",
        "why": "Explain why a task does not run, and what to do",
        "log": "Print the output of a task",
        "failed": "List the failed tasks",
        "workers": "List the workers",
        "report": "Write a report of a run",
        "graph": "Draw the task graph in a record, coloured by state",
        "trace": "Write a run as trace events",
        "rest": "Print the remaining tasks as a task file",
        "doctor": "Report what dwork sees of this machine",
    },
    "Control a run": {
        "create": "Add a task",
        "addfile": "Add all tasks in a file",
        "cancel": "Cancel tasks that have not ended, and terminate those that run",
        "retry": "Retry tasks that failed or were cancelled",
        "hold": "Keep tasks from starting until they are released",
        "release": "Release held tasks, so that they can start",
        "drain": "Drain a pool",
        "stop-worker": "Stop workers",
        "include-worker": "Give excluded workers tasks again",
    },
    "Act as a worker in a script": {
        "steal": "Steal ready tasks as worker HOST",
        "complete": "Report the end of a task",
        "transfer": "Give back a task unfinished",
        "lookup": "Print the state and the worker of a task",
        "exit": "Report that worker HOST, by default this host, is gone",
    },
    "More": {
        "completion": "Print the shell completion script for dwork's programs",
        "help": "Print the help of COMMAND",
    },
}
NAMES = frozenset(name for group in GROUPS.values() for name in group)

ABOUT = "Run a graph of shell commands on every core of an HPC allocation, and watch it."
DETAILS = (
    "`dwork VERB --help` shows the help of a verb. Options before the verb choose the hub,",
    "as in `dwork --job 4711 status`; `dquery --help` lists them.",
)


def overview() -> str:
    """Return the text of `dwork --help`."""
    wide = max(map(len, NAMES))
    lines = ["Usage: dwork VERB [OPTIONS] [ARGUMENTS]", "", f"  {ABOUT}", "", *(f"  {line}" for line in DETAILS)]
    for title, verbs in GROUPS.items():
        lines += ["", f"{title}:", *(f"  {name:{wide}}  {text}" for name, text in verbs.items())]
    return "\n".join(lines) + "\n"


def unknown(word: str, *, is_file: bool = False) -> str:
    """Return the error message for a word that is not a verb."""
    from dwork.cli import suggestions
    from dwork.core.text import shown

    if is_file:
        return f"{shown(word)} is a file; `dwork pool {shown(word)}` runs the tasks in it"
    near = suggestions.command(word, NAMES)
    advice = f"did you mean `dwork {near}`?" if near else "`dwork --help` lists all"
    return f"there is no verb '{shown(word)}'; {advice}"
