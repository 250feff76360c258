"""Readers of task files of other systems."""
