"""Runs the commands of tasks as processes, and watches over them."""
