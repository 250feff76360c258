"""The types that everything else is built on: tasks, messages, events, errors. Pure values, no side effects."""
