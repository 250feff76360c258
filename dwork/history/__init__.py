"""What happened in a run, worked out from what its record tells: values in, values out."""
