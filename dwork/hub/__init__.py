"""The hub's decisions: the task graph, the workers, which worker gets which task. Pure: no socket, clock or disk."""
