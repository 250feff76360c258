"""A worker's decisions: when to ask for tasks, what to run, what to report. Pure, as the hub is."""
