"""Job files of HyperQueue: `jobfile` reads the TOML; each task has a `program` and a `request`."""

from dwork.taskfile.foreign.hyperqueue.jobfile import read

__all__ = ["read"]
