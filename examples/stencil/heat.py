"""A stencil: heat on a ring, cut into blocks; each block's step needs its own and its neighbours' step before.

    python3 heat.py tasks 8 20 > tasks.txt         a task file for 8 blocks and 20 steps
    python3 heat.py step BLOCK STEP BLOCKS         one task: reads three blocks, writes one
    python3 heat.py check BLOCKS STEPS             the last task: compares with a computation in one piece

No barrier is needed between steps: a block goes on as soon as its own neighbours are done.
"""

import json
import math
import os
import sys

CELLS = 16  # in each block
FLOW = 0.2  # what share of a difference flows to the neighbour in one step


def start(block: int, blocks: int) -> list[float]:
    return [math.sin(2 * math.pi * (block * CELLS + i) / (blocks * CELLS)) + 1 for i in range(CELLS)]


def advance(left: float, cells: list[float], right: float) -> list[float]:
    """The cells one step later; left and right are their neighbours."""
    row = [left, *cells, right]
    return [row[i] + FLOW * (row[i - 1] - 2 * row[i] + row[i + 1]) for i in range(1, len(row) - 1)]


def read(block: int, step: int, blocks: int) -> list[float]:
    block %= blocks
    if step == 0:
        return start(block, blocks)
    with open(f"cells/{block}-{step}.json") as file:
        return json.load(file)


def write_step(block: int, step: int, blocks: int) -> None:
    """The task: a result appears whole or not at all, since it may run twice."""
    before = [read(block + shift, step - 1, blocks) for shift in (-1, 0, 1)]
    os.makedirs("cells", exist_ok=True)
    path = f"cells/{block}-{step}.json"
    with open(f"{path}.new", "w") as file:
        json.dump(advance(before[0][-1], before[1], before[2][0]), file)
    os.replace(f"{path}.new", path)


def print_tasks(blocks: int, steps: int) -> None:
    for step in range(1, steps + 1):
        for block in range(blocks):
            near = sorted({(block + shift) % blocks for shift in (-1, 0, 1)})
            after = "" if step == 1 else " after=" + ",".join(f"cell-{b}-{step - 1}" for b in near)
            print(f"python3 heat.py step {block} {step} {blocks} #DWORK name=cell-{block}-{step}{after}")
    print(f"python3 heat.py check {blocks} {steps} #DWORK name=check after=cell-*-{steps}")


def check(blocks: int, steps: int) -> None:
    found = [cell for block in range(blocks) for cell in read(block, steps, blocks)]
    direct = [cell for block in range(blocks) for cell in start(block, blocks)]
    for _ in range(steps):
        direct = advance(direct[-1], direct, direct[0])
    error = max(abs(a - b) for a, b in zip(found, direct, strict=True))
    print(f"{len(found)} cells after {steps} steps, heat {sum(found):.6f}, error {error:.1e}")
    sys.exit(error > 1e-12)


if __name__ == "__main__":
    command, *numbers = sys.argv[1:] or ["help"]
    actions = {"tasks": (print_tasks, 2), "step": (write_step, 3), "check": (check, 2)}
    action, count = actions.get(command, (None, 0))
    if action is None or len(numbers) != count or not all(n.isdecimal() for n in numbers):
        sys.exit(__doc__)
    action(*map(int, numbers))
