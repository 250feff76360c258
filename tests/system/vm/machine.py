"""A virtual machine with a kernel of its own: for what this one's kernel, or a container around it, does not allow.

It sees the files of this machine (9p), and keeps what it writes to itself. It needs qemu, busybox, and a kernel with
its modules, of a package that was unpacked at $DWORK_TEST_KERNEL; .ci/run sees to that.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.needs import missing

#: In this order, since each needs those before it. Some kernels have some of them built in.
_MODULES: Final = (
    "virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci",
    "netfs", "fscache", "9pnet", "9pnet_virtio", "9p", "overlay",
)  # fmt: skip
_INIT: Final = """\
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
for module in {modules}; do [ ! -e /$module.ko ] || insmod /$module.ko; done
mkdir -p /host /own /root
mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=1048576 host /host
mount -t tmpfs own /own
mkdir /own/upper /own/work
mount -t overlay -o lowerdir=/host,upperdir=/own/upper,workdir=/own/work root /root
mount -t proc proc /root/proc
mount -t sysfs sys /root/sys
mount -t devtmpfs dev /root/dev
mkdir -p /root/dev/shm
mount -t tmpfs shm /root/dev/shm
mount -t cgroup2 cgroup /root/sys/fs/cgroup
ip link set lo up
chroot /root /bin/sh -c {script}
echo "{mark}$?"
poweroff -f
"""
_MARK: Final = "the exit status is "


def run(words: Sequence[str], directory: Path, work: Path, limit: float = 120.0) -> tuple[int, str]:
    """Run a command there, as root and in that directory; its exit status and what it printed. work: for our files."""
    kernel, modules = _kernel()
    place = f"HOME=/dev/shm TMPDIR=/dev/shm PATH={shlex.quote(os.environ['PATH'])}"
    script = f"cd {shlex.quote(str(directory))} && {place} {shlex.join(words)}"
    initrd = _initrd(work / "initrd", modules, script)
    qemu = shutil.which("qemu-system-x86_64") or missing("qemu")
    done = subprocess.run(
        [
            qemu, "-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio", "-accel", "tcg", "-cpu", "max",
            "-m", "1024", "-kernel", kernel, "-initrd", initrd, "-append", "console=ttyS0 quiet panic=-1",
            "-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap",
        ],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=limit, check=False,
    )  # fmt: skip
    said, _, status = done.stdout.rpartition(_MARK)
    assert status, f"it did not come to its end:\n{done.stdout}\n{done.stderr}"
    return int(status.split()[0]), said  # the kernel may have a last word


def _kernel() -> tuple[Path, Path]:
    """The newest one, and where its modules are."""
    place = os.environ.get("DWORK_TEST_KERNEL")
    if not place:
        pytest.skip("needs kernel")  # also in CI, which runs it apart
    root = Path(place)
    for kernel in sorted(root.glob("boot/vmlinuz-*"), reverse=True):
        modules = root / "lib/modules" / kernel.name.removeprefix("vmlinuz-") / "kernel"
        if modules.is_dir():
            return kernel, modules
    missing("kernel")


def _initrd(place: Path, modules: Path, script: str) -> Path:
    busybox = shutil.which("busybox") or missing("busybox")
    (place / "bin").mkdir(parents=True)
    (place / "dev").mkdir()
    shutil.copy(busybox, place / "bin/busybox")
    for name in _MODULES:
        for module in modules.rglob(f"{name}.ko"):
            shutil.copy(module, place)
    init = place / "init"
    init.write_text(_INIT.format(modules=" ".join(_MODULES), script=shlex.quote(script), mark=_MARK))
    init.chmod(0o755)
    archive = place.with_suffix(".cpio")
    names = "\n".join(str(path.relative_to(place)) for path in [place, *place.rglob("*")])
    with archive.open("wb") as file:
        pack = [busybox, "cpio", "-o", "-H", "newc"]
        subprocess.run(pack, cwd=place, input=names.encode(), stdout=file, stderr=subprocess.DEVNULL, check=True)
    return archive
