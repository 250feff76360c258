"""The output of a run apart from its record: the tasks' output, the summary, the joblog."""
