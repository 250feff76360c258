"""Reads shell commands: whether they are complete, and do what they do under any shell that may run them."""
