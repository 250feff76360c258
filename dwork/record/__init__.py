"""The record of a run: an SQLite file that outlives whatever happens, and the log files beside it."""
