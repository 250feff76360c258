"""Which file system a path is on, by the kernel's list of mounts."""

from __future__ import annotations

import os

import pytest

from dwork.host.mounts import MINE, Mount, of

LIST = """\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 27 0:27 / /home rw shared:2 master:1 - autofs systemd-1 rw
31 30 0:28 / /home rw - nfs4 filer:/export/home rw,vers=4.2
32 27 0:29 / /scratch rw - lustre 10.0.0.1@o2ib:/scratch rw,flock
33 27 0:30 / /my\\040data rw - tmpfs tmpfs rw
a line of another kind
"""


@pytest.mark.parametrize(
    ("path", "mount"),
    [
        ("/", Mount("ext4", "/dev/vda")),
        ("/homes/me", Mount("ext4", "/dev/vda")),
        ("/home/me/run", Mount("nfs4", "filer:/export/home")),
        ("/scratch", Mount("lustre", "10.0.0.1@o2ib:/scratch")),
        ("/my data/x", Mount("tmpfs", "tmpfs")),
    ],
)
def test_the_mount_nearest_above_a_path_counts_and_of_two_at_one_place_the_later(path: str, mount: Mount) -> None:
    assert of(path, LIST) == mount


def test_without_a_list_it_is_not_known() -> None:
    assert of("/home", "") == Mount()


def test_this_machine_has_mounts() -> None:
    with open(MINE) as file:
        text = file.read()
    assert of(os.path.realpath("/proc/self"), text).kind == "proc"
    assert of("/", text).kind
