"""A workflow in the shape of Montage, which makes one mosaic of many images of the sky, on images that it makes up.

    python3 montage.py dag 4 3 > montage.dag       the workflow for 4 x 3 images
    python3 montage.py mProject 0 ...              its tasks, see below

Each image sees a piece of the same sky, overlaps its neighbours, and is too bright by a constant of its own:

    mProject (each image)     puts it on the common grid
    mDiffFit (each overlap)   by how much two neighbours differ
    mConcatFit                all these differences as one table
    mBgModel                  the correction of each image that makes the differences vanish
    mBackground (each image)  applies it
    mAdd                      averages all images into the mosaic, and compares it with the sky
"""

import json
import os
import sys

SIDE, STRIDE = 12, 8  # pixels of an image, and from one image to the next


def sky(x: int, y: int) -> float:
    return ((x * 7 + y * 13) % 11) / 10


def read(name: str):
    with open(f"images/{name}.json") as file:
        return json.load(file)


def write(name: str, value: object) -> None:
    """A file that appears whole or not at all, since a task may run twice."""
    os.makedirs("images", exist_ok=True)
    with open(f"images/{name}.new", "w") as file:
        json.dump(value, file)
    os.replace(f"images/{name}.new", f"images/{name}.json")


def project(column: int, row: int, columns: int) -> None:
    left, top = column * STRIDE, row * STRIDE
    haze = ((row * columns + column) * 37 % 19) / 4
    pixels = ((x, y) for x in range(left, left + SIDE) for y in range(top, top + SIDE))
    write(f"projected-{column}-{row}", {f"{x},{y}": sky(x, y) + haze for x, y in pixels})


def diff_fit(one: str, other: str) -> None:
    a, b = read(f"projected-{one}"), read(f"projected-{other}")
    common = a.keys() & b.keys()
    write(f"fit-{one}-{other}", [one, other, sum(a[at] - b[at] for at in common) / len(common)])


def concat_fit(*fits: str) -> None:
    write("fits", [read(f"fit-{fit}") for fit in fits])


def model() -> None:
    """Gauss-Seidel: each correction becomes what its neighbours ask for, until none changes."""
    fits = read("fits")
    correction = {name: 0.0 for one, other, _ in fits for name in (one, other)}
    first, change = min(correction), 1.0
    while change > 1e-12:
        change = 0.0
        for name in correction:
            asked = [correction[b] - d for a, b, d in fits if a == name]
            asked += [correction[a] + d for a, b, d in fits if b == name]
            new = sum(asked) / len(asked)
            change = max(change, abs(new - correction[name]))
            correction[name] = new
    write("corrections", {name: value - correction[first] for name, value in correction.items()})


def background(name: str) -> None:
    by = read("corrections")[name]
    write(f"corrected-{name}", {at: value + by for at, value in read(f"projected-{name}").items()})


def add(*names: str) -> None:
    sums: dict[str, list[float]] = {}
    for name in names:
        for at, value in read(f"corrected-{name}").items():
            sums.setdefault(at, []).append(value)
    mosaic = {at: sum(values) / len(values) for at, values in sums.items()}
    write("mosaic", mosaic)
    rest = [value - sky(*map(int, at.split(","))) for at, value in mosaic.items()]
    seam = max(rest) - min(rest)  # the sky's own background cannot be known: a constant is left
    print(f"mosaic of {len(names)} images, {len(mosaic)} pixels, seams below {seam:.0e}")
    sys.exit(seam > 1e-6)


def print_dag(columns: int, rows: int) -> None:
    places = [(column, row) for row in range(rows) for column in range(columns)]
    names = {place: "{}-{}".format(*place) for place in places}
    overlaps = []
    for column, row in places:
        for near in ((column + 1, row), (column, row + 1), (column + 1, row + 1), (column - 1, row + 1)):
            if near in names:
                overlaps.append((names[column, row], names[near]))

    def task(id: str, *words: object) -> None:
        print("TASK", id, "python3 montage.py", *words)

    for (column, row), name in names.items():
        task(f"mProject_{name}", "mProject", column, row, columns)
    for one, other in overlaps:
        task(f"mDiffFit_{one}_{other}", "mDiffFit", one, other)
        print(f"EDGE mProject_{one} mDiffFit_{one}_{other}\nEDGE mProject_{other} mDiffFit_{one}_{other}")
    task("mConcatFit", "mConcatFit", *(f"{one}-{other}" for one, other in overlaps))
    for one, other in overlaps:
        print(f"EDGE mDiffFit_{one}_{other} mConcatFit")
    task("mBgModel", "mBgModel")
    print("EDGE mConcatFit mBgModel")
    for name in names.values():
        task(f"mBackground_{name}", "mBackground", name)
        print(f"EDGE mProject_{name} mBackground_{name}\nEDGE mBgModel mBackground_{name}")
    task("mAdd", "mAdd", *names.values())
    for name in names.values():
        print(f"EDGE mBackground_{name} mAdd")


if __name__ == "__main__":
    command, *words = sys.argv[1:] or ["help"]
    if command == "dag" and len(words) == 2 and all(word.isdecimal() and int(word) > 1 for word in words):
        print_dag(*map(int, words))
    elif command == "mProject" and len(words) == 3:
        project(*map(int, words))
    elif command in ("mDiffFit", "mConcatFit", "mBgModel", "mBackground", "mAdd"):
        tasks = {
            "mDiffFit": diff_fit,
            "mConcatFit": concat_fit,
            "mBgModel": model,
            "mBackground": background,
            "mAdd": add,
        }
        tasks[command](*words)
    else:
        sys.exit(__doc__)
