"""The record of a run: an SQLite file that survives crashes, and the log files beside it."""
