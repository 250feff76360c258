"""The Python interface to a running hub."""
