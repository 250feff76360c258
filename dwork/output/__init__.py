"""What a run prints and writes beside its record: the tasks' output, the summary, the joblog."""
