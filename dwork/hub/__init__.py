"""What the hub decides: the task graph, the workers, who gets which task. Pure: no socket, clock or disk."""
