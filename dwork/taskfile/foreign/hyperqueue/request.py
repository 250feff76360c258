"""What a task of a HyperQueue job requests: amounts of resources, times, task ids.

Every function here raises ValueError with one line: what is wrong, and what to write instead.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from dwork.core.amounts import memory_of
from dwork.core.text import shown
from dwork.taskfile.draft import MOST
from dwork.taskfile.options import checked, seconds_of, unknown_key, whole
from dwork.taskfile.typed import string

_KEYS: Final = ("resources", "time_request", "n_nodes", "weight")
_OPTION: Final = {"cpus": "cores", "mem": "memory", "gpus": "gpus", "gpus/nvidia": "gpus", "gpus/amd": "gpus"}
_AMOUNT: Final = re.compile(
    r"[ \t]*([0-9][0-9_]{0,17}(?:\.[0-9]{0,18})?)(?:[ \t]*(compact!?|tight!?|scatter))?[ \t]*", re.ASCII
)
_TIME: Final = re.compile(r"[ \t]*([0-9]{1,18})[ \t]*([A-Za-z]+)[ \t]*", re.ASCII)
_SECONDS: Final = {
    unit: seconds
    for seconds, units in (
        (1e-9, "nsec ns"),
        (1e-6, "usec us"),
        (1e-3, "msec ms"),
        (1.0, "seconds second secs sec s"),
        (60.0, "minutes minute mins min m"),
        (3600.0, "hours hour hrs hr h"),
        (86400.0, "days day d"),
        (604800.0, "weeks week wks wk w"),
        (2630016.0, "months month M"),
        (31557600.0, "years year yrs yr y"),
    )
    for unit in units.split()
}
_RANGE: Final = re.compile(r"\s*([0-9][0-9_]{0,18})(?:-([0-9][0-9_]{0,18})(?::([0-9][0-9_]{0,18}))?)?\s*", re.ASCII)
_MOST_ID: Final = 2**32 - 1

Values = dict[str, Any]
Env = tuple[tuple[str, str], ...]

#: The variables of a task that requests nothing.
_ONE_CPU: Final[Env] = (("OMP_NUM_THREADS", "1"), ("HQ_RESOURCE_REQUEST_cpus", "1 compact"))


def seconds(key: str, value: object) -> float:
    """Return a duration such as `1m 10s`, in seconds."""
    text = string(value)
    parts, at = 0.0, 0
    while match := _TIME.match(text, at):
        if match[2] not in _SECONDS:
            break
        parts += int(match[1]) * _SECONDS[match[2]]
        at = match.end()
    if not text.strip() or at < len(text):
        raise ValueError(f'"{shown(text)}" is not a duration; write, for example, "90s", "5m", "2h" or "1h 30m"')
    return seconds_of(key, parts)


def number(value: object, low: int, high: int) -> int:
    """Return a whole number from low to high."""
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"must be a whole number from {low} to {high}; correct it")
    return value


def id_of(value: object) -> int:
    return number(value, 0, _MOST_ID)


def ids(value: object) -> list[int]:
    """Return the ids of the tasks of an array, such as `1,2,50-100` or `0-10:2`."""
    found: list[int] = []
    for item in string(value).split(","):
        match = _RANGE.fullmatch(item)
        first, last, step = (int(n.replace("_", "")) for n in match.groups(match[1])) if match else (1, 0, 1)
        if match and match[3] is None:
            step = 1
        if not first <= last <= _MOST_ID or not step:
            raise ValueError(f'"{shown(item)}" is not a range of ids; write, for example, "1,2,50-100" or "0-10:2"')
        numbers = range(first, last + 1, step)
        if len(found) + len(numbers) > MOST:
            raise ValueError(f"more than {MOST:,} tasks; correct the numbers, or split the file")
        found += numbers
    if len(set(found)) < len(found):
        raise ValueError("an id is given twice; use ranges that do not overlap")
    return found


def requested(value: object, remark: Callable[[str], None]) -> tuple[Values, Env]:
    """Return the options of the first request that dwork can express, and the variables that report it to the task."""
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise ValueError("must be a list of tables; write [[task.request]] above resources = { cpus = 4 }")
    if not value:
        return {}, _ONE_CPU
    for found in value:
        for key in found:
            if key not in _KEYS:
                raise unknown_key(key, _KEYS)
    missing = [_missing(found) for found in value]
    if "" not in missing:
        raise ValueError(missing[0])
    chosen = missing.index("")
    values, env = _request(value[chosen], remark)
    if len(value) == 1:
        return values, env
    for text in missing[:chosen]:
        remark(f"request: a request is left out, and the next one is used: {text}")
    if "" in missing[chosen + 1 :]:
        remark("request: only the first of several requests is used; put the one you want first")
    return values, (*env, ("HQ_RESOURCE_VARIANT", str(chosen)))


def _missing(found: dict[str, Any]) -> str:
    """Return what a request asks for that dwork does not have; empty when there is nothing."""
    if checked("n_nodes", number, found.get("n_nodes", 0), 0, _MOST_ID):
        return "n_nodes: a task runs on one node; remove it, or let the command start a part on each node"
    resources = found.get("resources", {})
    for name, value in resources.items() if isinstance(resources, dict) else ():
        if name not in _OPTION:
            return f'resources: unknown resource "{shown(name)}"; remove it, or use {", ".join(_OPTION)}'
        if isinstance(value, str) and value.strip() == "all":
            return f'resources: {name}: "all" is not supported; write the number that a worker has'
    return ""


def _request(found: dict[str, Any], remark: Callable[[str], None]) -> tuple[Values, Env]:
    if "weight" in found:
        remark("weight is ignored: dwork's scheduler has no weights; use priority")
    values, env = checked("resources", _resources, found.get("resources", {}), remark)
    if "time_request" in found:
        values["min_time"] = checked("time_request", seconds, "min-time", found["time_request"])
    return values, env


def _resources(found: object, remark: Callable[[str], None]) -> tuple[Values, Env]:
    if not isinstance(found, Mapping):
        raise ValueError("must be a table; write, for example, { cpus = 4, mem = 2000 }")
    values: Values = {}
    env: list[tuple[str, str]] = []
    for name, value in found.items():
        amount, policy = checked(name, _amount, value)
        if policy not in ("compact", "tight"):
            remark(f"{policy} is ignored: a task gets neighbouring CPUs where possible; remove it")
        key = _OPTION[name]
        if key == "memory":
            values[key] = checked(name, memory_of, amount * 2**20)
        else:
            if amount != math.ceil(amount):
                remark(f"{name}: a fraction is rounded up; write a whole number")
            values[key] = checked(name, whole, key, values.get(key, 0) + math.ceil(amount))
        if name == "cpus" and amount == math.ceil(amount):
            env.append(("OMP_NUM_THREADS", f"{amount:.0f}"))
        text = f"{amount:.4f}".rstrip("0").rstrip(".")
        env.append((f"HQ_RESOURCE_REQUEST_{name.replace('/', '_')}", f"{text} {policy}"))
        if name == "gpus/nvidia":
            env.append(("CUDA_DEVICE_ORDER", "PCI_BUS_ID"))
    return values, tuple(env)


def _amount(value: object) -> tuple[float, str]:
    policy = "compact"
    if isinstance(value, str):
        match = _AMOUNT.fullmatch(string(value))
        if not match:
            raise ValueError(f'"{shown(value)}" is not an amount; write a number or, for example, "4 compact"')
        value, policy = float(match[1].replace("_", "")), match[2] or policy
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 2**63:
        raise ValueError("must be a number above 0; write, for example, 4")
    return float(value), policy
