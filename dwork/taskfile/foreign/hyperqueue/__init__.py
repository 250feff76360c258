"""The job files of HyperQueue: `jobfile` reads one, of which each task is a `program` and a `request`, from `toml`."""

from dwork.taskfile.foreign.hyperqueue.jobfile import read

__all__ = ["read"]
