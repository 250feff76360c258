"""The words that everything else is made of: tasks, messages, events, errors. Values in, values out."""
