"""A run of this process, as its connection file describes it."""

from __future__ import annotations

import os
import socket

from dwork.connection.file import Connection
from dwork.host.pid_space import pid_space

ME = Connection(
    ("tcp://10.0.0.1:6125", "tcp://127.0.0.1:6125"), "server", "public", "secret", socket.gethostname(), os.getpid(),
    "4711.cluster", "/home/me/tasks.txt", 1e9, "1.0", pid_space=pid_space(),
)  # fmt: skip
