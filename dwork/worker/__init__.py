"""What a worker decides: when to ask for tasks, what to run, what to report. Pure, as the hub is."""
