"""What happened in a run, computed from its record: values in, values out."""
