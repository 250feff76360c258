"""Runs the commands of tasks as processes, and monitors them."""
